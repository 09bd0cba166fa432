"""What the catalog itself has to tell about examples that are to be forgotten, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import duckdb
import msgspec

from mcai.store.duck.connection import one

if TYPE_CHECKING:
    import pyarrow as pa

    from mcai.store.duck.engine import Engine

Version: TypeAlias = tuple[int, int]
"""The id of an example, and when the epoch was committed that made a version of it (microseconds since 1970). In
another home the same number is another example's; the two together are not."""

_PENDING = "forget_pending"
"""The ids that are being forgotten, in the catalog's `meta`: no text, which would stay in the file."""
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


def pending(engine: Engine) -> list[int]:
    """Return the ids of examples that the home has begun to forget and may not have forgotten everywhere."""
    told = engine.meta(_PENDING)
    return msgspec.json.decode(told, type=list[int]) if told else []


def begin(engine: Engine, ids: Iterable[int]) -> None:
    """Note that these examples are to be forgotten, too, so that whatever is cut off is finished at a later start."""
    engine.set_meta(_PENDING, msgspec.json.encode(sorted({*pending(engine), *ids})).decode())


def end(engine: Engine) -> None:
    """Note that nothing is left to be forgotten."""
    engine.set_meta(_PENDING, None)


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


def versions(cursor: duckdb.DuckDBPyConnection, ids: Iterable[int], *, gone: bool = False) -> set[Version]:
    """Return every version of these examples.

    Args:
        cursor: of any catalog, of an older schema too unless ``gone``.
        ids: the numbers that they have there.
        gone: those that were forgotten count, too.
    """
    tables = (*_VERSIONED, "forgotten") if gone else _VERSIONED
    union = " UNION ".join(f"SELECT id, c_epoch FROM {table} WHERE id IN {AMONG}" for table in tables)
    sql = f"SELECT id, epoch_us(committed_at) FROM ({union}) JOIN epochs ON epoch = c_epoch"
    return set(cursor.execute(sql, [list(ids)] * len(tables)).fetchall())


def known(cursor: duckdb.DuckDBPyConnection, ids: Iterable[int]) -> set[int]:
    """Return those of these examples of which there is any version."""
    union = " UNION ".join(f"SELECT id FROM {table} WHERE id IN {AMONG}" for table in _VERSIONED)
    return {row[0] for row in cursor.execute(union, [list(ids)] * len(_VERSIONED)).fetchall()}


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


def sources(cursor: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> set[str]:
    """Return where the versions of these examples came from, as far as it is known."""
    parts = [f"SELECT source FROM {table} WHERE id IN {AMONG}" for table in _VERSIONED]
    rows = cursor.execute(" UNION ".join(parts), [list(ids)] * len(parts)).fetchall()
    return {row[0] for row in rows if row[0]}


def said_by_others(cursor: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> Iterator[pa.Array]:
    """Yield all texts that the catalog holds but those of some examples, column by column, in batches."""
    for table, columns in _TEXTS.items():
        but, values = (f"WHERE id NOT IN {AMONG}", [list(ids)]) if table in _VERSIONED else ("", [])
        for column in columns:
            relation = cursor.sql(f"SELECT {column} FROM {table} {but}", params=values)
            reader: pa.RecordBatchReader = relation.to_arrow_reader(_BATCH_ROWS)
            for batch in reader:
                yield batch.column(0)


def clear_cache(cursor: duckdb.DuckDBPyConnection) -> int:
    """Drop the answers that are kept: any may quote any example. Return how many there were."""
    return len(cursor.execute("DELETE FROM knowledge_cache RETURNING key").fetchall())
