"""A layer: one segment with what of it is hidden, because the row was deleted, edited, or came anew in a later one."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcai.snapshot.blocks import Positions
from mcai.snapshot.segment import NO_POSITIONS, Segment


@dataclass(frozen=True, eq=False)
class Layer:
    """What a view shows of one segment. Over all layers of a view each id shows at most once."""

    segment: Segment
    hidden: Positions
    """Rising positions."""

    @property
    def rows(self) -> int:
        """How many rows show."""
        return self.segment.rows - len(self.hidden)

    def hide(self, ids: npt.NDArray[np.int64]) -> Layer:
        """Return the layer without these ids (rising); itself when it has none of them."""
        positions = self.showing(self.segment.find(ids))
        return Layer(self.segment, np.sort(np.concatenate([self.hidden, positions]))) if len(positions) else self

    def showing(self, positions: Positions) -> Positions:
        """Return those of the positions (rising) that are not hidden."""
        if not len(self.hidden) or not len(positions):
            return positions
        low, high = self.hidden.searchsorted(positions[[0, -1]])
        if low == high and (high == len(self.hidden) or self.hidden[high] != positions[-1]):
            return positions
        hidden = self.hidden[low : high + 1]
        places = np.minimum(hidden.searchsorted(positions), len(hidden) - 1)
        shown: Positions = positions[hidden[places] != positions]
        return shown

    def next_showing(self, begin: int, count: int) -> Positions:
        """Return the first ``count`` positions at or behind ``begin`` that are not hidden."""
        skipped = int(self.hidden.searchsorted(begin)) if len(self.hidden) else 0
        # Before hidden[i] there are hidden[i] - i rows that show: never falling, so a place is found by bisection.
        rank = begin - skipped + count
        passed = bisect.bisect_left(range(len(self.hidden)), rank, lo=skipped, key=lambda i: int(self.hidden[i]) - i)
        end = min(rank + passed, self.segment.rows)
        positions = np.arange(begin, end)
        if passed == skipped:
            return positions
        shown: Positions = np.delete(positions, self.hidden[skipped:passed] - begin)
        return shown

    def position_of(self, example_id: int) -> int | None:
        """Return where an id is, None when it does not show."""
        if not self.segment.first_id <= example_id <= self.segment.last_id:
            return None
        found = self.showing(self.segment.find(np.array([example_id], np.int64)))
        return int(found[0]) if len(found) else None


def layer_of(segment: Segment) -> Layer:
    """Return a layer that shows all of a segment."""
    return Layer(segment, NO_POSITIONS)
