"""Exact nearest rows by cosine: a scan that rules out nearly all rows, then float32 for the few that are left.

The scan reads the rows rounded to 8 bits (`Codes`), a quarter of the bytes and eight times as fast. How far rounding
can be off is known, so every row that might belong to the best is compared in float32: the answer is the same as
without the codes. A row that is all zero has no vector, and is never an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mcai.snapshot.blocks import Column, Positions

Floats: TypeAlias = npt.NDArray[np.float32]
Ranked: TypeAlias = tuple[Positions, Floats]

NONE: Ranked = np.empty(0, np.int64), np.empty(0, np.float32)

FIRST_ROWS = 1_024
"""Scanned first: they give the bound that few later rows pass."""
SCAN_ROWS = 16_384
"""Scanned at once: their scores fit into the processor's nearest cache."""
GATHER_ROWS = 2_048
"""Compared in float32 at once: 2 MiB at 256 numbers a row."""
GATHER_SHARE = 16
"""Up to one row in so many is gathered; for more, reading all codes in a row is faster."""
CODE_MAX = 127
FLOAT32_EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Codes:
    """The rows of a matrix, each scaled to its largest number and rounded to 8 bits."""

    values: Column
    """(n, dim) int8, -127..127."""
    scales: Column
    """(n,) float32: what the values of a row are multiplied by; 0 for a row without a vector."""
    error: float
    """No row is farther than this from what its values and its scale give back."""


def quantise(matrix: Floats) -> tuple[npt.NDArray[np.int8], Floats, float]:
    """Round rows to 8 bits; for a longer matrix, part by part, the largest error counts.

    Args:
        matrix: (n, dim) float32, rows of unit length or all zero.

    Returns:
        What `Codes` holds of them.
    """
    largest = np.abs(matrix).max(axis=1, initial=0.0)
    scales = (largest / np.float32(CODE_MAX)).astype(np.float32)
    steps = np.divide(np.float32(CODE_MAX), largest, out=np.zeros_like(scales), where=largest > 0)
    values = np.rint(matrix * steps[:, None]).astype(np.int8)
    lost = matrix - values * scales[:, None]
    # What float32 makes of these very sums is off, too.
    error = float(np.linalg.norm(lost, axis=1).max(initial=0.0)) + matrix.shape[1] * FLOAT32_EPS
    return values, scales, error


def nearest(
    matrix: Column | Floats, query: Floats, limit: int, positions: Positions | None = None, codes: Codes | None = None
) -> Ranked:
    """Find the rows nearest to a vector.

    Args:
        matrix: (n, dim) float32, rows of unit length or all zero.
        query: (dim,) float32, of unit length.
        limit: how many to find.
        positions: the rows to look at, rising; None for all.
        codes: of the same rows. Without them the scan reads the matrix itself.

    Returns:
        Positions and cosine similarities, best first, ties by position; fewer than ``limit`` when there are no more,
        none for a query that is all zero.

    Raises:
        SnapshotDamagedError: a file of the snapshot is damaged.
    """
    column = matrix if isinstance(matrix, Column) else Column(matrix)
    if positions is not None and (codes is None or len(positions) * GATHER_SHARE <= len(column)):
        return rank(column, query, positions, limit)
    if not len(column) or not query.any():
        return NONE
    scan = _by_floats(column, query) if codes is None else _by_codes(codes, query)
    return rank(column, query, _candidates(scan, len(column), limit, positions), limit)


def rank(matrix: Column | Floats, query: Floats, positions: Positions, limit: int) -> Ranked:
    """Compare some rows with a vector; see `nearest`."""
    column = matrix if isinstance(matrix, Column) else Column(matrix)
    best_positions, best = NONE
    for begin in range(0, len(positions), GATHER_ROWS):
        chosen = positions[begin : begin + GATHER_ROWS]
        rows = column.take(chosen)
        # Row by row: equal rows come out equal wherever they lie, which a matrix product does not promise.
        similarities = np.vecdot(rows, query)
        known = similarities != 0
        known[~known] = rows[~known].any(axis=1)
        best_positions = np.concatenate([best_positions, chosen[known]])
        best = np.concatenate([best, similarities[known]])
        # Stable, and the positions rise: ties stay in their order.
        order = np.argsort(-best, kind="stable")[:limit]
        best_positions, best = best_positions[order], best[order]
    return best_positions, best


@dataclass(frozen=True)
class _Scan:
    """A quick estimate of how similar each row is."""

    score: Callable[[int, int], Floats]
    """Of the rows between two positions; 0 for a row without a vector."""
    slack: float
    """How far an estimate can be off."""


def _by_floats(matrix: Column, query: Floats) -> _Scan:
    return _Scan(lambda begin, end: np.asarray(matrix.slice(begin, end) @ query), _rounding(query))


def _by_codes(codes: Codes, query: Floats) -> _Scan:
    import numkong

    asked, scale, error = quantise(query[None])
    packed = numkong.dots_pack(asked)

    def score(begin: int, end: int) -> Floats:
        dots = np.asarray(numkong.dots_packed(codes.values.slice(begin, end), packed))[:, 0]
        estimates = dots.astype(np.float32)
        estimates *= codes.scales.slice(begin, end)
        return estimates

    # With r = r' + e and q = q' + f, what lies between r.q and r'.q' is e.q + r'.f.
    slack = codes.error * float(np.linalg.norm(query)) + (1 + codes.error) * error + _rounding(query)
    return _Scan(score, slack / float(scale[0]))  # the scores are not multiplied by the query's scale


def _rounding(query: Floats) -> float:
    """Return how far a float32 sum over a unit row may be off."""
    return len(query) * FLOAT32_EPS * float(np.linalg.norm(query))


def _candidates(scan: _Scan, rows: int, limit: int, positions: Positions | None) -> Positions:
    """Return every row that can be among the best, rising.

    A row is out when ``limit`` others are better even if each estimate is off by the slack in the worst direction.
    """
    chosen = None
    if positions is not None:
        chosen = np.zeros(rows, np.bool_)
        chosen[positions] = True
    floor = -np.inf
    kept, estimates = np.empty(0, np.int64), np.empty(0, np.float32)
    for begin, end in pairwise([0, *range(FIRST_ROWS, rows, SCAN_ROWS), rows]):
        scores = scan.score(begin, end)
        passes = scores >= floor
        if chosen is not None:
            passes &= chosen[begin:end]
        found = np.flatnonzero(passes)
        if not len(found):
            continue
        kept = np.concatenate([kept, found + begin])
        estimates = np.concatenate([estimates, scores[found]])
        # A score of 0 may be that of a row without a vector, which pushes no other out.
        counted = estimates[estimates != 0]
        if len(counted) >= limit:
            floor = float(np.partition(counted, -limit)[-limit]) - 2 * scan.slack
            above = estimates >= floor
            kept, estimates = kept[above], estimates[above]
    return kept
