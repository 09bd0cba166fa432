"""Rows on their way into a segment: what the catalog changed, and what is left of the segments that are merged.

Both come as columns, some thousand rows at a time, and leave as a segment in memory (here) or in files (`writer`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt

from mcai import times
from mcai.records import Example
from mcai.snapshot.blocks import Array, Column, Positions
from mcai.snapshot.layer import Layer
from mcai.snapshot.manifest import FIXED, JSON, NO_TIME, TEXTS
from mcai.snapshot.match import fold, microseconds
from mcai.snapshot.segment import Segment, Text

CHUNK_ROWS = 8_192

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Texts:
    """Some rows of a text column."""

    lengths: npt.NDArray[np.int64]
    pieces: Sequence[bytes | memoryview]
    """All their bytes, in order."""
    valid: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Chunk:
    """Rows picked from some segments, in their order."""

    segments: Sequence[Segment]
    which: npt.NDArray[np.intp]
    """For each row, its segment."""
    positions: Positions
    """For each row, its place there; rising within each segment."""

    def __len__(self) -> int:
        return len(self.positions)

    def _gather(self, columns: Iterable[Column]) -> Array:
        parts = list(columns)
        if len(parts) == 1:
            return parts[0].take(self.positions)
        first = parts[0].unchecked()
        gathered = np.empty((len(self), *first.shape[1:]), first.dtype)
        for number, column in enumerate(parts):
            mine = np.flatnonzero(self.which == number)
            gathered[mine] = column.take(self.positions[mine])
        return gathered

    def fixed(self, name: str) -> Array:
        """Return a column of numbers."""
        return self._gather(segment.fixed[name] for segment in self.segments)

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the vectors, (rows, dim)."""
        return self._gather(segment.vectors for segment in self.segments)

    def text(self, name: str) -> Texts:
        """Return a column of texts; its pieces are runs of rows, without a copy."""
        columns = [segment.texts[name] for segment in self.segments]
        lengths = np.empty(len(self), np.int64)
        valid = np.empty(len(self), np.bool_)
        for number, column in enumerate(columns):
            mine = np.flatnonzero(self.which == number)
            begins, ends = column.bounds(self.positions[mine])
            lengths[mine] = ends - begins
            valid[mine] = column.valid(self.positions[mine])
        return Texts(lengths, [columns[which].run(begin, end) for which, begin, end in self._runs()], valid)

    def _runs(self) -> Iterator[tuple[int, int, int]]:
        """Yield (segment, begin, end) for rows that follow one another there, too."""
        breaks = np.flatnonzero((np.diff(self.which) != 0) | (np.diff(self.positions) != 1)) + 1
        edges = [0, *breaks.tolist(), len(self)]
        for begin, end in itertools.pairwise(edges):
            first = int(self.positions[begin])
            yield int(self.which[begin]), first, first + end - begin


def merged(layers: Sequence[Layer]) -> Iterator[Chunk]:
    """Yield what shows of some layers, by rising id, some `CHUNK_ROWS` rows at a time."""
    segments = [layer.segment for layer in layers]
    at = [0] * len(layers)
    step = max(1, CHUNK_ROWS // max(1, len(layers)))
    while True:
        unread = [number for number, segment in enumerate(segments) if at[number] < segment.rows]
        if not unread:
            return
        bound = min(segments[each].ids[min(at[each] + step, segments[each].rows) - 1] for each in unread)
        parts = []
        for number in unread:
            end = segments[number].position_behind(bound)
            parts.append(layers[number].showing(np.arange(at[number], end)))
            at[number] = end
        which = np.repeat(unread, [len(part) for part in parts])
        positions = np.concatenate(parts)
        ids = np.concatenate([segments[each].ids[part] for each, part in zip(unread, parts, strict=True)])
        order = ids.argsort()
        if len(order):
            yield Chunk(segments, which[order], positions[order])


def postings(dataset_ids: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], dict[int, tuple[int, int]]]:
    """Return the positions of all rows by dataset, and which part is a dataset's."""
    by_dataset = dataset_ids.argsort(kind="stable").astype(np.int32)
    present, begins = np.unique(dataset_ids[by_dataset], return_index=True)
    edges = [*begins.tolist(), len(dataset_ids)]
    return by_dataset, {int(each): (edges[at], edges[at + 1]) for at, each in enumerate(present)}


def in_memory(chunks: Iterable[Chunk]) -> Segment:
    """Return the rows of some chunks as a segment in memory; there must be some."""
    all_chunks = list(chunks)
    fixed = {name: np.concatenate([chunk.fixed(name) for chunk in all_chunks]) for name in FIXED}
    texts = {name: [chunk.text(name) for chunk in all_chunks] for name in (*TEXTS, JSON)}
    vectors = np.concatenate([chunk.vectors() for chunk in all_chunks])
    return _segment(fixed, {name: _text(parts) for name, parts in texts.items()}, vectors)


def from_change(rows: Any, vectors: npt.NDArray[np.float32], domains: Mapping[int, str]) -> Segment:
    """Return the rows of a change as a segment in memory.

    Args:
        rows: a pyarrow.Table as `Catalog.changes` gives it, at least one row, each id once.
        vectors: (rows, dim) float32, unit length or all zero.
        domains: the names of all datasets, by id.
    """
    order = rows.column("id").to_numpy().argsort()
    table = rows.take(order)
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    created = columns["created_at"]
    fixed = {
        name: np.array([np.nan if value is None else value for value in columns[name]], kind.dtype)
        for name, kind in FIXED.items()
        if name != "created_at"
    }
    fixed["created_at"] = np.array([NO_TIME if each is None else microseconds(each) for each in created], "<i8")
    emotions = [None if text is None else fold(text).encode() for text in columns["emotion"]]
    sources = [None if text is None else text.encode() for text in columns["source"]]
    texts = {"emotion": _text_of(emotions), "source": _text_of(sources), JSON: _text_of(_examples(columns, domains))}
    return _segment(fixed, texts, np.ascontiguousarray(vectors[order], "<f4"))


def _examples(columns: Mapping[str, Sequence[Any]], domains: Mapping[int, str]) -> list[bytes]:
    names = ("id", "dataset_id", "content", "response", "emotion", "frequency_hz", "created_at", "source", "metadata")
    return [
        _encode(
            Example(
                example_id,
                domains[dataset_id],
                content,
                response,
                emotion,
                frequency_hz,
                None if created_at is None else times.show(created_at),
                source,
                # Already JSON: it goes to the wire as it is, as the catalog's own answers have it.
                cast("dict[str, Any]", msgspec.Raw(metadata.encode())),
            )
        )
        + b","
        for example_id, dataset_id, content, response, emotion, frequency_hz, created_at, source, metadata in zip(
            *(columns[name] for name in names), strict=True
        )
    ]


def _text_of(values: Sequence[bytes | None]) -> Text:
    lengths = np.array([len(value or b"") for value in values], np.int64)
    valid = np.array([value is not None for value in values], np.bool_)
    return _text([Texts(lengths, [value for value in values if value], valid)])


def _text(parts: Sequence[Texts]) -> Text:
    lengths = np.concatenate([part.lengths for part in parts])
    valid = np.concatenate([part.valid for part in parts])
    offsets = np.concatenate([np.zeros(1, np.int64), lengths.cumsum()])
    data = np.frombuffer(b"".join(piece for part in parts for piece in part.pieces), np.uint8)
    bits = None if valid.all() else Column(np.packbits(valid, bitorder="little"))
    return Text(Column(offsets), Column(data), bits)


def _segment(fixed: Mapping[str, Array], texts: Mapping[str, Text], vectors: npt.NDArray[np.float32]) -> Segment:
    by_dataset, datasets = postings(fixed["dataset_id"])
    return Segment(
        fixed={name: Column(array) for name, array in fixed.items()},
        texts=texts,
        by_dataset=Column(by_dataset),
        datasets=datasets,
        vectors=Column(vectors),
    )
