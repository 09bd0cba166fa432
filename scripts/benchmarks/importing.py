"""P6: an import, from ``mcai migrate`` until every kind of search finds the last row."""

from __future__ import annotations

import json
import time
from pathlib import Path

from benchmarks.figures import SIZES, Figure, Goal, Results, at_least
from benchmarks.http_raw import Connection
from benchmarks.memory import PeakMemory
from benchmarks.product import Daemon, Product
from benchmarks.search import request
from benchmarks.workload import LAST_CONTENT, LAST_KEYWORD

FOUND_TIMEOUT_S = 300.0
LAST_ROW_QUERIES = (("keyword", LAST_KEYWORD), ("semantic", LAST_CONTENT), ("hybrid", LAST_CONTENT))


def measure(product: Product, daemon: Daemon, file_path: Path, rows: int, results: Results) -> float:
    """Import a file into an empty home of a daemon that has loaded everything.

    Returns:
        When ``mcai migrate`` ended (`time.perf_counter`).

    Raises:
        RuntimeError: not every row came in, or a search does not find the last one.
    """
    daemon.wait_until_loaded()
    with PeakMemory(daemon.pid) as memory:
        begun = time.perf_counter()
        report = json.loads(product.command(daemon.home_dir, "migrate", str(file_path), "--json"))
        migrated_at_s = time.perf_counter()
        _wait_for_last_row(daemon)
        taken_s = time.perf_counter() - begun
    totals = report["totals"]
    if totals["found"] != rows or totals["rejected"]:
        raise RuntimeError(f"the import of {rows:,} rows ended with {totals}")
    goal = Goal(1024) if rows == SIZES["1m"] else None
    results.add(
        Figure("P6", rows, "import until all searches find the last row", rows / taken_s, "rows/s", at_least(5_000)),
        Figure("P6", rows, "mcai migrate alone", migrated_at_s - begun, "s"),
        Figure("P6", rows, "peak anonymous memory of the daemon", memory.anonymous_mib, "MiB", goal),
    )
    return migrated_at_s


def _wait_for_last_row(daemon: Daemon) -> None:
    deadline = time.monotonic() + FOUND_TIMEOUT_S
    connection = daemon.connect()
    for mode, text in LAST_ROW_QUERIES:
        while not _finds_last_row(connection, mode, text):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{mode} search does not find the last row after {FOUND_TIMEOUT_S:g} s")
            time.sleep(0.05)
    connection.close()


def _finds_last_row(connection: Connection, mode: str, text: str) -> bool:
    answer = json.loads(connection.send(request(text, mode)))
    return any(hit["content"].startswith(LAST_CONTENT) for hit in answer["hits"])
