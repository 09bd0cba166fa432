"""P1: a page of 100 at any depth."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.corpus import PageStart, at_random
from benchmarks.figures import Figure, Goal, Results, size_name
from benchmarks.load import answers_per_s
from benchmarks.product import Daemon
from benchmarks.timing import latency
from mcai.client import Client

P50, P95 = Goal(1), Goal(3)
PAGE = "page of 100, p50"
FLAT = 1.25
"""A page of the biggest corpus that takes this many times as long as one of the smallest still counts as flat."""
PAGES_PER_S = "pages/s, 16 clients"


def measure(
    daemon: Daemon, rows: int, starts: Sequence[PageStart], domain_starts: Sequence[PageStart], results: Results
) -> None:
    """Measure pages over the socket, without and with a domain filter, and through the Python client."""
    for what, chosen in (("page of 100", at_random(starts)), ("page of 100 of a domain", at_random(domain_starts))):
        connection = daemon.connect()
        taken = latency(connection.send, [each.request for each in chosen])
        connection.close()
        results.add(
            Figure("P1", rows, f"{what}, p50", taken.p50_ms, "ms", P50, rounds=taken.round_p50s_ms),
            Figure("P1", rows, f"{what}, p95", taken.p95_ms, "ms", P95),
        )
    chosen = at_random(starts)
    with Client(daemon.home_dir, start=False) as client:
        taken = latency(lambda start: client.page(**start.query), chosen)
    results.add(
        Figure("P1", rows, "page of 100 through mcai.Client, p50", taken.p50_ms, "ms", P50, rounds=taken.round_p50s_ms)
    )
    rate = answers_per_s(daemon.socket_path, [each.request for each in chosen])
    results.add(Figure("P1", rows, PAGES_PER_S, rate, "/s"))


def compare_sizes(sizes: Sequence[int], results: Results) -> None:
    """Say whether a page costs the same in every corpus."""
    small, big = (results.find(PAGE, rows) for rows in (sizes[0], sizes[-1]))
    if small and big and len(sizes) > 1:
        what = f"page of 100, p50: times that of {size_name(sizes[0])}"
        results.add(Figure("P1", sizes[-1], what, big / small, "x", Goal(FLAT)))
