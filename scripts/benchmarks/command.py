"""P4: the whole process of ``mcai query TEXT``, beside the import of typer alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from benchmarks.figures import Figure, Goal, Results
from benchmarks.product import Daemon, Product, run

RUNS = 11


def measure(product: Product, daemon: Daemon, rows: int, query: str, results: Results) -> None:
    """Run both in turns, so that a noisy moment hits both alike."""
    queries_s, imports_s = [], []
    for _ in range(RUNS + 1):
        queries_s.append(_taken_s(lambda: product.command(daemon.home_dir, "query", query)))
        imports_s.append(_taken_s(lambda: run([product.python, "-c", "import typer"])))
    # The first of each reads its files from the disk.
    query_s, import_s = statistics.median(queries_s[1:]), statistics.median(imports_s[1:])
    results.add(
        Figure("P4", rows, "mcai query TEXT, whole process", query_s * 1e3, "ms", Goal(150), rounds=queries_s[1:]),
        Figure("P4", rows, 'python -c "import typer"', import_s * 1e3, "ms", rounds=imports_s[1:]),
        Figure("P4", rows, "mcai query, times import typer", query_s / import_s, "x", Goal(2)),
    )


def _taken_s(work: Callable[[], str]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
