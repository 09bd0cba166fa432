"""The open catalog file: one writer at a time, any number of readers, the newest epoch kept in memory.

Every change is one epoch and one transaction. What is in memory (epoch, highest id, dataset names) changes only after
the commit, and is read again from the file when a transaction failed in between.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import structlog

from mcai import failpoints, times
from mcai.errors import DamagedError, FatalStoreError, McaiError, StoreError
from mcai.files import sync_folder
from mcai.paths import wal_path
from mcai.store.duck.connection import connect, engine_errors, one, own_engine
from mcai.store.duck.effects import Entry, microseconds
from mcai.store.duck.gate import Gate
from mcai.store.duck.transaction import Transaction, replay
from mcai.store.journal import GENESIS, Journal

log = structlog.get_logger("store")


class Engine:
    """A DuckDB connection with the state that goes with it, and the journal that every epoch is written to first."""

    def __init__(self, path: Path | None, temp_dir: Path | None = None) -> None:
        """Open a catalog file, or one in memory, and bring its schema up to date; see `connection.connect`."""
        self.path = path
        self.journal: Journal | None = None
        self._temp_dir = temp_dir
        self._write_lock = threading.RLock()
        self._gate = Gate()
        self._open()

    def _open(self) -> None:
        self._connection = connect(self.path, self._temp_dir)
        try:
            with own_engine(), engine_errors():  # nobody is served yet
                self._load_state()
        except BaseException:
            self._connection.close()
            raise

    def _load_state(self) -> None:
        cursor = self._connection.cursor()
        sql = "SELECT epoch, last_id, chain_hash FROM epochs ORDER BY epoch DESC LIMIT 1"
        epoch, last_id, chain = one(cursor, sql) or (0, 0, None)
        floor = one(cursor, "SELECT value FROM meta WHERE key = 'last_id'")
        timeline = one(cursor, "SELECT value FROM meta WHERE key = 'timeline'")
        self._timeline: str = timeline[0] if timeline else ""
        # Names first: a reader that sees the new epoch must find the names of its datasets.
        self.names: dict[int, str] = dict(cursor.execute("SELECT id, domain FROM datasets").fetchall())
        self.last_id: int = max(last_id, int(floor[0]) if floor else 0)
        self.chain: bytes = chain or GENESIS
        self.epoch: int = epoch

    @property
    def timeline(self) -> str:
        """Which history this is: changes with every restore."""
        return self._timeline

    def meta(self, key: str) -> str | None:
        """Return one fact about the catalog itself."""
        with self.reading() as cursor:
            row = one(cursor, "SELECT value FROM meta WHERE key = ?", [key])
            return row[0] if row else None

    def set_meta(self, key: str, value: str | None) -> None:
        """Keep one fact about the catalog itself; None drops it."""
        with self._write_lock, self.reading() as cursor:
            cursor.execute("BEGIN TRANSACTION")
            cursor.execute("DELETE FROM meta WHERE key = ?", [key])
            if value is not None:
                cursor.execute("INSERT INTO meta VALUES (?, ?)", [key, value])
            cursor.execute("COMMIT")
            self._load_state()

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a fresh cursor."""
        with self._gate.passing(), engine_errors():
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()

    @contextmanager
    def exclusive(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a cursor while no epoch can be made."""
        with self._write_lock, self.reading() as cursor:
            yield cursor

    @contextmanager
    def writing(self, op: str, *, dry_run: bool = False) -> Iterator[Transaction]:
        """One transaction, one epoch at most; on any failure nothing of it stays.

        Args:
            op: what the epoch is called in the log.
            dry_run: undo everything at the end.
        """
        with self._write_lock, self._gate.passing(), engine_errors():
            cursor = self._connection.cursor()
            cursor.execute("BEGIN TRANSACTION")
            at_us = microseconds(times.now())
            transaction = Transaction(cursor, op, self.epoch + 1, self.last_id, dict(self.names), at_us)
            try:
                failpoints.hit("write.begun")
                yield transaction
                if dry_run:
                    cursor.execute("ROLLBACK")
                    return
                self._commit(transaction)
            except BaseException:
                self._abandon(transaction)
                raise
            finally:
                cursor.close()

    def _commit(self, transaction: Transaction) -> None:
        """Write the journal, then the catalog: a crash in between is made good from the journal at the next start."""
        chain = self.chain
        if transaction.changed:
            payload, chain = transaction.finish(self.chain)
            if self.journal is not None:
                self.journal.append(transaction.epoch, chain, payload)
                transaction.journaled = True
            failpoints.hit("write.journaled")
        transaction.cursor.execute("COMMIT")
        failpoints.hit("write.committed")
        self.names = transaction.names  # before the epoch, as in `_load_state`
        self.chain = chain
        self.last_id = transaction.entry.last_id
        self.epoch = transaction.epoch if transaction.changed else self.epoch

    def _abandon(self, transaction: Transaction) -> None:
        try:
            transaction.cursor.execute("ROLLBACK")
        except duckdb.Error:
            # A commit can be durable and still report an error (a failed checkpoint after it): look what is there.
            self._load_state()
        if transaction.journaled and self.journal is not None and self.epoch < transaction.epoch:
            # Where even that cannot be written, the next entry of this epoch replaces the one that never happened.
            with contextlib.suppress(McaiError):
                self.journal.abort(transaction.epoch)

    def make_again(self, entry: Entry, chain: bytes) -> None:
        """Make the next epoch again from its journal entry; see `transaction.replay`.

        Raises:
            DamagedError: the entry does not go with this catalog.
        """
        with self.writing(entry.op) as transaction:
            if entry.epoch != transaction.epoch:
                raise DamagedError(f"the journal goes on with epoch {entry.epoch} after epoch {self.epoch}")
            transaction.entry.at_us = entry.at_us
            replay(transaction, entry)
            transaction.kept_chain = chain

    def checkpoint(self) -> None:
        """Move everything from the write-ahead log into the file."""
        with self.exclusive() as cursor:
            cursor.execute("CHECKPOINT")

    def replace_file(self, fresh: Path) -> None:
        """Go on with another file in the place of this one: the same rows, written anew.

        Args:
            fresh: a whole catalog without a write-ahead log, on the same file system.

        Raises:
            StoreError: this catalog is in memory, or cannot be written down now; it goes on with the file it has.
            FatalStoreError: it cannot go on. Each of the two files is whole: the next start goes on with one of them.
        """
        if self.path is None:
            raise StoreError("a catalog in memory has no file")
        with self._write_lock, self._gate.closed():
            self.checkpoint()
            try:
                self._close_connection()
                fresh.replace(self.path)
                sync_folder(self.path.parent)
                self._open()
            except FatalStoreError:
                raise
            except (McaiError, OSError, duckdb.Error) as error:
                reason = error.message if isinstance(error, McaiError) else str(error)
                raise FatalStoreError(f"{self.path} could not be replaced: {reason}") from error

    def close(self) -> None:
        """Let go of the files; what cannot be written down stays in the write-ahead log and is found by the next start.

        For a file that is to be moved or copied alone, use `close_whole`.
        """
        try:
            self.close_whole()
        except StoreError as error:
            log.warning("the catalog could not be written down at the end", path=str(self.path), reason=error.message)

    def close_whole(self) -> None:
        """Write everything into the file and let go of it: it holds all there is, without a write-ahead log beside it.

        Raises:
            StoreError: it does not. Everything is let go of all the same, and nothing is lost: the log is there.
        """
        failure: StoreError | None = None
        with self._write_lock:
            try:
                self.checkpoint()
            except StoreError as error:
                failure = error
            try:
                self._close_connection()
            except StoreError as error:
                failure = failure or error  # the first one knows the reason
            finally:
                if self.journal is not None:
                    self.journal.close()
        if failure is not None:
            raise failure

    def _close_connection(self) -> None:
        """Close the connection, and look: DuckDB says nothing when its last checkpoint fails.

        Raises:
            StoreError: the write-ahead log is still there. Beside another file it would be taken for that one's.
        """
        with engine_errors():
            self._connection.close()
        if self.path is not None and wal_path(self.path).exists():
            raise StoreError(f"{wal_path(self.path)} could not be written down")
