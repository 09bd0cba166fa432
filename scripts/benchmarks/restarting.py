"""RESTART: from the start of the daemon after ``kill -9`` in the middle of writing, until it serves again."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from benchmarks.corpus import PageStart
from benchmarks.figures import SIZES, Figure, Goal, Results
from benchmarks.product import Daemon, Product
from benchmarks.writer import Writer
from mcai.client import Client

RUNS = 5
WRITING_S = 1.0
"""How long rows are added before the kill."""
WHATS = ("first page after kill -9", "all loaded, search too, after kill -9")


def measure(product: Product, home_dir: Path, rows: int, start: PageStart, results: Results) -> None:
    """Kill a daemon that is being written to and start another, several times in a row.

    Raises:
        RuntimeError: an acknowledged row is lost.
    """
    runs = []
    daemon = Daemon(product, home_dir)
    try:
        daemon.wait_until_loaded()
        for _ in range(RUNS):
            acknowledged = _kill_while_writing(daemon)
            daemon = Daemon(product, home_dir)
            runs.append(_served_again_s(daemon, start))
            if (there := _examples(daemon)) < acknowledged:
                raise RuntimeError(f"{acknowledged:,} examples were acknowledged before the kill, {there:,} are there")
    finally:
        daemon.stop()
    goal = Goal(5) if rows <= SIZES["100k"] else None
    for what, taken_s in zip(WHATS, zip(*runs, strict=True), strict=True):
        results.add(Figure("RESTART", rows, what, statistics.median(taken_s), "s", goal, rounds=taken_s))


def _kill_while_writing(daemon: Daemon) -> int:
    """Return how many examples were acknowledged in all."""
    before = _examples(daemon)
    with Writer(daemon.home_dir) as writer:
        time.sleep(WRITING_S)
        daemon.kill()
    return before + len(writer.taken_ms)


def _served_again_s(daemon: Daemon, start: PageStart) -> tuple[float, float]:
    """Return the seconds since the daemon's start, for each of `WHATS`."""
    connection = daemon.connect()
    connection.send(start.request)
    page_s = time.perf_counter() - daemon.spawned_at
    connection.close()
    daemon.wait_until_loaded()
    return page_s, time.perf_counter() - daemon.spawned_at


def _examples(daemon: Daemon) -> int:
    with Client(daemon.home_dir, start=False) as client:
        return client.status().examples
