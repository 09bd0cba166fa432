"""Filters over columns, with the meaning that `mcai.store.duck.where` gives them: a missing value never matches."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import datetime

import numpy as np
import numpy.typing as npt

from mcai.filters import Filters, source_forms
from mcai.snapshot.blocks import Array, Positions
from mcai.snapshot.manifest import NO_TIME
from mcai.snapshot.segment import Segment

Mask = npt.NDArray[np.bool_]


def fold(text: str) -> str:
    """Lower-case as DuckDB does: character by character, without Python's special cases for whole words."""
    return text.lower() if text.isascii() else "".join(sign.lower()[0] for sign in text)


def microseconds(moment: datetime) -> int:
    """Return a UTC moment as a stored time: microseconds since 1970."""
    return calendar.timegm(moment.timetuple()) * 1_000_000 + moment.microsecond


class Matcher:
    """One set of filters, ready to be asked of many rows."""

    def __init__(self, filters: Filters, domains: Mapping[int, str]) -> None:
        """Prepare the filters.

        Args:
            filters: what is asked for.
            domains: the names of all datasets, by id.
        """
        wanted = set(filters.domains)
        self.datasets = [each for each, name in domains.items() if name in wanted] if wanted else None
        """The ids behind the domains; None when no domain is asked for."""
        self._emotion = fold(filters.emotion).encode() if filters.emotion is not None else None
        self._frequency_hz = filters.frequency_hz
        self._since = microseconds(filters.since) if filters.since is not None else None
        self._until = microseconds(filters.until) if filters.until is not None else None
        self._source = source_forms(filters.source) if filters.source is not None else None
        self.is_narrow = filters != Filters(domains=filters.domains)
        """Something other than the domain is asked for."""
        self.takes_all = not filters

    def narrow(self, segment: Segment, positions: Positions) -> Positions:
        """Return those of the positions whose rows match; the domain is not asked."""
        if self._emotion is not None:
            positions = positions[_equals(segment, positions, self._emotion)]
        if self._frequency_hz is not None:
            positions = positions[_in_range(segment, positions, *self._frequency_hz)]
        if self._since is not None or self._until is not None:
            positions = positions[self._in_time(segment, positions)]
        if self._source is not None:
            positions = positions[_is_below(segment, positions, *self._source)]
        return positions

    def match(self, segment: Segment, positions: Positions) -> Positions:
        """Return those of the positions whose rows match."""
        if self.datasets is not None:
            positions = positions[np.isin(segment.fixed["dataset_id"].take(positions), self.datasets)]
        return self.narrow(segment, positions)

    def _in_time(self, segment: Segment, positions: Positions) -> Mask:
        times = segment.fixed["created_at"].take(positions)
        mask: Mask = times != NO_TIME
        if self._since is not None:
            mask &= times >= self._since
        if self._until is not None:
            mask &= times < self._until
        return mask


def _in_range(segment: Segment, positions: Positions, lo: float, hi: float) -> Mask:
    # Missing values are NaN, for which every comparison is false.
    value = segment.fixed["frequency_hz"].take(positions)
    range_lo, range_hi = (segment.fixed[name].take(positions) for name in ("range_lo_hz", "range_hi_hz"))
    mask: Mask = ((value >= lo) & (value <= hi)) | ((range_lo <= hi) & (range_hi >= lo))
    return mask


def _equals(segment: Segment, positions: Positions, text: bytes) -> Mask:
    column = segment.texts["emotion"]
    begins, ends = column.bounds(positions)
    mask: Mask = column.valid(positions) & (ends - begins == len(text))
    return mask & _starts_with(column.data(begins, ends), begins, ends, text)


def _is_below(segment: Segment, positions: Positions, itself: str, inside: tuple[str, ...]) -> Mask:
    """Match what `source_forms` says: the source itself, and what begins with it and one more sign."""
    prefix, ends_with = itself.encode(), [ord(each[-1]) for each in inside]
    column = segment.texts["source"]
    begins, ends = column.bounds(positions)
    data = column.data(begins, ends)
    found = np.flatnonzero(_starts_with(data, begins, ends, prefix) & column.valid(positions))
    behind = begins[found] + len(prefix)
    is_whole = behind == ends[found]
    # Where nothing is behind the prefix, the byte looked at is another row's, or the last one: it does not count.
    signs = data[np.minimum(behind, len(data) - 1)] if len(data) else np.zeros(len(found), np.uint8)
    mask = np.zeros(len(positions), np.bool_)
    mask[found[is_whole | np.isin(signs, ends_with)]] = True
    return mask


def _starts_with(data: Array, begins: Positions, ends: Positions, prefix: bytes) -> Mask:
    alive = np.flatnonzero(ends - begins >= len(prefix))
    # From its end: paths differ there first.
    for at in range(len(prefix) - 1, -1, -1):
        if not len(alive):
            break
        alive = alive[data[begins[alive] + at] == prefix[at]]
    mask = np.zeros(len(begins), np.bool_)
    mask[alive] = True
    return mask
