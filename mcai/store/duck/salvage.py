"""The last resort for a catalog of which a part cannot be read, and which nothing else can repair: keep the rest."""

from __future__ import annotations

from pathlib import Path

import duckdb

from mcai.errors import DamagedError
from mcai.store.duck.connection import BESIDE, connect, first_line, one, quoted

STEP_ROWS = 2_048
"""DuckDB's own unit: of a damaged block so many rows are lost, or a few times as many."""
_ESSENTIAL = ("meta", "epochs", "datasets")
"""Without all of these the rest means nothing."""


def salvage(damaged: Path, fresh: Path) -> int:
    """Copy what can be read of a catalog into a new file.

    Args:
        damaged: nobody has it open; not a byte of it is changed.
        fresh: does not exist yet.

    Returns:
        How many rows, of all tables, could not be read.

    Raises:
        DamagedError: it cannot be opened, or too much is missing.
    """
    connect(fresh).close()  # makes the tables
    with duckdb.connect(":memory:", config=BESIDE) as connection:
        try:
            _attach(connection, damaged, "damaged (READ_ONLY)")
            _attach(connection, fresh, "fresh")
            sql = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'damaged' ORDER BY ALL"
            lost_rows = 0
            for (table,) in connection.execute(sql).fetchall():
                connection.execute(f"DELETE FROM fresh.{table}")
                lost_rows += _copy(connection, table)
            connection.execute("CHECKPOINT fresh")
        except duckdb.Error as error:
            raise DamagedError(f"too much of {damaged} cannot be read: {first_line(error)}") from error
    return lost_rows


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, alias: str) -> None:
    connection.execute(f"ATTACH {quoted(path)} AS {alias}")


def _copy(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Copy a table, range by range where it cannot be read as a whole; return how many rows were left out."""
    every = f"INSERT INTO fresh.{table} BY NAME SELECT * FROM damaged.{table}"
    try:
        connection.execute(every)
        return 0
    except duckdb.Error:
        if table in _ESSENTIAL:
            raise
    highest = one(connection, f"SELECT max(rowid) FROM damaged.{table}")
    lost_rows = 0
    for first in range(0, (highest[0] or 0) + 1 if highest else 0, STEP_ROWS):
        within = f"WHERE rowid BETWEEN {first} AND {first + STEP_ROWS - 1}"
        try:
            connection.execute(f"{every} {within}")
        except duckdb.Error:
            lost = one(connection, f"SELECT count(*) FROM damaged.{table} {within}")
            lost_rows += lost[0] if lost else 0
    return lost_rows
