"""The load generator: 16 clients, each with one request under way, from two processes that only move bytes.

Run by itself (``python -m benchmarks.load``) it is one of the two: a JSON specification in, its figures out.
"""

from __future__ import annotations

import selectors
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.http_raw import READ_BYTES, Address, Response, connect
from benchmarks.together import run_together, tell, wait_for_go

CLIENTS = 16
PROCESSES = 2
DURATION_S = 5.0
WARM_UP_S = 0.5


def answers_per_s(address: Address, requests: Sequence[bytes], duration_s: float = DURATION_S) -> float:
    """Return how many answers a second 16 clients get.

    Args:
        address: of the server.
        requests: sent over and over, each process begins at another place.

    Raises:
        RuntimeError: a generator failed; the message is its own.
    """
    offsets = [len(requests) * number // PROCESSES for number in range(PROCESSES)]
    specifications = [
        {
            "address": address,
            "requests": [b64encode(each).decode() for each in (*requests[offset:], *requests[:offset])],
            "clients": CLIENTS // PROCESSES,
            "duration_s": duration_s,
        }
        for offset in offsets
    ]
    found = run_together("benchmarks.load", specifications)
    return float(sum(each["answers"] / each["elapsed_s"] for each in found))


def _endless(requests: Sequence[bytes]) -> Iterator[bytes]:
    while True:
        yield from requests


def _generate(specification: Any) -> dict[str, float]:
    address = specification["address"]
    address = address if isinstance(address, str) else tuple(address)
    requests = _endless([b64decode(each) for each in specification["requests"]])
    with selectors.DefaultSelector() as selector:
        for _ in range(specification["clients"]):
            selector.register(connect(address), selectors.EVENT_READ, Response())
        for key in selector.get_map().values():
            key.fileobj.sendall(next(requests))  # type: ignore[union-attr]  # they are sockets
        begun = time.perf_counter()
        _turn(selector, requests, begun + WARM_UP_S)
        begun = time.perf_counter()
        answers = _turn(selector, requests, begun + specification["duration_s"])
        elapsed_s = time.perf_counter() - begun
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    return {"answers": answers, "elapsed_s": elapsed_s}


def _turn(selector: selectors.BaseSelector, requests: Iterator[bytes], until_s: float) -> int:
    """Serve the connections until a moment; return how many whole answers came."""
    answers = 0
    while time.perf_counter() < until_s:
        for key, _ in selector.select(timeout=0.1):
            connection: Any = key.fileobj
            if key.data.feed(connection.recv(READ_BYTES)):
                if key.data.status >= 400:
                    raise ConnectionError(f"HTTP {key.data.status}: {key.data.body[:300]!r}")
                answers += 1
                selector.modify(connection, selectors.EVENT_READ, Response())
                connection.sendall(next(requests))
    return answers


if __name__ == "__main__":
    tell(_generate(wait_for_go()))
