"""P2: search, text in and examples out."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.figures import Figure, Goal, Results, at_least
from benchmarks.http_raw import message
from benchmarks.load import answers_per_s
from benchmarks.nearest import TOP, Nearest
from benchmarks.product import Daemon
from benchmarks.timing import latency

SEMANTIC_P50 = "semantic search, p50"
SEARCHES_PER_S = "semantic searches/s, 16 clients"
RECALL = "semantic recall@10"


def request(text: str, mode: str) -> bytes:
    """Return a search as it goes over the socket."""
    return message("/v1/search", {"text": text, "mode": mode, "limit": TOP})


def measure(daemon: Daemon, rows: int, queries: Sequence[str], nearest: Nearest, results: Results) -> None:
    """Measure all three modes; recall is that of the answers themselves."""
    requests = [request(text, "semantic") for text in queries]
    connection = daemon.connect()
    taken = latency(connection.send, requests)
    answers = [[hit["id"] for hit in json.loads(connection.send(each))["hits"]] for each in requests]
    results.add(
        Figure("P2", rows, SEMANTIC_P50, taken.p50_ms, "ms", Goal(2), rounds=taken.round_p50s_ms),
        Figure("P2", rows, "semantic search, p95", taken.p95_ms, "ms", Goal(4)),
        Figure("P2", rows, RECALL, nearest.recall(answers), "", at_least(0.98)),
        Figure("P2", rows, SEARCHES_PER_S, answers_per_s(daemon.socket_path, requests), "/s", at_least(1_000)),
    )
    for mode, goal in (("hybrid", Goal(10)), ("keyword", None)):
        taken = latency(connection.send, [request(text, mode) for text in queries])
        results.add(
            Figure("P2", rows, f"{mode} search, p50", taken.p50_ms, "ms", goal, rounds=taken.round_p50s_ms),
            Figure("P2", rows, f"{mode} search, p95", taken.p95_ms, "ms"),
        )
    connection.close()
