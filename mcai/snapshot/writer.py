"""Writes the files of one segment, step by step and in bounded memory, however many rows it has."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mcai.errors import SnapshotError
from mcai.files import write_parts
from mcai.snapshot.blocks import Array, block_sums
from mcai.snapshot.exact import quantise
from mcai.snapshot.frame import Totals, write_frame
from mcai.snapshot.layer import Layer
from mcai.snapshot.manifest import BY_DATASET, DATA_ENDINGS, FIXED, JSON, MAX_ROWS, NO_TIME, TEXTS, Buffer, SegmentFacts
from mcai.snapshot.rows import Chunk, merged, postings

SYNC_BYTES = 32 << 20
"""Written between two waits for the disk, so that the last one is short."""

Steps: TypeAlias = Generator[None, None, SegmentFacts | None]


def write_segment(folder: Path, name: str, layers: Sequence[Layer]) -> Steps:
    """Write what shows of some layers as one segment, a chunk between two steps.

    Args:
        folder: of the snapshot.
        name: of the new segment; files of that name must not exist.
        layers: their rows are merged by id.

    Returns:
        What the manifest says of it; None when nothing shows, and then nothing was written.

    Raises:
        OSError: the disk is full, for example. What was written so far stays.
    """
    totals = Totals()
    for chunk in merged(layers):
        _count(chunk, totals)
        yield
    if not totals.rows:
        return None
    if totals.rows > MAX_ROWS:
        raise SnapshotError(f"a segment may have {MAX_ROWS:,} rows, not {totals.rows:,}")
    files = _Files(folder, name, totals)
    try:
        for chunk in merged(layers):
            files.append(chunk)
            yield
        for _ in files.finish():
            yield
    finally:
        files.close()
    sums: list[bytes] = []
    for ending in DATA_ENDINGS:
        for part in block_sums(folder / f"{name}.{ending}"):
            sums.append(part.tobytes())
            yield
    write_parts(folder / f"{name}.sums", sums)
    return files.facts(zlib.crc32(b"".join(sums)))


def written(folder: Path, name: str, layers: Sequence[Layer]) -> SegmentFacts | None:
    """Write a segment at once; see `write_segment`."""
    steps = write_segment(folder, name, layers)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            facts: SegmentFacts | None = done.value
            return facts


def _count(chunk: Chunk, totals: Totals) -> None:
    totals.rows += len(chunk)
    for name in (*TEXTS, JSON):
        text = chunk.text(name)
        totals.text_bytes[name] += int(text.lengths.sum())
        if name in totals.nulls:
            totals.nulls[name] += len(chunk) - int(text.valid.sum())
    for name, kind in FIXED.items():
        if kind.is_nullable:
            totals.nulls[name] += len(chunk) - int(_valid(chunk.fixed(name)).sum())


def _valid(values: Array) -> npt.NDArray[np.bool_]:
    """Tell which values of a nullable column are there."""
    present: npt.NDArray[np.bool_] = ~np.isnan(values) if values.dtype.kind == "f" else values != NO_TIME
    return present


class _Files:
    """The data files of a segment while they are filled."""

    def __init__(self, folder: Path, name: str, totals: Totals) -> None:
        self._name = name
        self._totals = totals
        self._buffers = write_frame(folder / f"{name}.arrow", totals)
        self._arrow_bytes = (folder / f"{name}.arrow").stat().st_size
        with contextlib.ExitStack() as opened:
            # Unbuffered and not appended to: every piece is written to its own place.
            modes = ("r+b", "xb", "xb")
            files = [
                opened.enter_context((folder / f"{name}.{ending}").open(mode, buffering=0))
                for ending, mode in zip(DATA_ENDINGS, modes, strict=True)
            ]
            self._opened = opened.pop_all()
        self._descriptors = [file.fileno() for file in files]
        self._arrow, self._vectors, self._codes = self._descriptors
        self._filled = dict.fromkeys(self._buffers, 0)
        self._odd_bits = {key: np.empty(0, np.bool_) for key in self._buffers if key.endswith(".valid")}
        self._text_ends = dict.fromkeys((*TEXTS, JSON), 0)
        self._dataset_ids: list[npt.NDArray[np.int32]] = []
        self._datasets: dict[int, tuple[int, int]] = {}
        self._ids = (0, 0)
        self._dim = 0
        self._rows = 0
        self._codes_error = 0.0
        self._unsynced_bytes = 0
        for text in self._text_ends:
            self._fill(f"{text}.offsets", [np.zeros(1, "<i8")])

    def append(self, chunk: Chunk) -> None:
        """Write the next rows."""
        for name, kind in FIXED.items():
            values = chunk.fixed(name)
            self._fill(name, [values])
            if kind.is_nullable:
                self._fill_bits(name, _valid(values))
            if name == "id":
                self._ids = (self._ids[0] or int(values[0]), int(values[-1]))
            if name == "dataset_id":
                self._dataset_ids.append(np.array(values))
        for name in self._text_ends:
            text = chunk.text(name)
            ends = self._text_ends[name] + text.lengths.cumsum()
            self._fill(f"{name}.offsets", [ends])
            self._fill(name, text.pieces)
            self._fill_bits(name, text.valid)
            self._text_ends[name] = int(ends[-1])
        matrix = chunk.vectors()
        codes, scales, error = quantise(matrix)
        self._dim = matrix.shape[1]
        size_bytes = _write_at(self._vectors, matrix, self._rows * self._dim * 4)
        size_bytes += _write_at(self._codes, scales, self._rows * 4)
        size_bytes += _write_at(self._codes, codes, self._totals.rows * 4 + self._rows * self._dim)
        self._rows += len(chunk)
        self._codes_error = max(self._codes_error, error)
        self._sync(size_bytes)

    def finish(self) -> Iterator[None]:
        """Write what needs all rows, and wait until everything is on the disk, step by step."""
        for key, odd in self._odd_bits.items():
            self._fill(key, [np.packbits(odd, bitorder="little")])
        by_dataset, self._datasets = postings(np.concatenate(self._dataset_ids))
        self._fill(BY_DATASET, [by_dataset])
        for descriptor in self._descriptors:
            yield
            os.fsync(descriptor)

    def facts(self, sums_crc: int) -> SegmentFacts:
        """Return what the manifest says of the finished files."""
        return SegmentFacts(
            name=self._name,
            rows=self._totals.rows,
            first_id=self._ids[0],
            last_id=self._ids[1],
            arrow_bytes=self._arrow_bytes,
            dim=self._dim,
            codes_error=self._codes_error,
            sums_crc=sums_crc,
            buffers=self._buffers,
            datasets=self._datasets,
        )

    def close(self) -> None:
        self._opened.close()

    def _fill(self, key: str, pieces: Iterable[Any]) -> None:
        """Write the next bytes of a buffer."""
        place: Buffer = self._buffers[key]
        for piece in pieces:
            size_bytes = _write_at(self._arrow, piece, place.offset_bytes + self._filled[key])
            self._filled[key] += size_bytes
            self._sync(size_bytes)

    def _fill_bits(self, name: str, valid: npt.NDArray[np.bool_]) -> None:
        """Write the next bits of a validity buffer; those of an unfinished byte wait for the next rows."""
        key = f"{name}.valid"
        if key in self._odd_bits:
            bits = np.concatenate([self._odd_bits[key], valid])
            whole = len(bits) // 8 * 8
            self._fill(key, [np.packbits(bits[:whole], bitorder="little")])
            self._odd_bits[key] = bits[whole:]

    def _sync(self, size_bytes: int) -> None:
        self._unsynced_bytes += size_bytes
        if self._unsynced_bytes >= SYNC_BYTES:
            for descriptor in self._descriptors:
                os.fdatasync(descriptor)
            self._unsynced_bytes = 0


def _write_at(descriptor: int, data: Any, offset_bytes: int) -> int:
    """Write all of an array or of bytes; return how many bytes that were."""
    if isinstance(data, np.ndarray):
        data = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    view, done = memoryview(data), 0
    while done < len(view):
        done += os.pwrite(descriptor, view[done:], offset_bytes + done)
    return done
