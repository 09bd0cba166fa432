"""The peers beside mcai: each measured on the same rows, then the ratios that the design asks for."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.figures import SIZES, Figure, Results, at_least
from benchmarks.peers import chroma, datasette, install, postgres
from benchmarks.peers.shared import PAGES_PER_S, SEARCHES_PER_S, SEMANTIC_P50, Task
from benchmarks.product import FAILURES

RECALL_WANTED = 0.98
"""What the design asks of mcai: pgvector is measured at its fastest setting that reaches it, whatever mcai reaches."""
NAMES = (datasette.NAME, chroma.NAME, postgres.NAME)


def measure(task: Task, results: Results) -> None:
    """Measure every peer; one that fails is reported as not measured."""
    try:
        bin_dir = install.install()
    except FAILURES as error:
        for name in NAMES:
            results.give_up(name, f"the peers cannot be installed: {error}")
        return
    peers: dict[str, Callable[[Task], None]] = {
        datasette.NAME: lambda its: datasette.measure(its, results),
        chroma.NAME: lambda its: chroma.measure(its, results),
        postgres.NAME: lambda its: postgres.measure(its, results, RECALL_WANTED),
    }
    for name, measure_peer in peers.items():
        try:
            measure_peer(task.for_peer(name, bin_dir))
        except FAILURES as error:
            results.give_up(f"{name} at {task.rows:,} rows", str(error))
    _compare(task.rows, results)


def _compare(rows: int, results: Results) -> None:
    """Say how many times better mcai is; a goal of 1 means ahead."""
    goals_are_for = rows == SIZES["100k"]
    for part, what, peer, goal in (
        ("P1", PAGES_PER_S, datasette.NAME, 5),
        ("P1", PAGES_PER_S, postgres.NAME, 1),
        ("P2", SEARCHES_PER_S, postgres.NAME, 1),
        ("P2", SEARCHES_PER_S, chroma.NAME, 3),
        ("P2", SEMANTIC_P50, postgres.NAME, 1),
        ("P2", SEMANTIC_P50, chroma.NAME, 3),
    ):
        ours, theirs = results.find(what, rows), results.find(what, rows, peer)
        if ours is None or theirs is None:
            continue
        is_rate = what != SEMANTIC_P50
        times = ours / theirs if is_rate else theirs / ours
        label = f"{what.removesuffix(', 16 clients')}: times better than {peer}"
        results.add(Figure(part, rows, label, times, "x", at_least(goal) if goals_are_for else None))
