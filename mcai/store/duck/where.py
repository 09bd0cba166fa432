"""Filters as SQL: typed values in, a predicate with ``?`` parameters out. No value ever becomes SQL text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcai.filters import Filters, source_forms

Predicate = tuple[str, list[Any]]

LIVE_AT = "c_epoch <= ? AND (d_epoch IS NULL OR d_epoch > ?)"
"""A row version that was live at an epoch (given twice)."""


def predicate(filters: Filters, dataset_ids: Sequence[int] | None) -> Predicate:
    """Return the condition that a row must meet, with a leading AND for each part; empty for no filters.

    Args:
        filters: what is asked for.
        dataset_ids: the ids behind ``filters.domains``; None when no domain is asked for.
    """
    parts: list[Predicate] = []
    if dataset_ids is not None:
        parts.append(("list_contains(?::INTEGER[], dataset_id)", [list(dataset_ids)]))
    if filters.emotion is not None:
        parts.append(("lower(emotion) = lower(?)", [filters.emotion]))
    if filters.frequency_hz is not None:
        lo, hi = filters.frequency_hz
        parts.append(("(frequency_hz BETWEEN ? AND ? OR (range_lo_hz <= ? AND range_hi_hz >= ?))", [lo, hi, hi, lo]))
    if filters.since is not None:
        parts.append(("created_at >= ?", [filters.since.replace(tzinfo=None)]))
    if filters.until is not None:
        parts.append(("created_at < ?", [filters.until.replace(tzinfo=None)]))
    if filters.source is not None:
        itself, begins = source_forms(filters.source)
        parts.append(("(source = ? OR starts_with(source, ?) OR starts_with(source, ?))", [itself, *begins]))
    sql = "".join(f" AND {part}" for part, _ in parts)
    return sql, [value for _, values in parts for value in values]
