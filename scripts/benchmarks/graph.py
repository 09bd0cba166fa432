"""The graph over the vectors of the snapshot: from the end of an import until searches go through it."""

from __future__ import annotations

import time

from benchmarks.figures import Figure, Results, at_least
from benchmarks.product import Daemon
from mcai.client import Client
from mcai.paths import find_home
from mcai.records import SnapshotInfo
from mcai.snapshot.merging import GRAPH_FROM_ROWS

POLL_S = 0.5
SETTLED_S = 30.0
"""Segments get their graphs one after the other, and a merge drops those of its sources: ready is what stays so."""
BEGUN_S = 120.0
"""A graph that is not even begun after so long will not come."""
TIMEOUT_S = 3_600.0


def is_worth(rows: int) -> bool:
    """Tell whether a corpus of this size gets a graph."""
    return rows >= GRAPH_FROM_ROWS


def state(daemon: Daemon) -> str:
    """Return the state of the daemon's graph."""
    with Client(daemon.home_dir, start=False) as client:
        told = client.status().snapshot
    return told.graph.state if told is not None else "none"


def measure(daemon: Daemon, rows: int, imported_at_s: float, results: Results) -> None:
    """Wait until the graph is ready.

    Args:
        daemon: that builds it.
        rows: how many it has.
        imported_at_s: when the import ended (`time.perf_counter`).
        results: take the figures.

    Raises:
        RuntimeError: no graph came.
    """
    told, ready_at_s = _settled(daemon)
    files = find_home(daemon.home_dir).snapshot_dir.glob("*.graph")
    graph_bytes = sum(path.stat().st_size for path in files)
    recall = told.graph.recall or 0.0
    results.add(
        Figure("P2", rows, "graph ready after the end of the import", ready_at_s - imported_at_s, "s"),
        Figure("P2", rows, "graph recall@10, by its builder's own sample", recall, "", at_least(0.98)),
        Figure("P2", rows, "share of the rows that a graph is over", told.graph.rows / rows, ""),
        Figure("P2", rows, "size of the graph", graph_bytes / 2**20, "MiB"),
        Figure("P2", rows, "size of the snapshot, the graph included", told.bytes / 2**20, "MiB"),
    )


def _settled(daemon: Daemon) -> tuple[SnapshotInfo, float]:
    """Return what the snapshot is like with its graph, and since when."""
    deadline_s = time.perf_counter() + TIMEOUT_S
    seen, since_s = None, 0.0
    with Client(daemon.home_dir, start=False) as client:
        while (now_s := time.perf_counter()) < deadline_s:
            told = client.status().snapshot
            if told is None or told.graph.state == "failed":
                raise RuntimeError(f"the graph failed: {told.graph.error if told else 'there is no snapshot'}")
            if (told.graph, told.segments) != seen:
                seen, since_s = (told.graph, told.segments), now_s
            if told.graph.state == "ready" and now_s - since_s >= SETTLED_S:
                return told, since_s
            if told.graph.state == "none" and now_s - since_s >= BEGUN_S:
                raise RuntimeError(f"no graph was begun over {told.segments} segments of {told.rows:,} rows")
            time.sleep(POLL_S)
    raise RuntimeError(f"the graph is not ready after {TIMEOUT_S:,.0f} s")
