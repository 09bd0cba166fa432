"""Writes the copy of the catalog that queries run on: what a person expects to find, and nothing that is only ours.

Live rows alone, domains by name, no identities, idempotency keys, journal hashes or bookkeeping.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from mcai.store.duck.connection import engine_errors, one, quoted

_ALIAS = "sandbox_copy"

# The text is JSON that we wrote. Should DuckDB's parser ever be stricter than ours, a copy with one JSON string in it
# is better than no copy.
_METADATA = "coalesce(try_cast({0}.metadata AS JSON), to_json({0}.metadata)) AS metadata"
_EXAMPLES = f"""
    SELECT e.id, d.domain, e.content, e.response, e.emotion, e.frequency_hz, e.created_at, e.source,
           {_METADATA.format("e")}
    FROM {{table}} e JOIN datasets d ON d.id = e.dataset_id
    WHERE e.d_epoch IS NULL
    ORDER BY e.id
"""
_TABLES = {
    "examples": _EXAMPLES.format(table="examples"),
    "examples_archive": _EXAMPLES.format(table="examples_archive"),
    "datasets": f"""
        SELECT d.id, d.domain, coalesce(n.live, 0) AS examples, d.version, d.created_at, d.updated_at,
               {_METADATA.format("d")}
        FROM datasets d
        LEFT JOIN (SELECT dataset_id, count(*) AS live FROM examples WHERE d_epoch IS NULL GROUP BY dataset_id) n
          ON n.dataset_id = d.id
        ORDER BY d.domain
    """,
    "epochs": "SELECT epoch, committed_at AS at, op, added, removed FROM epochs ORDER BY epoch",
    "emotions": """
        SELECT name, neuroscience_freq, metaphysical_freq, band, personality_template::JSON AS personality_template
        FROM emotions ORDER BY name
    """,
    "feedback": "SELECT id, target, verdict, comment, created_at FROM feedback WHERE d_epoch IS NULL ORDER BY id",
}


def write_copy(cursor: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Write a fresh DuckDB file with one epoch of the catalog in it.

    The engine itself writes the file; a failure may leave a part of it behind.

    Args:
        cursor: of the live catalog's connection, outside a transaction. One copy is written at a time.
        path: does not exist yet.

    Returns:
        The epoch that the file shows.

    Raises:
        StoreFullError: the disk is full.
        StoreError: the engine failed otherwise.
    """
    with engine_errors():
        # Nobody ever recovers this file: without a log of its own it takes half the time.
        cursor.execute(f"ATTACH {quoted(path)} AS {_ALIAS} (RECOVERY_MODE NO_WAL_WRITES)")
        try:
            epoch = _fill(cursor)
            cursor.execute(f"CHECKPOINT {_ALIAS}")
        finally:
            cursor.execute(f"DETACH {_ALIAS}")
    return epoch


def _fill(cursor: duckdb.DuckDBPyConnection) -> int:
    """Copy table by table in one transaction, which sees one epoch whatever is written meanwhile."""
    cursor.execute("BEGIN TRANSACTION")
    try:
        head = one(cursor, "SELECT coalesce(max(epoch), 0) FROM epochs")
        for name, rows in _TABLES.items():
            cursor.execute(f"CREATE TABLE {_ALIAS}.main.{name} AS {rows}")
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    return int(head[0]) if head else 0
