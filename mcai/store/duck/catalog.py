"""The truth, in one DuckDB file: the verbs of `store.base.Catalog`, each one read or one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mcai import times
from mcai.errors import ConflictError, NotFoundError
from mcai.filters import Filters
from mcai.records import (
    AddResult,
    ArchiveRestoreResult,
    Dataset,
    DeleteResult,
    Emotion,
    EpochDiff,
    EpochEntry,
    Example,
    RollbackResult,
    RotatedDomain,
    RotateResult,
    StoredExample,
)
from mcai.store.base import Change, CopyFacts, Key, NewRow, Rejection, RotationPolicy
from mcai.store.duck import copying, effects, history, read, rotation, write
from mcai.store.duck.connection import one
from mcai.store.duck.engine import Engine
from mcai.store.duck.idempotency import answered, keep_answer
from mcai.store.duck.placing import is_already, place
from mcai.store.duck.transaction import Transaction

KEYS_KEPT_DAYS = 7


class DuckCatalog:
    """See `store.base.Catalog`. What needs the file itself (the journal, repair, compaction) talks to `engine`."""

    def __init__(self, engine: Engine, emotions: Sequence[Emotion] = ()) -> None:
        """Take over an open engine; the emotions are stored when the catalog has none yet."""
        self.engine = engine
        with engine.exclusive() as cursor:
            write.fill_emotions(cursor, emotions)
        self.forget_keys()

    @classmethod
    def open(cls, path: Path | None, emotions: Sequence[Emotion] = ()) -> DuckCatalog:
        """Open a catalog without a journal: None for one in memory."""
        return cls(Engine(path), emotions)

    @property
    def epoch(self) -> int:
        return self.engine.epoch

    @property
    def timeline(self) -> str:
        return self.engine.timeline

    def forget_keys(self) -> None:
        """Drop the idempotency keys that need not be kept any longer."""
        with self.engine.exclusive() as cursor:
            write.forget_keys(cursor, KEYS_KEPT_DAYS)

    def add(
        self,
        rows: Sequence[NewRow | Rejection],
        *,
        key: Key | None = None,
        containers: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        dry_run: bool = False,
    ) -> AddResult:
        with self.engine.writing("add") as transaction:
            if not dry_run and (given := answered(transaction, key, AddResult)):
                return given
            items, fresh = place(rows, transaction)
            if not dry_run:
                values = [effects.values_of(at, transaction.dataset_id(row.domain), row) for at, row in fresh]
                transaction.insert("examples", values)
                write.merge_metadata(transaction, containers or {})
                transaction.entry.op = "add" if fresh else "describe"
            count = {"imported": 0, "duplicate": 0, "rejected": 0}
            for item in items:
                count[item.status] += 1
            result = AddResult(epoch=self._made(transaction), results=items, **count)
            if not dry_run:
                keep_answer(transaction, key, result)
            return result

    def edit(self, example_id: int, change: Callable[[StoredExample], NewRow]) -> StoredExample:
        with self.engine.writing("edit") as transaction:
            old = read.get(transaction.cursor, transaction.names, example_id, self.epoch)
            if old is None or old.archived:
                state = "is archived" if old else "does not exist"
                hint = "Restore it first: mcai archive restore" if old else "See: mcai query"
                raise NotFoundError(f"example {example_id} {state}", hint=hint)
            row = change(old)
            if is_already(old, row):
                return old
            holder = write.holders(transaction.cursor, [row]).get(0)
            if holder and holder[0] != example_id:
                raise ConflictError(
                    f"example {holder[0]} already has this domain, content and response",
                    hint=f"Look at it (mcai get {holder[0]}) and delete one of the two.",
                )
            transaction.end("examples", [example_id])
            values = effects.values_of(example_id, transaction.dataset_id(row.domain), row)
            transaction.insert("examples", [values])
            edited = read.get(transaction.cursor, transaction.names, example_id, transaction.epoch)
            assert edited is not None, "the version that this transaction made"
            return edited

    def delete(self, ids: Sequence[int], *, key: Key | None = None) -> DeleteResult:
        with self.engine.writing("delete") as transaction:
            if given := answered(transaction, key, DeleteResult):
                return given
            gone = _end_everywhere(transaction, ids)
            missing = [each for each in dict.fromkeys(ids) if each not in gone]
            result = DeleteResult(epoch=self._made(transaction), deleted=len(gone), missing=missing)
            keep_answer(transaction, key, result)
            return result

    def drop_dataset(self, domain: str, *, dry_run: bool = False) -> RollbackResult:
        with self.engine.writing("delete dataset", dry_run=dry_run) as transaction:
            dataset_id = self._dataset_id(domain)
            cursor = transaction.cursor
            ids = [each for table in history.STATE for each in history.live_ids(cursor, table, dataset_id)]
            gone = _end_everywhere(transaction, ids)
            return RollbackResult(dry_run, self._made(transaction, dry_run), restored=0, removed=len(gone))

    def rollback(self, epoch: int, domain: str | None, *, dry_run: bool = False) -> RollbackResult:
        with self.engine.writing("rollback", dry_run=dry_run) as transaction:
            history.check_epoch(epoch, self.epoch)
            dataset_id = self._dataset_id(domain) if domain is not None else None
            done = history.roll_back(transaction, epoch, dataset_id)
            made = self._made(transaction, dry_run)
            return RollbackResult(dry_run, made, done.restored, done.removed, done.forgotten)

    def rotate(self, policy: RotationPolicy, *, dry_run: bool = False) -> RotateResult:
        with self.engine.writing("rotate", dry_run=dry_run) as transaction:
            now = transaction.at
            taken = rotation.candidates(transaction.cursor, policy, now)
            versions = [version for _, each in taken.values() for version in each]
            moved = len(versions) if dry_run else rotation.move(transaction, "examples", "examples_archive", versions)
            domains = [
                RotatedDomain(transaction.names[dataset_id], before, len(each), before - len(each))
                for dataset_id, (before, each) in taken.items()
            ]
            domains.sort(key=lambda each: each.domain)
            return RotateResult(dry_run, self._made(transaction, dry_run), domains, moved)

    def restore_archived(self, ids: Sequence[int] | None, filters: Filters) -> ArchiveRestoreResult:
        with self.engine.writing("archive restore") as transaction:
            versions = rotation.archived(transaction.cursor, ids, filters, self._dataset_ids(filters))
            restored = rotation.move(transaction, "examples_archive", "examples", versions)
            return ArchiveRestoreResult(self._made(transaction), restored)

    def forget(self, ids: Sequence[int]) -> tuple[int, int]:
        with self.engine.writing("forget") as transaction:
            forgotten = transaction.forget(ids)
            return self._made(transaction), forgotten

    def _made(self, transaction: Transaction, dry_run: bool = False) -> int:
        """The epoch that an answer names: the one that is being made, or the present one when nothing changes."""
        return transaction.epoch if transaction.changed and not dry_run else self.epoch

    def _dataset_id(self, domain: str) -> int:
        for dataset_id, name in self.engine.names.items():
            if name == domain:
                return dataset_id
        raise NotFoundError(f"there is no dataset {domain[:80]!r}", hint="See: mcai datasets")

    def _dataset_ids(self, filters: Filters) -> list[int] | None:
        return self.dataset_ids(filters.domains) if filters.domains else None

    def dataset_ids(self, domains: Sequence[str]) -> list[int]:
        wanted = set(domains)
        return [dataset_id for dataset_id, domain in self.engine.names.items() if domain in wanted]

    def log(self, domain: str | None, *, before: int, limit: int) -> list[EpochEntry]:
        dataset_id = self._dataset_id(domain) if domain is not None else None
        with self.engine.reading() as cursor:
            return history.log(cursor, self.engine.names, dataset_id, before, limit)

    def diff(self, from_epoch: int, to_epoch: int, domain: str | None) -> EpochDiff:
        dataset_id = self._dataset_id(domain) if domain is not None else None
        with self.engine.reading() as cursor:
            for each in (from_epoch, to_epoch):
                history.check_epoch(each, self.epoch)
            domains = history.diff(cursor, self.engine.names, from_epoch, to_epoch, dataset_id)
            return EpochDiff(from_epoch, to_epoch, domains)

    def get(self, example_id: int) -> StoredExample | None:
        # The epoch first: the names that are read after it hold every domain that it knows.
        epoch = self.epoch
        with self.engine.reading() as cursor:
            return read.get(cursor, self.engine.names, example_id, epoch)

    def page(self, filters: Filters, *, after_id: int, limit: int, epoch: int, archived: bool = False) -> list[Example]:
        with self.engine.reading() as cursor:
            return read.page(
                cursor,
                self.engine.names,
                filters,
                self._dataset_ids(filters),
                after_id=after_id,
                last_id=self.engine.last_id,
                limit=limit,
                epoch=epoch,
                table="examples_archive" if archived else "examples",
            )

    def pick(self, ids: Sequence[int], filters: Filters, *, epoch: int) -> dict[int, Example]:
        with self.engine.reading() as cursor:
            return read.pick(cursor, self.engine.names, ids, filters, self._dataset_ids(filters), epoch=epoch)

    def ids_matching(self, filters: Filters) -> list[int]:
        with self.engine.reading() as cursor:
            return read.ids_matching(cursor, filters, self._dataset_ids(filters))

    def datasets(self) -> list[Dataset]:
        with self.engine.reading() as cursor:
            return read.datasets(cursor, self.epoch)

    def count(self) -> int:
        with self.engine.reading() as cursor:
            row = one(cursor, "SELECT count(*) FROM examples WHERE d_epoch IS NULL")
            return int(row[0]) if row else 0

    def count_matching(self, filters: Filters, *, epoch: int) -> int:
        with self.engine.reading() as cursor:
            return read.count_matching(cursor, filters, self._dataset_ids(filters), epoch)

    def changes(self, since: int, limit_rows: int) -> Change:
        with self.engine.reading() as cursor:
            return read.changes(cursor, self.engine.names, since, limit_rows)

    def committed_at(self, epoch: int) -> datetime | None:
        with self.engine.reading() as cursor:
            return read.committed_at(cursor, epoch)

    def last_committed(self, op: str) -> datetime | None:
        with self.engine.reading() as cursor:
            return read.last_committed(cursor, op)

    def pending(self, since: int) -> int:
        with self.engine.reading() as cursor:
            return read.pending(cursor, since)

    def note_indexed(self, model: str, dim: int, epoch: int) -> None:
        with self.engine.exclusive() as cursor:
            write.note_indexed(cursor, model, dim, epoch, times.now())

    def emotions(self) -> list[Emotion]:
        with self.engine.reading() as cursor:
            return read.emotions(cursor)

    def copy_to(self, path: Path) -> CopyFacts:
        with self.engine.reading() as cursor:
            return copying.copy_to(cursor, path)

    def close(self) -> None:
        self.engine.close()


def _end_everywhere(transaction: Transaction, ids: Sequence[int]) -> set[int]:
    return transaction.end("examples", ids) | transaction.end("examples_archive", ids)
