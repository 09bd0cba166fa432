"""P3: from the start of the daemon to its first answers, on a home that exists."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from benchmarks.corpus import PageStart
from benchmarks.figures import Figure, Goal, Results
from benchmarks.http_raw import message
from benchmarks.product import Daemon, Product
from benchmarks.search import request

STARTS = 5
ANSWERS = ("liveness", "first page", "first semantic answer")
GOALS_S = (0.5, 0.5, 2.5)


def measure(product: Product, home_dir: Path, rows: int, start: PageStart, query: str, results: Results) -> None:
    """Start the daemon one time more than is counted: the first one fills the page cache."""
    asked = (message("/v1/health/live"), start.request, request(query, "semantic"))
    runs = [_first_answers_s(product, home_dir, asked) for _ in range(STARTS + 1)][1:]
    for what, goal_s, taken_s in zip(ANSWERS, GOALS_S, zip(*runs, strict=True), strict=True):
        figure = Figure(
            "P3", rows, f"mcaid start to {what}", statistics.median(taken_s), "s", Goal(goal_s), rounds=taken_s
        )
        results.add(figure)


def _first_answers_s(product: Product, home_dir: Path, asked: tuple[bytes, ...]) -> list[float]:
    """Start the daemon, ask for each answer in turn; return the seconds since the start."""
    daemon = Daemon(product, home_dir)
    try:
        connection = daemon.connect()
        taken_s = []
        for each in asked:
            connection.send(each)
            taken_s.append(time.perf_counter() - daemon.spawned_at)
        connection.close()
        return taken_s
    finally:
        daemon.stop()
