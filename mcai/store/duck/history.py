"""The history of the catalog: what each epoch did, how two differ, and how to be again what one was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from mcai import times
from mcai.errors import ConflictError, NotFoundError
from mcai.records import DomainChange, DomainDiff, EpochEntry
from mcai.store.duck.connection import one
from mcai.store.duck.effects import COLUMNS, Table
from mcai.store.duck.transaction import Transaction
from mcai.store.duck.where import LIVE_AT

STATE: tuple[Table, ...] = ("examples", "examples_archive")
"""What a rollback is about; feedback and conversations stay."""

_SAID = [name for name in COLUMNS["examples"] if name not in ("id", "dataset_id")]
"""What two versions of a row can differ in, within a domain."""


def check_epoch(epoch: int, head: int) -> None:
    """Refuse an epoch that never was.

    Raises:
        NotFoundError: it lies ahead, or below 0.
    """
    if not 0 <= epoch <= head:
        raise NotFoundError(f"there is no epoch {epoch}; the newest is {head}", hint="See: mcai datasets log")


def log(
    cursor: duckdb.DuckDBPyConnection, names: dict[int, str], dataset_id: int | None, before: int, limit: int
) -> list[EpochEntry]:
    """Return what happened in the epochs below ``before``, newest first; with a dataset, what touched that one."""
    about = "AND epoch IN (SELECT epoch FROM epoch_domains WHERE dataset_id = ?)" if dataset_id is not None else ""
    sql = f"SELECT epoch, committed_at, op FROM epochs WHERE epoch < ? {about} ORDER BY epoch DESC LIMIT ?"
    values = [before, *([dataset_id] if dataset_id is not None else []), limit]
    epochs = cursor.execute(sql, values).fetchall()
    domains: dict[int, list[DomainChange]] = {}
    sql = (
        "SELECT epoch, dataset_id, added, removed FROM epoch_domains "
        "JOIN (SELECT unnest(?::BIGINT[]) AS epoch) USING (epoch)"
    )
    for epoch, dataset, added, removed in cursor.execute(sql, [[row[0] for row in epochs]]).fetchall():
        if dataset_id in (None, dataset):
            domains.setdefault(epoch, []).append(DomainChange(names[dataset], added, removed))
    return [
        EpochEntry(epoch, times.show(at), op, sorted(domains.get(epoch, []), key=lambda change: change.domain))
        for epoch, at, op in epochs
    ]


def diff(
    cursor: duckdb.DuckDBPyConnection, names: dict[int, str], from_epoch: int, to_epoch: int, dataset_id: int | None
) -> list[DomainDiff]:
    """Return how the live examples of two epochs differ, domain by domain; a row that moved counts in both."""
    only = "AND dataset_id = ?" if dataset_id is not None else ""
    said = " OR ".join(f"a.{name} IS DISTINCT FROM b.{name}" for name in _SAID)
    sql = f"""
        WITH a AS (SELECT * FROM examples WHERE {LIVE_AT} AND NOT ({LIVE_AT}) {only}),
             b AS (SELECT * FROM examples WHERE {LIVE_AT} AND NOT ({LIVE_AT}) {only})
        SELECT coalesce(a.dataset_id, b.dataset_id) AS dataset,
               count(*) FILTER (a.id IS NULL), count(*) FILTER (b.id IS NULL),
               count(*) FILTER (a.id IS NOT NULL AND b.id IS NOT NULL AND ({said}))
        FROM a FULL JOIN b ON a.id = b.id AND a.dataset_id = b.dataset_id
        GROUP BY dataset
    """
    one_side = [from_epoch, from_epoch, to_epoch, to_epoch]
    other_side = [to_epoch, to_epoch, from_epoch, from_epoch]
    about = [dataset_id] if dataset_id is not None else []
    rows = cursor.execute(sql, [*one_side, *about, *other_side, *about]).fetchall()
    found = [DomainDiff(names[dataset], added, removed, edited) for dataset, added, removed, edited in rows]
    return sorted((each for each in found if each.added or each.removed or each.edited), key=lambda each: each.domain)


@dataclass(frozen=True)
class Undone:
    """What a rollback did, by example."""

    restored: int
    removed: int
    forgotten: int


def roll_back(transaction: Transaction, epoch: int, dataset_id: int | None) -> Undone:
    """Make examples and archive equal to what they were right after an epoch.

    A version that was live then and is not now is copied; one that came since is ended. For one domain, that holds for
    every example that was in it then or is in it now: one that moved here since goes back to where it was.

    Raises:
        ConflictError: a domain alone cannot go back, because another example has a row's place by now.
    """
    cursor = transaction.cursor
    scope, about = "", []
    if dataset_id is not None:
        changed = " UNION ".join(
            f"SELECT id FROM {table} WHERE dataset_id = ? "
            "AND (c_epoch > ? AND d_epoch IS NULL OR c_epoch <= ? AND d_epoch > ?)"
            for table in STATE
        )
        scope, about = f"AND id IN ({changed})", [dataset_id, epoch, epoch, epoch] * len(STATE)
    died: dict[Table, list[tuple[int, int]]] = {}
    born: dict[Table, list[int]] = {}
    for table in STATE:
        was = f"SELECT id, c_epoch FROM {table} WHERE c_epoch <= ? AND d_epoch > ? {scope} ORDER BY id"
        died[table] = cursor.execute(was, [epoch, epoch, *about]).fetchall()
        came = f"SELECT id FROM {table} WHERE c_epoch > ? AND d_epoch IS NULL {scope}"
        born[table] = [row[0] for row in cursor.execute(came, [epoch, *about]).fetchall()]
    for table in STATE:
        same = _unchanged(cursor, table, epoch)
        died[table] = [version for version in died[table] if version[0] not in same]
        born[table] = [example_id for example_id in born[table] if example_id not in same]
    ended: set[int] = set()
    for table in STATE:
        ended |= transaction.end(table, born[table])
    for table in STATE:
        transaction.copy(table, table, died[table])
    back = {example_id for versions in died.values() for example_id, _ in versions}
    if dataset_id is not None and transaction.changed:
        _check_places(cursor, transaction.epoch)
    return Undone(len(back), len(ended - back), _forgotten_since(cursor, epoch, dataset_id))


def _unchanged(cursor: duckdb.DuckDBPyConnection, table: Table, epoch: int) -> set[int]:
    """Return the ids whose live version is another one than then, and says the same: they were brought back since."""
    equal = " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in COLUMNS["examples"])
    sql = (
        f"SELECT a.id FROM {table} a JOIN {table} b USING (id) "
        f"WHERE a.c_epoch <= ? AND a.d_epoch > ? AND b.c_epoch > ? AND b.d_epoch IS NULL AND {equal}"
    )
    return {example_id for (example_id,) in cursor.execute(sql, [epoch, epoch, epoch]).fetchall()}


def _check_places(cursor: duckdb.DuckDBPyConnection, epoch: int) -> None:
    """Hold that what came in an epoch took nobody's place."""
    live = " UNION ALL ".join(
        f"SELECT id, identity_hi, identity_lo, c_epoch FROM {table} WHERE d_epoch IS NULL" for table in STATE
    )
    sql = f"""
        WITH live AS ({live})
        SELECT a.id, b.id FROM live a JOIN live b USING (identity_hi, identity_lo)
        WHERE a.c_epoch = ? AND a.id <> b.id LIMIT 1
    """
    taken = one(cursor, sql, [epoch])
    if taken:
        raise ConflictError(
            f"example {taken[0]} cannot go back: example {taken[1]} has its domain, content and response now",
            hint=f"Delete example {taken[1]}, or roll back all domains at once.",
        )


def _forgotten_since(cursor: duckdb.DuckDBPyConnection, epoch: int, dataset_id: int | None) -> int:
    """Return how many examples of an epoch were forgotten after it."""
    about = "AND dataset_id = ?" if dataset_id is not None else ""
    sql = (
        "SELECT count(DISTINCT id) FROM forgotten "
        f"WHERE forgot_epoch > ? AND c_epoch <= ? AND (d_epoch IS NULL OR d_epoch > ?) {about}"
    )
    row = one(cursor, sql, [epoch, epoch, epoch, *([dataset_id] if dataset_id is not None else [])])
    return int(row[0]) if row else 0


def live_ids(cursor: duckdb.DuckDBPyConnection, table: Table, dataset_id: int) -> Sequence[int]:
    """Return the ids that a dataset has in a table now."""
    sql = f"SELECT id FROM {table} WHERE dataset_id = ? AND d_epoch IS NULL"
    return [row[0] for row in cursor.execute(sql, [dataset_id]).fetchall()]
