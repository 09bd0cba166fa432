"""chroma's server, over its HTTP API. Vectors are given: it embeds nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.corpus import PAGE_ROWS, at_random
from benchmarks.figures import Figure, Results
from benchmarks.http_raw import Connection, message
from benchmarks.load import answers_per_s
from benchmarks.nearest import TOP
from benchmarks.peers.shared import (
    PAGES_P50,
    PAGES_PER_S,
    RECALL,
    SEARCHES_PER_S,
    SEMANTIC_P50,
    SERVER_LOG,
    Task,
    free_port,
    server,
)
from benchmarks.product import connect_when_up, wait_until_idle
from benchmarks.timing import latency

NAME = "chroma"
BATCH_ROWS = 2_000
_COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


def measure(task: Task, results: Results) -> None:
    """Measure pages and semantic search with chroma's own index settings.

    Raises:
        RuntimeError: it does not start.
        ConnectionError: it does not answer usably.
    """
    address = ("127.0.0.1", free_port())
    data = task.folder / "data"
    command: list[str | Path] = [
        task.bin_dir / "chroma",
        "run",
        "--path",
        data,
        "--host",
        address[0],
        "--port",
        str(address[1]),
    ]
    with server(task.folder, command) as process:
        connection = connect_when_up(process, task.folder / SERVER_LOG, lambda: Connection(address))
        collection = _fill(connection, task)
        wait_until_idle(process.pid)
        _measure_pages(task, connection, address, collection, results)
        _measure_search(task, connection, address, collection, results)
        connection.close()


def _fill(connection: Connection, task: Task) -> str:
    """Store all rows; return the collection's path."""
    made = connection.ask(_COLLECTIONS, {"name": "examples", "configuration": {"hnsw": {"space": "cosine"}}})
    collection = f"{_COLLECTIONS}/{made['id']}"
    for at in range(0, task.rows, BATCH_ROWS):
        batch = task.examples[at : at + BATCH_ROWS]
        body = {
            "ids": [str(each.id) for each in batch],
            "embeddings": task.nearest.vectors[at : at + BATCH_ROWS].tolist(),
            "documents": [each.content for each in batch],
            "metadatas": [
                {"domain": each.domain, "response": each.response or "", "source": each.source or ""} for each in batch
            ],
        }
        connection.send(message(f"{collection}/add", body))
    return collection


def _measure_pages(
    task: Task, connection: Connection, address: tuple[str, int], collection: str, results: Results
) -> None:
    asked: list[dict[str, Any]] = [
        {"limit": PAGE_ROWS, "offset": start.offset, "include": ["documents", "metadatas"]}
        for start in at_random(task.starts, 200)
    ]
    requests = [message(f"{collection}/get", each) for each in asked]
    got = json.loads(connection.send(requests[0]))["ids"]
    if len(got) != PAGE_ROWS:
        raise ConnectionError(f"a page has {len(got)} rows")
    taken = latency(connection.send, requests)
    results.add(Figure("P1", task.rows, PAGES_P50, taken.p50_ms, "ms", peer=NAME, rounds=taken.round_p50s_ms))
    results.add(Figure("P1", task.rows, PAGES_PER_S, answers_per_s(address, requests), "/s", peer=NAME))


def _measure_search(
    task: Task, connection: Connection, address: tuple[str, int], collection: str, results: Results
) -> None:
    requests = [
        message(
            f"{collection}/query",
            {"query_embeddings": [query], "n_results": TOP, "include": ["documents", "metadatas", "distances"]},
        )
        for query in task.nearest.query_vectors.tolist()
    ]
    taken = latency(connection.send, requests)
    answers = [[int(each) for each in json.loads(connection.send(request))["ids"][0]] for request in requests]
    results.add(
        Figure("P2", task.rows, SEMANTIC_P50, taken.p50_ms, "ms", peer=NAME, rounds=taken.round_p50s_ms),
        Figure("P2", task.rows, RECALL, task.nearest.recall(answers), "", peer=NAME),
        Figure("P2", task.rows, SEARCHES_PER_S, answers_per_s(address, requests), "/s", peer=NAME),
    )
