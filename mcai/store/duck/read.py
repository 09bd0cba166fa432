"""Reads of the catalog. Each takes a fresh cursor; rows are picked by epoch, so no read ever needs a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import duckdb
import msgspec

from mcai import times
from mcai.filters import Filters
from mcai.records import Dataset, Emotion, Example, StoredExample
from mcai.store.base import Change
from mcai.store.duck.connection import one
from mcai.store.duck.effects import Table
from mcai.store.duck.where import LIVE_AT, predicate

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = "id, dataset_id, content, response, emotion, frequency_hz, created_at, source, metadata"
_INDEX_COLUMNS = (
    "id, dataset_id, content, response, emotion, frequency_hz, range_lo_hz, range_hi_hz, created_at, source, "
    "metadata, c_epoch"
)
CHANGE_BYTES = 32 << 20
"""Epochs are followed together up to this much text, so that the memory of a step has a bound."""
_FIRST_WINDOW = 4
"""A page first looks at this many times as many ids as it has room for: a range of ids is read by zone maps alone."""
_WINDOW_GROWTH = 8


def _fields(row: tuple[Any, ...], names: Mapping[int, str]) -> dict[str, Any]:
    example_id, dataset_id, content, response, emotion, frequency_hz, created_at, source, metadata = row
    return {
        "id": example_id,
        "domain": names[dataset_id],
        "content": content,
        "response": response,
        "emotion": emotion,
        "frequency_hz": frequency_hz,
        "created_at": None if created_at is None else times.show(created_at),
        "source": source,
        # Already JSON and only ever passed on: it goes to the wire as it is, never parsed.
        "metadata": cast("dict[str, Any]", msgspec.Raw(metadata.encode())),
    }


def page(
    cursor: duckdb.DuckDBPyConnection,
    names: Mapping[int, str],
    filters: Filters,
    dataset_ids: Sequence[int] | None,
    *,
    after_id: int,
    last_id: int,
    limit: int,
    epoch: int,
    table: Table = "examples",
) -> list[Example]:
    """Return matching rows in id order; looks at growing windows of ids, so depth costs nothing."""
    condition, values = predicate(filters, dataset_ids)
    sql = f"SELECT {_COLUMNS} FROM {table} WHERE id > ? AND id <= ? AND {LIVE_AT}{condition} ORDER BY id LIMIT ?"
    found: list[Example] = []
    window = limit * _FIRST_WINDOW
    while len(found) < limit and after_id < last_id:
        until_id = after_id + window
        parameters = [after_id, until_id, epoch, epoch, *values, limit - len(found)]
        found += [Example(**_fields(row, names)) for row in cursor.execute(sql, parameters).fetchall()]
        after_id, window = until_id, window * _WINDOW_GROWTH
    return found


def pick(
    cursor: duckdb.DuckDBPyConnection,
    names: Mapping[int, str],
    ids: Sequence[int],
    filters: Filters,
    dataset_ids: Sequence[int] | None,
    *,
    epoch: int,
) -> dict[int, Example]:
    """Return those of the ids that were live at an epoch and match. A join: ``id IN (...)`` scans every column."""
    condition, values = predicate(filters, dataset_ids)
    sql = (
        f"SELECT {_COLUMNS} FROM examples JOIN (SELECT unnest(?::BIGINT[]) AS id) USING (id) WHERE {LIVE_AT}{condition}"
    )
    rows = cursor.execute(sql, [list(ids), epoch, epoch, *values]).fetchall()
    return {row[0]: Example(**_fields(row, names)) for row in rows}


def get(
    cursor: duckdb.DuckDBPyConnection, names: Mapping[int, str], example_id: int, epoch: int
) -> StoredExample | None:
    """Return one example, live or archived."""
    for table in ("examples", "examples_archive"):
        sql = f"SELECT {_COLUMNS} FROM {table} WHERE id = ? AND {LIVE_AT}"
        row = one(cursor, sql, [example_id, epoch, epoch])
        if row:
            return StoredExample(**_fields(row, names), archived=table == "examples_archive", epoch=epoch)
    return None


def datasets(cursor: duckdb.DuckDBPyConnection, epoch: int) -> list[Dataset]:
    """Return every domain with its live count, by name."""
    sql = f"""
        SELECT d.id, d.domain, coalesce(n.live, 0), d.version, d.created_at, d.updated_at, d.metadata
        FROM datasets d
        LEFT JOIN (SELECT dataset_id, count(*) AS live FROM examples WHERE {LIVE_AT} GROUP BY dataset_id) n
          ON n.dataset_id = d.id
        WHERE n.live > 0 OR d.id IN (SELECT dataset_id FROM examples_archive WHERE {LIVE_AT})
        ORDER BY d.domain
    """
    return [
        Dataset(
            id=dataset_id,
            domain=domain,
            examples=live,
            version=version,
            created_at=times.show(created_at),
            updated_at=times.show(updated_at),
            metadata=msgspec.json.decode(metadata),
        )
        for dataset_id, domain, live, version, created_at, updated_at, metadata in cursor.execute(
            sql, [epoch] * 4
        ).fetchall()
    ]


def emotions(cursor: duckdb.DuckDBPyConnection) -> list[Emotion]:
    """Return the emotion catalog, by name."""
    sql = "SELECT name, neuroscience_freq, metaphysical_freq, band, personality_template FROM emotions ORDER BY name"
    return [
        Emotion(name, neuro, meta, band, msgspec.json.decode(template))
        for name, neuro, meta, band, template in cursor.execute(sql).fetchall()
    ]


def count_matching(
    cursor: duckdb.DuckDBPyConnection, filters: Filters, dataset_ids: Sequence[int] | None, epoch: int
) -> int:
    """Return how many rows match that were live at an epoch."""
    condition, values = predicate(filters, dataset_ids)
    row = one(cursor, f"SELECT count(*) FROM examples WHERE {LIVE_AT}{condition}", [epoch, epoch, *values])
    return int(row[0]) if row else 0


def ids_matching(cursor: duckdb.DuckDBPyConnection, filters: Filters, dataset_ids: Sequence[int] | None) -> list[int]:
    """Return the ids of which any version has the source, live, archived or past, and a live or archived one matches
    otherwise: a source stays that of a text wherever the text is put, a domain or a date does not."""
    asked, otherwise = [], replace(filters, source=None)
    if filters.source is not None:
        asked.append(("true", predicate(Filters(source=filters.source), None)))
    if otherwise:
        asked.append(("d_epoch IS NULL", predicate(otherwise, dataset_ids)))
    parts, values = [], []
    for versions, (condition, given) in asked:
        tables = (f"SELECT id FROM {table} WHERE {versions}{condition}" for table in ("examples", "examples_archive"))
        parts.append(f"({' UNION '.join(tables)})")
        values += [*given, *given]
    return [row[0] for row in cursor.execute(f"{' INTERSECT '.join(parts)} ORDER BY id", values).fetchall()]


def changes(cursor: duckdb.DuckDBPyConnection, names: Mapping[int, str], since: int, limit_rows: int) -> Change:
    """Return whole epochs after ``since``, as many as fit into ``limit_rows`` (at least one)."""
    upto, rows, size_bytes = since, 0, 0
    listed = "SELECT epoch, added + removed, bytes FROM epochs WHERE epoch > ? ORDER BY epoch LIMIT 10000"
    for epoch, epoch_rows, epoch_bytes in cursor.execute(listed, [since]).fetchall():
        if upto > since and (rows + epoch_rows > limit_rows or size_bytes + epoch_bytes > CHANGE_BYTES):
            break
        upto, rows, size_bytes = epoch, rows + epoch_rows, size_bytes + epoch_bytes
    gone = (
        "SELECT id FROM examples WHERE c_epoch <= ? AND d_epoch > ? AND d_epoch <= ? "
        "UNION SELECT id FROM forgotten WHERE forgot_epoch > ? AND forgot_epoch <= ?"
    )
    gone_ids = [row[0] for row in cursor.execute(gone, [since, since, upto, since, upto]).fetchall()]
    live = f"SELECT {_INDEX_COLUMNS} FROM examples WHERE c_epoch > ? AND {LIVE_AT} ORDER BY id"
    table: pa.Table = cursor.sql(live, params=[since, upto, upto]).to_arrow_table()
    return Change(since, upto, committed_at(cursor, upto), gone_ids, table, dict(names))


def committed_at(cursor: duckdb.DuckDBPyConnection, epoch: int) -> datetime | None:
    """Return when an epoch was committed, None when there is no such epoch."""
    row = one(cursor, "SELECT committed_at FROM epochs WHERE epoch = ?", [epoch])
    return row[0] if row else None


def last_committed(cursor: duckdb.DuckDBPyConnection, op: str) -> datetime | None:
    """Return when the newest epoch of an operation was committed, None when there is none."""
    row = one(cursor, "SELECT max(committed_at) FROM epochs WHERE op = ?", [op])
    return row[0] if row else None


def pending(cursor: duckdb.DuckDBPyConnection, since: int) -> int:
    """Return how many row versions came or went after an epoch."""
    row = one(cursor, "SELECT coalesce(sum(added + removed), 0) FROM epochs WHERE epoch > ?", [since])
    return int(row[0]) if row else 0
