"""What the catalog itself has to tell about examples that are to be forgotten, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from mcai.store.duck.connection import one

if TYPE_CHECKING:
    import pyarrow as pa

AMONG = "(SELECT unnest(?::BIGINT[]))"
"""A list of ids as a parameter; an expression of the ids themselves would be looked through for every row."""
_BATCH_ROWS = 8_192
_VERSIONED = ("examples", "examples_archive")
_TEXTS = {
    "examples": ("content", "response", "emotion", "source", "metadata"),
    "examples_archive": ("content", "response", "emotion", "source", "metadata"),
    "feedback": ("target", "comment"),
    "conversations": ("user_id", "messages"),
    "datasets": ("domain", "metadata"),
    "emotions": ("name", "personality_template"),
}
"""Every column in which the catalog keeps what somebody wrote."""


@dataclass(frozen=True)
class Tally:
    """How many row versions there are, and how many of them are some examples'."""

    live: tuple[int, int]
    archived: tuple[int, int]
    past: tuple[int, int]
    """Deleted, edited, moved: what a rollback could bring back."""

    @property
    def theirs(self) -> int:
        return self.live[1] + self.archived[1] + self.past[1]


def tally(cursor: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> Tally:
    """Count the versions of all examples, and those of some."""
    counted = []
    for table in _VERSIONED:
        sql = (
            f"WITH versions AS (SELECT d_epoch IS NULL AS lives, id IN {AMONG} AS theirs FROM {table}) "
            "SELECT count(*) FILTER (lives), count(*) FILTER (lives AND theirs), "
            "count(*) FILTER (NOT lives), count(*) FILTER (NOT lives AND theirs) FROM versions"
        )
        counted.append(one(cursor, sql, [list(ids)]) or (0, 0, 0, 0))
    here, there = counted
    return Tally(here[:2], there[:2], (here[2] + there[2], here[3] + there[3]))


def known(cursor: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> int:
    """Return of how many of these examples there is any version."""
    union = " UNION ".join(f"SELECT id FROM {table} WHERE id IN {AMONG}" for table in _VERSIONED)
    row = one(cursor, f"SELECT count(*) FROM ({union})", [list(ids)] * len(_VERSIONED))
    return int(row[0]) if row else 0


def forgotten(cursor: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> int:
    """Return how many of these examples were forgotten."""
    row = one(cursor, f"SELECT count(DISTINCT id) FROM forgotten WHERE id IN {AMONG}", [list(ids)])
    return int(row[0]) if row else 0


def texts(cursor: duckdb.DuckDBPyConnection, ids: Sequence[int], limit_rows: int) -> set[str]:
    """Return what these examples say and said: the texts of up to so many of their versions."""
    parts = [f"SELECT content, response, source, metadata FROM {table} WHERE id IN {AMONG}" for table in _VERSIONED]
    sql = f"{' UNION ALL '.join(parts)} LIMIT {limit_rows:d}"
    rows = cursor.execute(sql, [list(ids)] * len(parts)).fetchall()
    return {text for row in rows for text in row if text}


def everything_said(cursor: duckdb.DuckDBPyConnection) -> Iterator[pa.Array]:
    """Yield all texts that the catalog holds, column by column, in batches."""
    for table, columns in _TEXTS.items():
        for column in columns:
            reader: pa.RecordBatchReader = cursor.sql(f"SELECT {column} FROM {table}").to_arrow_reader(_BATCH_ROWS)
            for batch in reader:
                yield batch.column(0)


def clear_cache(cursor: duckdb.DuckDBPyConnection) -> int:
    """Drop the answers that are kept: any may quote any example. Return how many there were."""
    return len(cursor.execute("DELETE FROM knowledge_cache RETURNING key").fetchall())
