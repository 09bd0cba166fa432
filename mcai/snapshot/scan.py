"""Walks through the rows of a layer that match, in growing windows: what comes first is found first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mcai.snapshot.blocks import Positions
from mcai.snapshot.layer import Layer
from mcai.snapshot.match import Matcher
from mcai.snapshot.segment import NO_POSITIONS

WINDOW_GROWTH = 4
MAX_WINDOW_ROWS = 1 << 16


def matching(layer: Layer, matcher: Matcher, begin: int = 0, window: int = MAX_WINDOW_ROWS) -> Iterator[Positions]:
    """Yield the positions at or behind ``begin`` that show and match, rising, in growing parts."""
    while begin < layer.segment.rows:
        if matcher.datasets is None:
            positions = layer.next_showing(begin, window)
            begin = int(positions[-1]) + 1 if len(positions) == window else layer.segment.rows
        else:
            positions, begin = _of_datasets(layer, matcher.datasets, begin, window)
            positions = layer.showing(positions)
        yield matcher.narrow(layer.segment, positions) if matcher.is_narrow else positions
        window = min(window * WINDOW_GROWTH, MAX_WINDOW_ROWS)


def _of_datasets(layer: Layer, datasets: Sequence[int], begin: int, count: int) -> tuple[Positions, int]:
    """Return the next rows of some datasets, ``count`` of one of them, and where the rest begins."""
    parts, end = [NO_POSITIONS], layer.segment.rows
    for dataset_id in datasets:
        postings = layer.segment.of_dataset(dataset_id)
        at = int(postings.searchsorted(np.int32(begin)))
        parts.append(postings[at : at + count].astype(np.int64))
        if at + count < len(postings):
            end = min(end, int(postings[at + count]))
    positions = parts[1] if len(parts) == 2 else np.sort(np.concatenate(parts))
    return positions[: positions.searchsorted(end)], end
