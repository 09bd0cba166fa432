"""What the files of a snapshot say about themselves: the manifest, its pointer, and the columns of a segment.

Every offset is written down, so a reader needs no Arrow library; Arrow's own readers can open the same files.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from mcai.errors import NO_JSON, NoSnapshotError, SnapshotDamagedError, SnapshotError
from mcai.files import read_small, tells_damage

POINTER_NAME = "CURRENT"
DATA_ENDINGS = ("arrow", "vectors", "codes")
FORMAT = 1


def segment_files(name: str) -> set[str]:
    """Return the names of a segment's own files."""
    return {f"{name}.{ending}" for ending in (*DATA_ENDINGS, "sums")}


class Fixed(NamedTuple):
    """A column of numbers."""

    dtype: str
    is_nullable: bool = False


FIXED = {
    "id": Fixed("<i8"),
    "dataset_id": Fixed("<i4"),
    "c_epoch": Fixed("<i8"),
    "frequency_hz": Fixed("<f8", True),
    "range_lo_hz": Fixed("<f8", True),
    "range_hi_hz": Fixed("<f8", True),
    "created_at": Fixed("<i8", True),
}
"""In a nullable column NaN or `NO_TIME` stands where there is no value; Arrow's readers see a null."""
TEXTS = ("emotion", "source")
"""Emotions are lower-cased as DuckDB does it, for the filter; what a reader gets is in ``json``."""
JSON = "json"
"""The example as the wire shows it, followed by a comma, so that a run of rows is one slice."""
BY_DATASET = "by_dataset"
"""The positions of all rows, by dataset, each dataset's in order (int32)."""
NO_TIME = -(1 << 63)
MAX_ROWS = (1 << 31) - 1


class Buffer(Struct, frozen=True, array_like=True):
    """Where one Arrow buffer lies in its file."""

    offset_bytes: int
    size_bytes: int


class GraphFacts(Struct, frozen=True):
    """What a finished graph's builder says of it."""

    name: str
    """Of its file."""
    bytes: int
    hash: str
    """Of the whole file, as `graph.file_hash` makes it."""
    rows: int
    """Those in the graph: rows without a vector are left out."""
    recall: float
    """recall@10 against the exact answer, over a sample of queries."""
    expansion: int
    """How many rows a search keeps in sight; with it the recall was measured."""
    library: str
    """What wrote the file; another version may not be able to read it."""


class SegmentFacts(Struct, frozen=True):
    """One segment: ``NAME.arrow`` (the columns), ``NAME.vectors`` ((rows, dim) float32), ``NAME.codes`` ((rows,)
    float32, then (rows, dim) int8, see `exact.Codes`), ``NAME.sums`` (CRC-32 of the blocks of the three, in order)."""

    name: str
    rows: int
    first_id: int
    last_id: int
    arrow_bytes: int
    dim: int
    codes_error: float
    sums_crc: int
    buffers: dict[str, Buffer]
    """``NAME`` (values), ``NAME.offsets`` and ``NAME.valid``; the last is missing where no value is null."""
    datasets: dict[int, tuple[int, int]]
    """Which part of ``by_dataset`` is a dataset's, by its id."""
    graph: GraphFacts | None = None

    def file_names(self) -> set[str]:
        """Return the names of its files."""
        return segment_files(self.name) | ({self.graph.name} if self.graph else set())

    @property
    def size_bytes(self) -> int:
        """What its files take."""
        return self.arrow_bytes + self.vectors_bytes + self.codes_bytes + (self.graph.bytes if self.graph else 0)

    @property
    def vectors_bytes(self) -> int:
        return self.rows * self.dim * 4

    @property
    def codes_bytes(self) -> int:
        return self.rows * (4 + self.dim)


class SegmentEntry(Struct, frozen=True):
    """One segment as a generation shows it."""

    facts: SegmentFacts
    hidden: tuple[int, int] = (0, 0)
    """Which part of the hidden positions is this segment's."""


class Generation(Struct, frozen=True):
    """One published state."""

    format: int
    epoch: int
    timeline: str
    """Which history the epoch is one of: a restored catalog has another one."""
    model: str
    dim: int
    domains: dict[int, str]
    segments: list[SegmentEntry]
    hidden_name: str | None
    """A file of int64 positions; None when nothing is hidden."""
    hidden_crc: int

    def file_names(self) -> set[str]:
        """Return the names of all files that this generation needs, its manifest left out."""
        names = {self.hidden_name} if self.hidden_name else set()
        for entry in self.segments:
            names |= entry.facts.file_names()
        return names


class Pointer(Struct, frozen=True):
    """The content of the pointer file."""

    manifest: str
    crc: int
    """Of the manifest."""


# Made once, before there are threads: see mcai.records.
_decode_pointer = msgspec.json.Decoder(Pointer).decode
_decode_generation = msgspec.json.Decoder(Generation).decode


def encode(generation: Generation, name: str) -> tuple[bytes, bytes]:
    """Return the bytes of a manifest and of the pointer to it."""
    manifest = msgspec.json.encode(generation)
    return manifest, msgspec.json.encode(Pointer(name, zlib.crc32(manifest))) + b"\n"


def read_pointer(folder: Path) -> Pointer:
    """Read which manifest is in force.

    Raises:
        NoSnapshotError: nothing was published.
        SnapshotDamagedError: the pointer is not what was written.
        SnapshotError: it cannot be read now.
    """
    path = folder / POINTER_NAME
    try:
        pointer = _decode_pointer(read_small(path))
    except (FileNotFoundError, NotADirectoryError):
        raise NoSnapshotError(f"there is no snapshot in {folder}") from None
    except NO_JSON as error:
        raise SnapshotDamagedError(f"{path} is damaged") from error
    except OSError as error:
        kind = SnapshotDamagedError if tells_damage(error) else SnapshotError
        raise kind(f"{path}: {error.strerror}") from error
    if Path(pointer.manifest).name != pointer.manifest or "\0" in pointer.manifest:
        raise SnapshotDamagedError(f"{path} is damaged")
    return pointer


def read_manifest(folder: Path, pointer: Pointer) -> Generation:
    """Read a manifest.

    Raises:
        SnapshotDamagedError: it is not what the pointer promises.
        FileNotFoundError: it is gone: a newer one may be in force.
    """
    path = folder / pointer.manifest
    raw = read_small(path)
    if zlib.crc32(raw) != pointer.crc:
        raise SnapshotDamagedError(f"{path} is damaged")
    try:
        generation = _decode_generation(raw)
    except NO_JSON as error:
        raise SnapshotDamagedError(f"{path} was written by another version of mcai") from error
    if generation.format != FORMAT:
        raise SnapshotDamagedError(f"{path} was written by another version of mcai")
    return generation
