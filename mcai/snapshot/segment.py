"""A segment: immutable rows in id order, mapped from files or held in memory, with one way to read both."""

from __future__ import annotations

import copy
import itertools
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from mcai import stopping
from mcai.errors import SnapshotDamagedError
from mcai.snapshot.blocks import Array, BlockFile, Column, Positions, block_count, map_file
from mcai.snapshot.exact import Codes
from mcai.snapshot.manifest import BY_DATASET, DATA_ENDINGS, FIXED, JSON, TEXTS, GraphFacts, SegmentFacts

if TYPE_CHECKING:
    from mcai.snapshot.graph import Graph

NO_POSITIONS: Positions = np.empty(0, np.int64)


class Text:
    """A column of texts, or of JSON, as UTF-8."""

    def __init__(self, offsets: Column, data: Column, valid: Column | None = None) -> None:
        """Wrap its parts.

        Args:
            offsets: (rows + 1,) int64: where each row begins in the data.
            data: uint8.
            valid: one bit a row, lowest first; None when no row is null. A null row has no bytes.
        """
        self._offsets = offsets
        self._data = data
        self._valid = valid
        self._view = data.unchecked().data

    def bounds(self, positions: Positions) -> tuple[Positions, Positions]:
        """Return where the rows at ``positions`` begin and end in the data."""
        if len(positions) and positions[-1] - positions[0] == len(positions) - 1:
            edges = self._offsets.slice(int(positions[0]), int(positions[-1]) + 2)
            return edges[:-1], edges[1:]
        self._offsets.check_rows(positions, positions + 2)
        edges = self._offsets.unchecked()
        return edges[positions], edges[positions + 1]

    def data(self, begins: Positions, ends: Positions) -> Array:
        """Return the column's bytes, of which those of the given rows were checked."""
        filled = ends > begins
        if filled.any():
            begins, ends = begins[filled], ends[filled]
            if ends[-1] - begins[0] == (ends - begins).sum():
                self._data.slice(int(begins[0]), int(ends[-1]))
            else:
                self._data.check_rows(begins, ends)
        return self._data.unchecked()

    def valid(self, positions: Positions) -> npt.NDArray[np.bool_]:
        """Tell which rows are not null."""
        if self._valid is None:
            return np.ones(len(positions), np.bool_)
        bits: npt.NDArray[np.uint8] = self._valid.slice()
        found: npt.NDArray[np.bool_] = (bits[positions >> 3] >> (positions & 7).astype(np.uint8)) & 1 == 1
        return found

    def run(self, begin: int, end: int) -> memoryview:
        """Return the bytes of the rows from ``begin`` to ``end``, which lie end to end; no copy."""
        first, last = (int(edge) for edge in self._offsets.slice(begin, end + 1)[[0, -1]])
        self._data.slice(first, last)
        return self._view[first:last]

    def pieces(self, positions: Positions) -> list[memoryview]:
        """Return the bytes of each row; no copy."""
        begins, ends = self.bounds(positions)
        self.data(begins, ends)
        return [self._view[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]


class Segment:
    """Rows by rising id, each id once. A matrix of their vectors lies beside them."""

    def __init__(
        self,
        fixed: Mapping[str, Column],
        texts: Mapping[str, Text],
        by_dataset: Column,
        datasets: Mapping[int, tuple[int, int]],
        vectors: Column,
        codes: Codes | None = None,
        facts: SegmentFacts | None = None,
        files: tuple[BlockFile, ...] = (),
        folder: Path | None = None,
    ) -> None:
        """Put a segment together from its columns.

        Args:
            fixed: those of `manifest.FIXED`.
            texts: those of `manifest.TEXTS`, and the JSON.
            by_dataset: positions, see `manifest.BY_DATASET`.
            datasets: which part of them is a dataset's.
            vectors: (rows, dim) float32, of unit length, or all zero where a row has none.
            codes: the same rounded; None where a scan of the vectors is quick enough.
            facts: what the manifest says of it; None for one in memory.
            files: what it is mapped from.
            folder: where they lie.
        """
        self.facts = facts
        self.graph: Graph | None = None
        self.fixed = fixed
        self.texts = texts
        self.json = texts[JSON]
        self.datasets = datasets
        self.vectors = vectors
        self.codes = codes
        self.rows = len(by_dataset)
        self._by_dataset = by_dataset
        self._files = files
        self._folder = folder

    @cached_property
    def ids(self) -> npt.NDArray[np.int64]:
        """All ids: what every search for a place starts from, so they are checked at once."""
        return self.fixed["id"].slice()

    @cached_property
    def first_id(self) -> int:
        return self.facts.first_id if self.facts else int(self.ids[0])

    @cached_property
    def last_id(self) -> int:
        return self.facts.last_id if self.facts else int(self.ids[-1])

    @property
    def name(self) -> str | None:
        """The name of its files; None for one in memory."""
        return self.facts.name if self.facts else None

    def with_graph(self, told: GraphFacts) -> Segment:
        """Return the same segment with a graph over its vectors, see `load_graph`."""
        assert self.facts is not None, "a graph belongs to a segment in files"
        segment = copy.copy(self)
        segment.facts = msgspec.structs.replace(self.facts, graph=told)
        segment.load_graph()
        return segment

    def load_graph(self) -> None:
        """Verify the segment's graph and map it, if it has one; until then `graph` is None and searches scan.

        Raises:
            SnapshotDamagedError: the file is damaged.
            SnapshotError: another version of the library built it.
            OSError: it is gone, or cannot be mapped.
        """
        if self.graph is None and self.facts is not None and self.facts.graph is not None and self._folder is not None:
            from mcai.snapshot.graph import Graph

            told = self.facts.graph
            self.graph = Graph.open(self._folder / told.name, told, self.facts.dim)

    def position_behind(self, example_id: int) -> int:
        """Return the position of the first row with a higher id."""
        # A NumPy scalar of the array's own type: with a Python int the whole array may be converted.
        return int(self.ids.searchsorted(np.int64(example_id), "right"))

    def find(self, ids: npt.NDArray[np.int64]) -> Positions:
        """Return the positions of those of the ids (rising) that are here."""
        ids = ids[ids.searchsorted(np.int64(self.first_id)) : ids.searchsorted(np.int64(self.last_id), "right")]
        if not len(ids):
            return NO_POSITIONS
        places = self.ids.searchsorted(ids)
        found: Positions = places[self.ids[places] == ids]
        return found

    def of_dataset(self, dataset_id: int) -> npt.NDArray[np.int32]:
        """Return the positions of a dataset's rows, rising."""
        return self._by_dataset.slice(*self.datasets.get(dataset_id, (0, 0)))

    def verify(self) -> Iterator[SnapshotDamagedError]:
        """Check every byte of its files anew; yield the damage."""
        for file in self._files:
            stopping.check()
            yield from file.check_all()


def map_segment(folder: Path, facts: SegmentFacts) -> Segment:
    """Map a segment's files.

    Args:
        folder: where they lie.
        facts: from the manifest.

    Raises:
        SnapshotDamagedError: a file has another length, or the checksums are damaged.
        OSError: a file is gone or cannot be mapped.
    """
    sizes_bytes = (facts.arrow_bytes, facts.vectors_bytes, facts.codes_bytes)
    edges = list(itertools.accumulate(map(block_count, sizes_bytes), initial=0))
    sums_path = folder / f"{facts.name}.sums"
    sums = map_file(sums_path, 4 * edges[-1]).view("<u4")
    if zlib.crc32(sums.data) != facts.sums_crc:
        raise SnapshotDamagedError(f"{sums_path} is damaged")
    files = tuple(
        BlockFile(folder / f"{facts.name}.{ending}", size_bytes, sums[begin:end])
        for ending, size_bytes, (begin, end) in zip(DATA_ENDINGS, sizes_bytes, itertools.pairwise(edges), strict=True)
    )
    arrow, matrix, codes = files
    scales_bytes = 4 * facts.rows

    def column(name: str, dtype: str) -> Column:
        offset_bytes, size_bytes = facts.buffers[name].offset_bytes, facts.buffers[name].size_bytes
        return Column(arrow.bytes[offset_bytes : offset_bytes + size_bytes].view(dtype), arrow, offset_bytes)

    def text(name: str) -> Text:
        valid = column(f"{name}.valid", "u1") if f"{name}.valid" in facts.buffers else None
        return Text(column(f"{name}.offsets", "<i8"), column(name, "u1"), valid)

    return Segment(
        fixed={name: column(name, kind.dtype) for name, kind in FIXED.items()},
        texts={name: text(name) for name in (*TEXTS, JSON)},
        by_dataset=column(BY_DATASET, "<i4"),
        datasets=facts.datasets,
        vectors=Column(matrix.bytes.view("<f4").reshape(facts.rows, facts.dim), matrix),
        codes=Codes(
            values=Column(codes.bytes[scales_bytes:].view("i1").reshape(facts.rows, facts.dim), codes, scales_bytes),
            scales=Column(codes.bytes[:scales_bytes].view("<f4"), codes),
            error=facts.codes_error,
        ),
        facts=facts,
        files=files,
        folder=folder,
    )
