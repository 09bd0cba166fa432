"""Copies of the whole catalog, made while it serves; the only way to have one (a file copy lost acknowledged rows)."""

from __future__ import annotations

from pathlib import Path

import duckdb

from mcai.store.base import CopyFacts
from mcai.store.duck.connection import copy_database, one


def copy_to(cursor: duckdb.DuckDBPyConnection, path: Path) -> CopyFacts:
    """Write the catalog as it is at one epoch into a new file, which is whole and closed afterwards."""
    return copy_database(cursor, path, lambda copy: facts(cursor, copy))


def facts(cursor: duckdb.DuckDBPyConnection, database: str) -> CopyFacts:
    """Return what a catalog holds that is attached under a name."""
    head = one(cursor, f"SELECT epoch, chain_hash FROM {database}.epochs ORDER BY epoch DESC LIMIT 1") or (0, None)
    meta = dict(cursor.execute(f"SELECT key, value FROM {database}.meta").fetchall())
    counts = [
        one(cursor, f"SELECT count(*) FROM {database}.{table} WHERE d_epoch IS NULL") or (0,)
        for table in ("examples", "examples_archive")
    ]
    return CopyFacts(
        epoch=head[0],
        rows=sum(count[0] for count in counts),
        timeline=meta.get("timeline", ""),
        chain=head[1] or b"",
        schema_version=int(meta.get("schema_version", 0)),
    )
