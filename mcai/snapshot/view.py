"""A view: one epoch of all rows, over layers of segments, mapped or in memory. Immutable, so any thread may read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from mcai.filters import Filters
from mcai.records import Example
from mcai.snapshot.blocks import Positions
from mcai.snapshot.layer import Layer
from mcai.snapshot.match import Matcher
from mcai.snapshot.scan import matching
from mcai.snapshot.segment import NO_POSITIONS

FIRST_WINDOW = 4
"""A filter first looks at this many times as many rows as it has room for."""

ALL = Filters()

_decode_example = msgspec.json.Decoder(Example).decode


@dataclass(frozen=True)
class Slice:
    """The rows of one page."""

    json: bytes
    """Comma separated, no brackets."""
    count: int
    last_id: int
    """Of the last row; what was asked for when there is none."""
    more: bool
    """Whether a further row matches."""


@dataclass(frozen=True)
class View:
    """What every reader reads: the daemon's has its tail on top, a process's own is what was published."""

    epoch: int
    model: str
    dim: int
    domains: Mapping[int, str] = field(default_factory=dict)
    """The names of all datasets, by id."""
    layers: tuple[Layer, ...] = ()

    @cached_property
    def rows(self) -> int:
        """How many rows show."""
        return sum(layer.rows for layer in self.layers)

    @property
    def scanned_rows(self) -> int:
        """How many rows a search has to scan, because no graph is over them."""
        return sum(layer.rows for layer in self.layers if layer.segment.graph is None)

    @cached_property
    def _by_first_id(self) -> list[Layer]:
        return sorted(self.layers, key=lambda layer: layer.segment.first_id)

    def page(self, filters: Filters, after_id: int, limit: int) -> Slice:
        """Return the first ``limit`` matching rows with a higher id, in id order.

        Raises:
            SnapshotDamagedError: a file of the snapshot is damaged.
        """
        matcher = Matcher(filters, self.domains)
        found: list[tuple[Layer, Positions]] = []
        bound: int | None = None
        for layer in self._by_first_id:
            if layer.segment.last_id <= after_id:
                continue
            if bound is not None and layer.segment.first_id > bound:
                break  # the rows that were found all come before
            positions = _first(layer, matcher, layer.segment.position_behind(after_id), limit + 1)
            if len(positions):
                found.append((layer, positions))
            if len(positions) > limit:
                last_id = int(layer.segment.ids[positions[-1]])
                bound = last_id if bound is None else min(bound, last_id)
        return _cut(found, after_id, limit)

    def get(self, example_id: int) -> bytes | None:
        """Return an example as JSON, None when there is none."""
        for layer in self.layers:
            position = layer.position_of(example_id)
            if position is not None:
                return bytes(layer.segment.json.run(position, position + 1)[:-1])
        return None

    def pick(self, ids: Sequence[int], filters: Filters) -> dict[int, Example]:
        """Return those of ``ids`` that are here and match, by id."""
        matcher = Matcher(filters, self.domains)
        wanted = np.unique(np.asarray(ids, np.int64))
        found: dict[int, Example] = {}
        for layer in self.layers:
            positions = matcher.match(layer.segment, layer.showing(layer.segment.find(wanted)))
            for piece in layer.segment.json.pieces(positions):
                example = _decode_example(piece[:-1])
                found[example.id] = example
        return found

    def count(self, filters: Filters) -> int:
        """Return how many rows match."""
        matcher = Matcher(filters, self.domains)
        return sum(len(positions) for layer in self.layers for positions in matching(layer, matcher))

    def nearest(self, vector: npt.ArrayLike, limit: int, filters: Filters = ALL) -> list[tuple[int, float]]:
        """Return (id, cosine similarity) of the nearest rows, best first, ties by id.

        Args:
            vector: (dim,), of any length but zero, for which nothing is near.
            limit: how many.
            filters: the rows to choose from.

        Raises:
            DimensionMismatchError: the vector has another length than the rows' own.
        """
        from mcai.snapshot import nearest  # here: a page needs no nearest rows

        return nearest.nearest(self, vector, limit, Matcher(filters, self.domains))


def _first(layer: Layer, matcher: Matcher, begin: int, count: int) -> Positions:
    """Return the first ``count`` positions that match."""
    window = count * FIRST_WINDOW if matcher.is_narrow else count
    parts: list[Positions] = []
    missing = count
    for positions in matching(layer, matcher, begin, window):
        parts.append(positions[:missing])
        missing -= len(parts[-1])
        if not missing:
            break
    return parts[0] if len(parts) == 1 else np.concatenate(parts or [NO_POSITIONS])


def _cut(found: list[tuple[Layer, Positions]], after_id: int, limit: int) -> Slice:
    """Make one page of what the layers gave, each its first rows."""
    if len(found) == 1:
        layer, positions = found[0]
        page = positions[:limit]
        if page[-1] - page[0] == len(page) - 1:
            json = bytes(layer.segment.json.run(int(page[0]), int(page[-1]) + 1)[:-1])
        else:
            json = b"".join(layer.segment.json.pieces(page))[:-1]
        return Slice(json, len(page), int(layer.segment.ids[page[-1]]), len(positions) > limit)
    if not found:
        return Slice(b"", 0, after_id, False)
    ids = np.concatenate([layer.segment.ids[positions] for layer, positions in found])
    order = ids.argsort()
    last_id = int(ids[order[:limit]][-1])
    pieces: list[memoryview] = []
    for layer, positions in found:
        pieces += layer.segment.json.pieces(positions[layer.segment.ids[positions] <= last_id])
    page_order = ids[ids <= last_id].argsort().tolist()
    return Slice(b"".join([pieces[row] for row in page_order])[:-1], len(page_order), last_id, len(ids) > limit)
