"""P2: search, text in and examples out."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.figures import SIZES, Figure, Goal, Results, at_least
from benchmarks.http_raw import message
from benchmarks.load import answers_per_s
from benchmarks.nearest import TOP, Nearest
from benchmarks.product import Daemon
from benchmarks.timing import latency

SEMANTIC_P50 = "semantic search, p50"
SEMANTIC_P95 = "semantic search, p95"
RECALL = "semantic recall@10"
SEARCHES_PER_S = "semantic searches/s, 16 clients"
BY_SCAN = "before the graph: "
"""Begins the names of the figures that were taken while searches still scanned all vectors."""


def request(text: str, mode: str) -> bytes:
    """Return a search as it goes over the socket."""
    return message("/v1/search", {"text": text, "mode": mode, "limit": TOP})


def measure_semantic(
    daemon: Daemon, rows: int, queries: Sequence[str], nearest: Nearest, results: Results, *, before_graph: bool = False
) -> None:
    """Measure semantic search; recall is that of the answers themselves.

    Args:
        daemon: that answers.
        rows: how many it has.
        queries: asked one after the other, and by 16 clients.
        nearest: the exact answers.
        results: take the figures.
        before_graph: searches scan, and will not for long: no goal is for that.
    """
    requests = [request(text, "semantic") for text in queries]
    connection = daemon.connect()
    taken = latency(connection.send, requests)
    answers = [[hit["id"] for hit in json.loads(connection.send(each))["hits"]] for each in requests]
    connection.close()
    per_s = answers_per_s(daemon.socket_path, requests)
    prefix = BY_SCAN if before_graph else ""
    p50, p95, recall, rate = (None,) * 4 if before_graph else _goals(rows)
    results.add(
        Figure("P2", rows, prefix + SEMANTIC_P50, taken.p50_ms, "ms", p50, rounds=taken.round_p50s_ms),
        Figure("P2", rows, prefix + SEMANTIC_P95, taken.p95_ms, "ms", p95),
        Figure("P2", rows, prefix + RECALL, nearest.recall(answers), "", recall),
        Figure("P2", rows, prefix + SEARCHES_PER_S, per_s, "/s", rate),
    )


def _goals(rows: int) -> tuple[Goal | None, ...]:
    """Return those for p50, p95, recall and rate."""
    recall = at_least(0.98)
    if rows == SIZES["1m"]:
        return Goal(5), None, recall, None
    return Goal(2), Goal(4), recall, at_least(1_000)


def measure_words(daemon: Daemon, rows: int, queries: Sequence[str], results: Results) -> None:
    """Measure the modes that ask the full-text index too."""
    connection = daemon.connect()
    for mode, goal in (("hybrid", Goal(10)), ("keyword", None)):
        taken = latency(connection.send, [request(text, mode) for text in queries])
        results.add(
            Figure("P2", rows, f"{mode} search, p50", taken.p50_ms, "ms", goal, rounds=taken.round_p50s_ms),
            Figure("P2", rows, f"{mode} search, p95", taken.p95_ms, "ms"),
        )
    connection.close()
