"""One epoch in the making: every change of the catalog goes through the methods here, which apply it and keep it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import duckdb

from mcai.store.duck import effects
from mcai.store.duck.connection import one
from mcai.store.duck.effects import COLUMNS, VERSIONED, Copied, DatasetRow, Entry, KeptAnswer, Stub, Table, Values
from mcai.store.journal import next_chain

_BYTES = "strlen(content) + coalesce(strlen(response), 0) + strlen(metadata)"
_STUB = "id, dataset_id, c_epoch, d_epoch"
_EPOCH_0 = datetime(1970, 1, 1)


class Transaction:
    """Applies changes and keeps them as an `effects.Entry`. `finish` writes the epoch's record; the caller commits."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        op: str,
        epoch: int,
        last_id: int,
        names: dict[int, str],
        at_us: int,
    ) -> None:
        self.cursor = cursor
        self.entry = Entry(epoch=epoch, at_us=at_us, op=op, last_id=last_id)
        self.names = names
        self.changed = False
        self.journaled = False
        self.kept_chain: bytes | None = None
        """The epoch's hash, where it is known before: an epoch that is made again may differ from its first entry."""
        self.ended_versions = 0
        """Live and archived versions that ceased to be, so far."""
        self._bytes = 0
        self._added: Counter[int] = Counter()
        self._removed: Counter[int] = Counter()
        self._touched: set[int] = set()

    @property
    def epoch(self) -> int:
        """The epoch that this transaction makes, if it changes anything."""
        return self.entry.epoch

    @property
    def at(self) -> datetime:
        """When (naive UTC)."""
        return _EPOCH_0 + timedelta(microseconds=self.entry.at_us)

    def insert(self, table: Table, rows: Sequence[Values]) -> None:
        """Append row versions."""
        if not rows:
            return
        with self._given("fresh", effects.arrow(table, rows)):
            self.cursor.execute(f"INSERT INTO {table} BY NAME SELECT *, ?::BIGINT AS c_epoch FROM fresh", [self.epoch])
        self.entry.rows.setdefault(table, []).extend(rows)
        if table in ("examples", "examples_archive"):
            datasets = Counter(row[1] for row in rows)
            self._count(table, datasets, Counter())
            self._bytes += sum(len(row[2]) + len(row[3] or "") + len(row[10]) for row in rows)
            self.entry.last_id = max(self.entry.last_id, max(row[0] for row in rows))
        self.changed = True

    def end(self, table: Table, ids: Sequence[int]) -> set[int]:
        """Tombstone the live versions of these ids; return the ids that had one."""
        if not ids:
            return set()
        dataset = "dataset_id" if "dataset_id" in COLUMNS[table] else "0"
        sql = (
            f"UPDATE {table} SET d_epoch = ? FROM (SELECT DISTINCT id FROM asked) asked "
            f"WHERE {table}.id = asked.id AND d_epoch IS NULL RETURNING {table}.id, {dataset}"
        )
        with self._given("asked", _ids(ids)):
            found = self.cursor.execute(sql, [self.epoch]).fetchall()
        if not found:
            return set()
        gone = {example_id for example_id, _ in found}
        self.entry.ended.setdefault(table, []).extend(sorted(gone))
        if dataset != "0":
            self._count(table, Counter(), Counter(dataset_id for _, dataset_id in found))
            self.ended_versions += len(found)
        self.changed = True
        return gone

    def copy(self, source: Table, target: Table, versions: Sequence[tuple[int, int]]) -> int:
        """Append copies of older versions as new live ones; return how many there were.

        Args:
            source: where they are.
            target: where they go, the same table or the other one.
            versions: (id, c_epoch) of each.
        """
        if not versions:
            return 0
        columns = ", ".join(COLUMNS[source])
        sql = (
            f"INSERT INTO {target} BY NAME SELECT {columns}, ?::BIGINT AS c_epoch FROM {source} "
            f"SEMI JOIN asked ON {source}.id = asked.id AND {source}.c_epoch = asked.c_epoch "
            f"RETURNING dataset_id, {_BYTES}"
        )
        with self._given("asked", _versions(versions)):
            copied = self.cursor.execute(sql, [self.epoch]).fetchall()
        self._count(target, Counter(dataset_id for dataset_id, _ in copied), Counter())
        self._bytes += sum(size_bytes for _, size_bytes in copied)
        self.entry.copied.append(Copied(source, target, list(versions)))
        self.changed = self.changed or bool(copied)
        return len(copied)

    def describe(self, dataset: DatasetRow) -> None:
        """Make a dataset, or give it new metadata."""
        if dataset.id in self.names:
            sql = "UPDATE datasets SET metadata = ? WHERE id = ?"
            self.cursor.execute(sql, [dataset.metadata, dataset.id])
        else:
            record = [dataset.id, dataset.domain, self.epoch, self.at, self.at, dataset.metadata]
            self.cursor.execute("INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?)", record)
            self.names[dataset.id] = dataset.domain
        self.entry.datasets.append(dataset)
        self._touched.add(dataset.id)
        self.changed = True

    def keep_answer(self, answer: KeptAnswer) -> None:
        """Keep the answer to a request, so that a retry gets it word for word."""
        self.cursor.execute(
            "INSERT INTO requests VALUES (?, ?, ?, ?)", [answer.key, answer.body_hash, answer.packed, self.at]
        )
        self.entry.answer = answer

    def forget(self, ids: Sequence[int]) -> int:
        """Drop every version of these ids and keep only when they were there; return how many examples there were."""
        stubs: set[Stub] = set()
        with self._given("asked", _ids(ids)):
            for table in ("examples", "examples_archive"):
                chosen = f"FROM {table} SEMI JOIN asked USING (id)"
                stub = f"INSERT INTO forgotten SELECT {_STUB}, ? {chosen}"
                gone = self.cursor.execute(stub + f" RETURNING {_STUB}", [self.epoch]).fetchall()
                self.cursor.execute(f"DELETE FROM {table} WHERE id IN (FROM asked)")
                found = [Stub(*values) for values in gone]
                self._count(table, Counter(), Counter(each.dataset_id for each in found if each.d_epoch is None))
                stubs.update(found)
        self._keep(stubs)
        return len({each.id for each in stubs})

    def forget_again(self, stubs: Sequence[Stub]) -> None:
        """Forget what an entry says was forgotten; versions that no older entry or base copy has get stubs too."""
        self.forget(sorted({each.id for each in stubs}))
        missing = set(stubs) - set(self.entry.forgotten)
        with self._given("fresh", effects.arrow_of_stubs(missing)):
            self.cursor.execute(f"INSERT INTO forgotten SELECT {_STUB}, ? FROM fresh", [self.epoch])
        self._keep(missing)

    def dataset_id(self, domain: str) -> int:
        """Return a domain's id; an unknown one becomes a dataset."""
        known = next((dataset_id for dataset_id, name in self.names.items() if name == domain), None)
        if known is None:
            known = max(self.names, default=0) + 1
            self.describe(DatasetRow(known, domain, "{}"))
        return known

    def finish(self, chain: bytes) -> tuple[bytes, bytes]:
        """Write the epoch's record, and the versions of the datasets that it touched.

        Args:
            chain: the hash of the epoch before.

        Returns:
            The entry as the journal keeps it, and the hash of this epoch.
        """
        if not self.entry.counts:
            self.entry.counts = [(each, self._added[each], self._removed[each]) for each in sorted(self._touched)]
        payload = effects.encode(self.entry)
        hashed = self.kept_chain or next_chain(chain, payload)
        touched = [dataset_id for dataset_id, _, _ in self.entry.counts]
        added, removed = ([count[at] for count in self.entry.counts] for at in (1, 2))
        totals = [sum(added), sum(removed), self._bytes, self.entry.last_id]
        sql = (
            "INSERT INTO epochs (epoch, committed_at, op, added, removed, bytes, last_id, chain_hash) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        self.cursor.execute(sql, [self.epoch, self.at, self.entry.op, *totals, hashed])
        if touched:
            self.cursor.execute(
                "INSERT INTO epoch_domains SELECT ?, unnest(?::INTEGER[]), unnest(?::BIGINT[]), unnest(?::BIGINT[])",
                [self.epoch, touched, added, removed],
            )
            sql = "UPDATE datasets SET version = ?, updated_at = ? WHERE list_contains(?::INTEGER[], id)"
            self.cursor.execute(sql, [self.epoch, self.at, touched])
        return payload, hashed

    def _count(self, table: Table, came: Counter[int], went: Counter[int]) -> None:
        """Count what an epoch did to the live examples of each dataset; the archive only counts as touched."""
        self._touched.update(came, went)
        if table == "examples":
            self._added += came
            self._removed += went

    def _keep(self, stubs: Set[Stub]) -> None:
        if stubs:
            self.entry.forgotten = sorted({*self.entry.forgotten, *stubs}, key=lambda each: (each.id, each.c_epoch))
            self.changed = True

    @contextmanager
    def _given(self, name: str, table: Any) -> Iterator[None]:
        """Let SQL see an Arrow table under a name."""
        self.cursor.register(name, table)
        try:
            yield
        finally:
            self.cursor.unregister(name)


def replay(transaction: Transaction, entry: Entry) -> None:
    """Apply what an entry says that its epoch did."""
    for dataset in entry.datasets:
        transaction.describe(dataset)
    for table, ids in entry.ended.items():
        transaction.end(table, ids)
    for copied in entry.copied:
        transaction.copy(copied.source, copied.target, copied.versions)
    for table, rows in entry.rows.items():
        transaction.insert(table, rows)
    if entry.forgotten:
        transaction.forget_again(entry.forgotten)
    if entry.answer:
        transaction.keep_answer(entry.answer)
    transaction.entry.last_id = max(transaction.entry.last_id, entry.last_id)
    transaction.entry.counts = entry.counts
    # An entry that was redacted may do nothing any more; its epoch was there all the same.
    transaction.changed = True


def entry_of(cursor: duckdb.DuckDBPyConnection, epoch: int, names: dict[int, str]) -> Entry:
    """Return an entry that makes an epoch again, from what the catalog has of it.

    It is not the one that was journaled: a moved row is told as a new one, and the answer to the request is left out.
    """
    row = one(cursor, "SELECT committed_at, op, last_id FROM epochs WHERE epoch = ?", [epoch])
    assert row is not None, "the caller asks for epochs that are there"
    entry = Entry(epoch=epoch, at_us=effects.microseconds(row[0]), op=row[1], last_id=row[2])
    for table in VERSIONED:
        columns = ", ".join(
            f"epoch_us({name})" if kind == "timestamp[us]" else name for name, kind in COLUMNS[table].items()
        )
        rows = cursor.execute(f"SELECT {columns} FROM {table} WHERE c_epoch = ?", [epoch]).fetchall()
        if rows:
            entry.rows[table] = [list(values) for values in rows]
        ended = cursor.execute(f"SELECT id FROM {table} WHERE d_epoch = ?", [epoch]).fetchall()
        if ended:
            entry.ended[table] = [example_id for (example_id,) in ended]
    sql = f"SELECT DISTINCT {_STUB} FROM forgotten WHERE forgot_epoch = ? ORDER BY id, c_epoch"
    entry.forgotten = [Stub(*values) for values in cursor.execute(sql, [epoch]).fetchall()]
    sql = "SELECT dataset_id, added, removed FROM epoch_domains WHERE epoch = ?"
    entry.counts = cursor.execute(sql, [epoch]).fetchall()
    sql = "SELECT id, domain, metadata FROM datasets WHERE version = ?"
    entry.datasets = [DatasetRow(*values) for values in cursor.execute(sql, [epoch]).fetchall()]
    return entry


def _ids(ids: Sequence[int]) -> Any:
    import pyarrow as pa

    return pa.table({"id": pa.array(ids, pa.int64())})


def _versions(versions: Sequence[tuple[int, int]]) -> Any:
    import pyarrow as pa

    ids, epochs = zip(*versions, strict=True)
    return pa.table({"id": pa.array(ids, pa.int64()), "c_epoch": pa.array(epochs, pa.int64())})
