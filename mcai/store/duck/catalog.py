"""The catalog: one writer at a time, any number of readers, the newest epoch kept in memory.

Every change is one epoch and one transaction. What is in memory (epoch, highest id, dataset names) changes only after
the commit, and is read again from the file when a transaction failed in between.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import msgspec
from msgspec import UNSET

from mcai import times
from mcai.errors import ConflictError, IdempotencyConflictError, NotFoundError
from mcai.records import AddedItem, AddResult, Dataset, DeleteResult, Emotion, Example, StoredExample
from mcai.store.base import Change, Filters, Key, NewRow, Rejection
from mcai.store.duck import read, write
from mcai.store.duck.connection import connect, engine_errors, one

T = TypeVar("T")

KEYS_KEPT_DAYS = 7


class DuckCatalog:
    """The truth, in one DuckDB file; see `store.base.Catalog`."""

    def __init__(self, path: Path | None, emotions: Sequence[Emotion] = (), temp_dir: Path | None = None) -> None:
        """Open the catalog; the emotions are stored when it has none yet.

        Args:
            path: the file, or None for one in memory.
            emotions: the catalog that ships.
            temp_dir: where DuckDB may spill.
        """
        self._connection = connect(path, temp_dir)
        self._write_lock = threading.Lock()
        with engine_errors():
            self._load_state()
            write.fill_emotions(self._connection, emotions)
            write.forget_keys(self._connection, KEYS_KEPT_DAYS)

    def _load_state(self) -> None:
        cursor = self._connection.cursor()
        head = one(cursor, "SELECT epoch, last_id FROM epochs ORDER BY epoch DESC LIMIT 1") or (0, 0)
        # Names first: a reader that sees the new epoch must find the names of its datasets.
        self._names: dict[int, str] = dict(cursor.execute("SELECT id, domain FROM datasets").fetchall())
        self._last_id: int = head[1]
        self._epoch: int = head[0]

    @property
    def epoch(self) -> int:
        return self._epoch

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with engine_errors():
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()

    @contextmanager
    def _writing(self) -> Iterator[write.Transaction]:
        """One transaction, one epoch at most; on any failure nothing of it stays."""
        with self._write_lock, engine_errors():
            cursor = self._connection.cursor()
            cursor.execute("BEGIN TRANSACTION")
            transaction = write.Transaction(cursor, self._epoch + 1, self._last_id, dict(self._names), times.now())
            try:
                yield transaction
                transaction.finish()
                cursor.execute("COMMIT")
            except BaseException:
                self._abandon(cursor)
                raise
            finally:
                cursor.close()
            self._names = transaction.names  # before the epoch, as in `_load_state`
            self._last_id = transaction.last_id
            self._epoch = transaction.epoch if transaction.changed else self._epoch

    def _abandon(self, cursor: duckdb.DuckDBPyConnection) -> None:
        try:
            cursor.execute("ROLLBACK")
        except duckdb.Error:
            # A commit can be durable and still report an error (a failed checkpoint after it): look what is there.
            self._load_state()

    def _replay(self, transaction: write.Transaction, key: Key | None, answer: type[T]) -> T | None:
        stored = transaction.stored_answer(key) if key else None
        if not key or stored is None:
            return None
        body_hash, packed = stored
        if body_hash != key.body_hash:
            raise IdempotencyConflictError(f"the idempotency key {key.name!r} was used before with another body")
        return msgspec.json.decode(zlib.decompress(packed), type=answer)

    def add(
        self,
        rows: Sequence[NewRow | Rejection],
        *,
        key: Key | None = None,
        containers: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        dry_run: bool = False,
    ) -> AddResult:
        """Store a batch in one epoch; see `Catalog.add`."""
        with self._writing() as transaction:
            if not dry_run and (replayed := self._replay(transaction, key, AddResult)):
                return replayed
            items, fresh = _place(rows, transaction)
            if not dry_run:
                transaction.insert(fresh)
                transaction.merge_metadata(containers or {})
            count = {"imported": 0, "duplicate": 0, "rejected": 0}
            for item in items:
                count[item.status] += 1
            epoch = transaction.epoch if transaction.changed else self._epoch
            result = AddResult(epoch=epoch, results=items, **count)
            if key and not dry_run:
                transaction.store_answer(key, result)
            return result

    def edit(self, example_id: int, change: Callable[[StoredExample], NewRow]) -> StoredExample:
        """Replace the live version of one example; see `Catalog.edit`."""
        with self._writing() as transaction:
            old = read.get(transaction.cursor, transaction.names, example_id, self._epoch)
            if old is None or old.archived:
                state = "is archived" if old else "does not exist"
                hint = "Restore it first: mcai archive restore" if old else "See: mcai query"
                raise NotFoundError(f"example {example_id} {state}", hint=hint)
            row = change(old)
            if _is_already(old, row):
                return old
            holder = transaction.holders([row]).get(0)
            if holder and holder[0] != example_id:
                raise ConflictError(
                    f"example {holder[0]} already has this domain, content and response",
                    hint=f"Look at it (mcai get {holder[0]}) and delete one of the two.",
                )
            transaction.remove([example_id])
            transaction.insert([(example_id, row)])
        with self._reading() as cursor:
            edited = read.get(cursor, self._names, example_id, transaction.epoch)
        if edited is None:
            raise NotFoundError(f"example {example_id} was deleted meanwhile")
        return edited

    def delete(self, ids: Sequence[int], *, key: Key | None = None) -> DeleteResult:
        """Delete examples, archived ones too."""
        with self._writing() as transaction:
            if replayed := self._replay(transaction, key, DeleteResult):
                return replayed
            gone = transaction.remove(ids)
            missing = [each for each in dict.fromkeys(ids) if each not in gone]
            epoch = transaction.epoch if transaction.changed else self._epoch
            result = DeleteResult(epoch=epoch, deleted=len(gone), missing=missing)
            if key:
                transaction.store_answer(key, result)
            return result

    def get(self, example_id: int) -> StoredExample | None:
        # The epoch first: the names that are read after it hold every domain that it knows.
        epoch = self._epoch
        with self._reading() as cursor:
            return read.get(cursor, self._names, example_id, epoch)

    def _dataset_ids(self, filters: Filters) -> list[int] | None:
        return self.dataset_ids(filters.domains) if filters.domains else None

    def page(self, filters: Filters, *, after_id: int, limit: int, epoch: int) -> list[Example]:
        with self._reading() as cursor:
            return read.page(
                cursor,
                self._names,
                filters,
                self._dataset_ids(filters),
                after_id=after_id,
                last_id=self._last_id,
                limit=limit,
                epoch=epoch,
            )

    def pick(self, ids: Sequence[int], filters: Filters, *, epoch: int) -> dict[int, Example]:
        with self._reading() as cursor:
            return read.pick(cursor, self._names, ids, filters, self._dataset_ids(filters), epoch=epoch)

    def datasets(self) -> list[Dataset]:
        with self._reading() as cursor:
            return read.datasets(cursor, self._epoch)

    def dataset_ids(self, domains: Sequence[str]) -> list[int]:
        wanted = set(domains)
        return [dataset_id for dataset_id, domain in self._names.items() if domain in wanted]

    def count(self) -> int:
        with self._reading() as cursor:
            row = one(cursor, "SELECT count(*) FROM examples WHERE d_epoch IS NULL")
            return int(row[0]) if row else 0

    def count_matching(self, filters: Filters, *, epoch: int) -> int:
        with self._reading() as cursor:
            return read.count_matching(cursor, filters, self._dataset_ids(filters), epoch)

    def changes(self, since: int, limit_rows: int) -> Change:
        with self._reading() as cursor:
            return read.changes(cursor, since, limit_rows)

    def committed_at(self, epoch: int) -> datetime | None:
        with self._reading() as cursor:
            return read.committed_at(cursor, epoch)

    def pending(self, since: int) -> int:
        with self._reading() as cursor:
            return read.pending(cursor, since)

    def note_indexed(self, model: str, dim: int, epoch: int) -> None:
        with self._write_lock, self._reading() as cursor:
            write.note_indexed(cursor, model, dim, epoch, times.now())

    def emotions(self) -> list[Emotion]:
        with self._reading() as cursor:
            return read.emotions(cursor)

    def close(self) -> None:
        with self._write_lock, engine_errors():
            self._connection.close()


def _is_already(stored: StoredExample, row: NewRow) -> bool:
    """Tell whether an example has in every field what an edit would give it."""
    created_at = None if row.created_at is None else times.show(row.created_at)
    metadata = msgspec.Raw(row.metadata_json.encode())
    wanted = {
        **{name: getattr(row, name) for name in ("domain", "content", "response", "emotion", "frequency_hz", "source")},
        "created_at": created_at,
    }
    have = {name: getattr(stored, name) for name in wanted}
    return wanted == have and msgspec.json.encode(stored.metadata) == msgspec.json.encode(metadata)


def _place(
    rows: Sequence[NewRow | Rejection], transaction: write.Transaction
) -> tuple[list[AddedItem], list[tuple[int, NewRow]]]:
    """Say of each record what becomes of it: ids are given out here, in the order of the batch."""
    checked = [row for row in rows if isinstance(row, NewRow)]
    held = {checked[at].identity: holder for at, holder in transaction.holders(checked).items()}
    first_in_batch: dict[bytes, int] = {}
    items: list[AddedItem] = []
    fresh: list[tuple[int, NewRow]] = []
    next_id = transaction.last_id + 1
    for index, row in enumerate(rows):
        if isinstance(row, Rejection):
            items.append(AddedItem(index=index, status="rejected", reason=row.reason))
        elif row.identity in held:
            example_id, archived = held[row.identity]
            items.append(
                AddedItem(index=index, status="duplicate", id=example_id, archived=True if archived else UNSET)
            )
        elif row.identity in first_in_batch:
            items.append(AddedItem(index=index, status="duplicate", id=first_in_batch[row.identity]))
        else:
            first_in_batch[row.identity] = next_id
            items.append(AddedItem(index=index, status="imported", id=next_id))
            fresh.append((next_id, row))
            next_id += 1
    return items, fresh
