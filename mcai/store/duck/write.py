"""Writes of the catalog: what one transaction can do. Rows go in as Arrow tables (executemany is 250 times slower)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import duckdb
import msgspec

from mcai.records import MAX_TOLD, Emotion
from mcai.store.base import Key, NewRow
from mcai.store.duck.connection import one

_HALF = 8
"""An identity is 16 bytes, kept as two 8-byte numbers: joins on numbers are three times faster than on blobs."""


class Transaction:
    """One epoch in the making. `finish` writes its record when anything changed; the caller commits."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, epoch: int, last_id: int, names: dict[int, str], now: datetime
    ) -> None:
        self.cursor = cursor
        self.epoch = epoch
        """The epoch that this transaction makes, if it changes anything."""
        self.last_id = last_id
        self.names = names
        self.changed = False
        self._now = now.replace(tzinfo=None)
        self._added = 0
        self._removed = 0
        self._bytes = 0
        self._touched: set[int] = set()

    def holders(self, rows: Sequence[NewRow]) -> dict[int, tuple[int, bool]]:
        """Return who holds the rows' identities already.

        Returns:
            position in ``rows`` -> (id, archived).
        """
        if not rows or not self.last_id:
            return {}
        import pyarrow as pa

        halves = [_halves(row.identity) for row in rows]
        asked = pa.table(
            {
                "pos": pa.array(range(len(rows)), pa.int64()),
                "hi": pa.array([hi for hi, _ in halves], pa.uint64()),
                "lo": pa.array([lo for _, lo in halves], pa.uint64()),
            }
        )
        self.cursor.register("asked", asked)
        found: dict[int, tuple[int, bool]] = {}
        for table, archived in (("examples_archive", True), ("examples", False)):
            sql = (
                f"SELECT asked.pos, t.id FROM asked JOIN {table} t "
                "ON t.identity_hi = asked.hi AND t.identity_lo = asked.lo WHERE t.d_epoch IS NULL"
            )
            found |= {at: (example_id, archived) for at, example_id in self.cursor.execute(sql).fetchall()}
        self.cursor.unregister("asked")
        return found

    def insert(self, rows: Sequence[tuple[int, NewRow]]) -> None:
        """Append row versions, each under the id that it is given with."""
        if not rows:
            return
        datasets = {domain: self._dataset_id(domain) for domain in dict.fromkeys(row.domain for _, row in rows)}
        self.cursor.register("fresh", _table(rows, datasets, self.epoch))
        self.cursor.execute("INSERT INTO examples BY NAME FROM fresh")
        self.cursor.unregister("fresh")
        self._touched.update(datasets.values())
        self.last_id = max(self.last_id, max(example_id for example_id, _ in rows))
        self._added += len(rows)
        self._bytes += sum(len(row.content) + len(row.response or "") + len(row.metadata_json) for _, row in rows)
        self.changed = True

    def remove(self, ids: Sequence[int]) -> set[int]:
        """Tombstone what is live or archived under these ids; return the ids that were there."""
        gone: set[int] = set()
        for table in ("examples", "examples_archive"):
            sql = (
                f"UPDATE {table} SET d_epoch = ? FROM (SELECT DISTINCT unnest(?::BIGINT[]) AS id) asked "
                f"WHERE {table}.id = asked.id AND d_epoch IS NULL RETURNING {table}.id, dataset_id"
            )
            for example_id, dataset_id in self.cursor.execute(sql, [self.epoch, list(ids)]).fetchall():
                gone.add(example_id)
                self._touched.add(dataset_id)
        self._removed += len(gone)
        self.changed = self.changed or bool(gone)
        return gone

    def merge_metadata(self, containers: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Keep what the containers of a dataset's files said of it."""
        ids = {domain: dataset_id for dataset_id, domain in self.names.items()}
        for domain, told in containers.items():
            if domain not in ids:
                continue
            row = one(self.cursor, "SELECT metadata FROM datasets WHERE id = ?", [ids[domain]])
            before = msgspec.json.decode(row[0]) if row else {}
            merged = reduce(merge_told, told, before)
            if merged != before:
                sql = "UPDATE datasets SET metadata = ? WHERE id = ?"
                self.cursor.execute(sql, [_json(merged), ids[domain]])
                self._touched.add(ids[domain])
                self.changed = True

    def stored_answer(self, key: Key) -> tuple[bytes, bytes] | None:
        """Return the body hash and the packed answer of an earlier request with this key."""
        sql = "SELECT body_hash, answer FROM requests WHERE key = ?"
        return one(self.cursor, sql, [key.name])

    def store_answer(self, key: Key, answer: msgspec.Struct) -> None:
        """Keep the answer, so that a retry gets it word for word."""
        packed = zlib.compress(msgspec.json.encode(answer), 1)
        self.cursor.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", [key.name, key.body_hash, packed, self._now])

    def finish(self) -> None:
        """Write the epoch's record and the versions of the datasets that it touched."""
        if not self.changed:
            return
        op = (
            "edit"
            if self._added and self._removed
            else "add"
            if self._added
            else "delete"
            if self._removed
            else "describe"
        )
        record = [self.epoch, self._now, op, self._added, self._removed, self._bytes, self.last_id]
        self.cursor.execute("INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?)", record)
        sql = "UPDATE datasets SET version = ?, updated_at = ? WHERE list_contains(?::INTEGER[], id)"
        self.cursor.execute(sql, [self.epoch, self._now, sorted(self._touched)])

    def _dataset_id(self, domain: str) -> int:
        known = next((dataset_id for dataset_id, name in self.names.items() if name == domain), None)
        if known is not None:
            return known
        dataset_id = max(self.names, default=0) + 1
        record = [dataset_id, domain, self.epoch, self._now, self._now, "{}"]
        self.cursor.execute("INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?)", record)
        self.names[dataset_id] = domain
        return dataset_id


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


def _halves(identity: bytes) -> tuple[int, int]:
    return int.from_bytes(identity[:_HALF], "big"), int.from_bytes(identity[_HALF:], "big")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _table(rows: Sequence[tuple[int, NewRow]], datasets: Mapping[str, int], epoch: int) -> Any:
    import pyarrow as pa

    halves = [_halves(row.identity) for _, row in rows]
    ranges = [row.frequency_range_hz or (None, None) for _, row in rows]
    utc = [None if row.created_at is None else row.created_at.replace(tzinfo=None) for _, row in rows]
    columns: dict[str, tuple[list[Any], pa.DataType]] = {
        "id": ([example_id for example_id, _ in rows], pa.int64()),
        "dataset_id": ([datasets[row.domain] for _, row in rows], pa.int32()),
        "content": ([row.content for _, row in rows], pa.string()),
        "response": ([row.response for _, row in rows], pa.string()),
        "emotion": ([row.emotion for _, row in rows], pa.string()),
        "frequency_hz": ([row.frequency_hz for _, row in rows], pa.float64()),
        "range_lo_hz": ([lo for lo, _ in ranges], pa.float64()),
        "range_hi_hz": ([hi for _, hi in ranges], pa.float64()),
        "created_at": (utc, pa.timestamp("us")),
        "source": ([row.source for _, row in rows], pa.string()),
        "metadata": ([row.metadata_json for _, row in rows], pa.string()),
        "identity_hi": ([hi for hi, _ in halves], pa.uint64()),
        "identity_lo": ([lo for _, lo in halves], pa.uint64()),
        "c_epoch": ([epoch] * len(rows), pa.int64()),
    }
    return pa.table({name: pa.array(values, kind) for name, (values, kind) in columns.items()})
