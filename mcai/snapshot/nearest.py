"""The nearest rows of a view: exact over all vectors, or through a layer's graph where one is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcai.errors import DimensionMismatchError
from mcai.snapshot import exact
from mcai.snapshot.blocks import Positions
from mcai.snapshot.layer import Layer
from mcai.snapshot.match import Matcher
from mcai.snapshot.scan import matching
from mcai.snapshot.segment import NO_POSITIONS, Segment

if TYPE_CHECKING:
    from mcai.snapshot.view import View

Scored = list[tuple[int, float]]
Vector = npt.NDArray[np.float32]
SPARE_ROWS = 16
"""What is asked of a scan beyond the limit, in case that some of it is hidden."""
GROWTH = 4
WIDE_SHARE = 0.25
"""Share of the rows that must match a filter, for the graph to be asked, which knows nothing of filters."""


def nearest(view: View, vector: npt.ArrayLike, limit: int, matcher: Matcher) -> Scored:
    """Return the nearest rows; see `View.nearest`."""
    query = np.asarray(vector, np.float64)
    if query.shape != (view.dim,):
        raise DimensionMismatchError(
            f"the vector has {query.size} numbers, the snapshot's have {view.dim}",
            hint=f"Use the same model: {view.model}.",
        )
    unit = _unit(query)
    if unit is None:
        return []
    found: Scored = []
    for layer in view.layers:
        found += _of_layer(layer, unit, limit, matcher)
    return sorted(found, key=lambda row: (-row[1], row[0]))[:limit]


def _unit(query: npt.NDArray[np.float64]) -> Vector | None:
    """Return a vector of unit length in the same direction; None for one that has none."""
    largest = np.abs(query).max()
    if not largest or not np.isfinite(largest):
        return None
    scaled = query / largest  # the squares of huge or tiny numbers would leave float64
    unit: Vector = (scaled / np.linalg.norm(scaled)).astype(np.float32)
    return unit


def _of_layer(layer: Layer, query: Vector, limit: int, matcher: Matcher) -> Scored:
    """Ask for more and more, until enough of what comes shows."""
    segment = layer.segment
    chosen = None if matcher.takes_all else np.concatenate([NO_POSITIONS, *matching(layer, matcher)])
    rows = segment.rows if chosen is None else len(chosen)
    wanted = min(limit + SPARE_ROWS, rows)
    while True:
        positions, similarities = _ask(segment, query, wanted, chosen)
        if len(layer.hidden):
            shows = np.isin(positions, layer.hidden, invert=True)
            positions, similarities = positions[shows], similarities[shows]
        if wanted == rows or len(positions) >= limit:
            return list(zip(segment.ids[positions].tolist(), similarities.tolist(), strict=True))
        wanted = min(wanted * GROWTH, rows)


def _ask(segment: Segment, query: Vector, wanted: int, chosen: Positions | None) -> exact.Ranked:
    """Ask the graph where that is quicker than a scan, and finds enough."""
    share = 1.0 if chosen is None else len(chosen) / segment.rows
    if segment.graph is not None and share >= WIDE_SHARE and segment.graph.pays(int(wanted / share)):
        positions = segment.graph.search(query, int(wanted / share))
        if chosen is not None:
            positions = np.intersect1d(positions, chosen, assume_unique=True)
        if len(positions) >= wanted:
            return exact.rank(segment.vectors, query, positions, wanted)
    return exact.nearest(segment.vectors, query, wanted, chosen, segment.codes)
