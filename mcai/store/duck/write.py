"""Writes of the catalog beside the versioned rows, and the question that every write asks first: who has this text?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import duckdb
import msgspec

from mcai.records import MAX_TOLD, Emotion
from mcai.store.base import NewRow
from mcai.store.duck.connection import one
from mcai.store.duck.effects import DatasetRow, halves
from mcai.store.duck.transaction import Transaction


def holders(cursor: duckdb.DuckDBPyConnection, rows: Sequence[NewRow]) -> dict[int, tuple[int, bool]]:
    """Return who holds the rows' identities already.

    Returns:
        position in ``rows`` -> (id, archived).
    """
    if not rows:
        return {}
    import pyarrow as pa

    asked_halves = [halves(row.identity) for row in rows]
    asked = pa.table(
        {
            "pos": pa.array(range(len(rows)), pa.int64()),
            "hi": pa.array([hi for hi, _ in asked_halves], pa.uint64()),
            "lo": pa.array([lo for _, lo in asked_halves], pa.uint64()),
        }
    )
    cursor.register("asked", asked)
    found: dict[int, tuple[int, bool]] = {}
    for table, archived in (("examples_archive", True), ("examples", False)):
        sql = (
            f"SELECT asked.pos, t.id FROM asked JOIN {table} t "
            "ON t.identity_hi = asked.hi AND t.identity_lo = asked.lo WHERE t.d_epoch IS NULL"
        )
        found |= {at: (example_id, archived) for at, example_id in cursor.execute(sql).fetchall()}
    cursor.unregister("asked")
    return found


def merge_metadata(transaction: Transaction, containers: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Keep what the containers of a dataset's files said of it."""
    ids = {domain: dataset_id for dataset_id, domain in transaction.names.items()}
    for domain, told in containers.items():
        if domain not in ids:
            continue
        row = one(transaction.cursor, "SELECT metadata FROM datasets WHERE id = ?", [ids[domain]])
        before = msgspec.json.decode(row[0]) if row else {}
        merged = reduce(merge_told, told, before)
        if merged != before:
            transaction.describe(DatasetRow(ids[domain], domain, _json(merged)))


def merge_told(before: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Merge what one more container says into a dataset's metadata.

    The first value of a key stays; where a later container disagrees, its other values are kept in the list ``also``,
    and ``also_cut`` says when that list is full. Merging the same container twice changes nothing.
    """
    merged = {**told, **before}
    other = {name: value for name, value in told.items() if merged[name] != value}
    also = merged.get("also", [])
    if not other or not isinstance(also, list) or other in also:
        return merged
    return merged | ({"also": [*also, other]} if len(also) < MAX_TOLD else {"also_cut": True})


def fill_emotions(cursor: duckdb.DuckDBPyConnection, emotions: Iterable[Emotion]) -> None:
    """Store the emotion catalog when there is none yet."""
    have = one(cursor, "SELECT count(*) FROM emotions")
    if have and have[0]:
        return
    for each in emotions:
        record = [
            each.name,
            each.neuroscience_freq,
            each.metaphysical_freq,
            each.band,
            _json(each.personality_template),
        ]
        cursor.execute("INSERT INTO emotions VALUES (?, ?, ?, ?, ?)", record)


def forget_keys(cursor: duckdb.DuckDBPyConnection, kept_days: int) -> None:
    """Drop idempotency keys that are older than they have to be kept."""
    cursor.execute("DELETE FROM requests WHERE answered_at < now()::TIMESTAMP - ?", [timedelta(days=kept_days)])


def note_indexed(cursor: duckdb.DuckDBPyConnection, model: str, dim: int, epoch: int, now: datetime) -> None:
    """Replace the bookkeeping row of one embedding model."""
    cursor.execute("BEGIN TRANSACTION")
    cursor.execute("DELETE FROM embeddings WHERE model = ?", [model])
    cursor.execute("INSERT INTO embeddings VALUES (?, ?, ?, ?)", [model, dim, epoch, now.replace(tzinfo=None)])
    cursor.execute("COMMIT")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
