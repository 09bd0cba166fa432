"""Latencies of one client, in rounds: the spread of the rounds says how noisy the machine was."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

ROUNDS = 4
WARM_UP = 50


@dataclass(frozen=True)
class Latency:
    """All in milliseconds."""

    p50_ms: float
    p95_ms: float
    round_p50s_ms: list[float]
    """The median of each round by itself."""


def latency(work: Callable[[T], object], arguments: Sequence[T]) -> Latency:
    """Call ``work`` with each argument, one after the other; a few are done before that, to warm up."""
    for argument in arguments[:WARM_UP]:
        work(argument)
    return summary(timed(work, arguments))


def timed(work: Callable[[T], object], arguments: Sequence[T]) -> list[float]:
    """Call ``work`` with each argument; return how many milliseconds each call took."""
    taken_ms = []
    for argument in arguments:
        begun = time.perf_counter()
        work(argument)
        taken_ms.append((time.perf_counter() - begun) * 1e3)
    return taken_ms


def summary(taken_ms: Sequence[float]) -> Latency:
    """Summarise latencies in the order in which they were taken."""
    size = max(1, len(taken_ms) // ROUNDS)
    rounds = [statistics.median(taken_ms[at : at + size]) for at in range(0, size * ROUNDS, size) if taken_ms[at:]]
    p95 = statistics.quantiles(taken_ms, n=20)[-1]
    return Latency(statistics.median(taken_ms), p95, [round(each, 3) for each in rounds])
