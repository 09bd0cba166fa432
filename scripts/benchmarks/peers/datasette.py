"""datasette: pages of a SQLite table, by primary key, with everything switched off that a page does not need."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.corpus import PAGE_ROWS, PageStart, at_random
from benchmarks.figures import Figure, Results
from benchmarks.http_raw import Connection, message
from benchmarks.load import answers_per_s
from benchmarks.peers.shared import PAGES_P50, PAGES_PER_S, SERVER_LOG, Task, server
from benchmarks.product import connect_when_up
from benchmarks.timing import latency
from mcai.records import Example

NAME = "datasette"
_COLUMNS = ("id", "domain", "content", "response", "emotion", "frequency_hz", "created_at", "source", "metadata")


def measure(task: Task, results: Results) -> None:
    """Measure pages; datasette has no vectors.

    Raises:
        RuntimeError: it does not start.
        ConnectionError: it does not answer usably.
    """
    database_path, socket_path = task.folder / "examples.db", str(task.folder / "socket")
    _fill(database_path, task.examples)
    command: list[str | Path] = [task.bin_dir / "datasette", "serve", "-i", database_path, "--uds", socket_path]
    with server(task.folder, command) as process:
        connection = connect_when_up(process, task.folder / SERVER_LOG, lambda: Connection(socket_path))
        _check(connection, task.starts[-1])
        chosen = at_random(task.starts)
        for what, starts in ((PAGES_P50, chosen), ("page of 100 of a domain, p50", at_random(task.domain_starts))):
            taken = latency(connection.send, [_request(each) for each in starts[: len(starts) // 4]])
            results.add(Figure("P1", task.rows, what, taken.p50_ms, "ms", peer=NAME, rounds=taken.round_p50s_ms))
        connection.close()
        rate = answers_per_s(socket_path, [_request(each) for each in chosen])
        results.add(Figure("P1", task.rows, PAGES_PER_S, rate, "/s", peer=NAME))


def _fill(path: Path, examples: Sequence[Example]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        kinds = {"id": "INTEGER PRIMARY KEY", "frequency_hz": "REAL"}
        columns = ", ".join(f"{name} {kinds.get(name, 'TEXT')}" for name in _COLUMNS)
        database.execute(f"CREATE TABLE examples ({columns})")
        rows = (
            [json.dumps(value) if name == "metadata" else value for name, value in _fields(each)] for each in examples
        )
        database.executemany(f"INSERT INTO examples VALUES ({', '.join('?' * len(_COLUMNS))})", rows)
        database.execute("CREATE INDEX examples_by_domain ON examples (domain, id)")


def _fields(example: Example) -> list[tuple[str, object]]:
    return [(name, getattr(example, name)) for name in _COLUMNS]


def _request(start: PageStart) -> bytes:
    asked = {"_size": PAGE_ROWS, "_shape": "objects", "_nocount": 1, "_nofacet": 1, "_nosuggest": 1}
    asked |= {"_next": start.after_id} if start.after_id else {}
    asked |= {"domain": start.domain} if start.domain else {}
    return message(f"/examples/examples.json?{urlencode(asked)}")


def _check(connection: Connection, start: PageStart) -> None:
    rows = json.loads(connection.send(_request(start)))["rows"]
    if len(rows) != PAGE_ROWS or rows[0]["id"] <= start.after_id:
        raise ConnectionError(f"the page behind id {start.after_id} has {len(rows)} rows")
