"""Forgetting: examples leave every place in the home where they are or were, for good.

What goes first is written down in the catalog, as ids alone. Every step can be done again, so that after a crash or on
a full disk the rest is done as soon as it can be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import structlog

from mcai import failpoints
from mcai.errors import FatalStoreError, IndexUnavailableError, McaiError, StoreError
from mcai.filters import Filters
from mcai.paths import Home
from mcai.records import ForgetResult, Place
from mcai.store import backup, journal
from mcai.store.duck import DuckCatalog, forgetting
from mcai.store.duck.redaction import Redactor
from mcai.store.journal.segments import write_errors
from mcai.upkeep import archive_files, forget_receipt
from mcai.upkeep.archive_files import ArchiveFiles
from mcai.upkeep.backup import catalog_bytes, check_room, size_of
from mcai.upkeep.forget_copies import Copies
from mcai.upkeep.forget_receipt import Receipt
from mcai.upkeep.hooks import Derived, Write

log = structlog.get_logger("forget")

RETRY_S = 60.0
MAX_TEXT_ROWS = 10_000
"""The texts of so many row versions are looked for in the bytes of all files afterwards."""


@dataclass(frozen=True)
class _Gone:
    """What has left the catalog."""

    epoch: int
    forgotten: int
    places: list[Place]
    texts: set[str]


class Forgetting:
    """Makes one home forget."""

    def __init__(
        self,
        home: Home,
        catalog: DuckCatalog,
        write: Write,
        derived: Derived,
        archive: ArchiveFiles,
        alone: asyncio.Lock,
    ) -> None:
        """Make it.

        Args:
            home: owned by this process.
            catalog: of that home.
            write: the way to the one thread that makes epochs.
            derived: takes examples out of what is derived from the catalog outside of this package.
            archive: the files of the archive.
            alone: held while files of the home as a whole are read or rewritten.
        """
        self._home = home
        self._catalog = catalog
        self._write = write
        self._derived = derived
        self._archive = archive
        self._alone = alone
        self._copies = Copies(home)

    async def forget(self, ids: Sequence[int], filters: Filters, *, dry_run: bool) -> ForgetResult:
        """Forget some examples, every version of them.

        Args:
            ids: which ones; unknown ones are passed over.
            filters: which others; none when they are empty. A source is that of any version, deleted and edited ones
                too; the rest must be so now, or in a copy, where the catalog does not have the example any more.
            dry_run: look where they are, change nothing.

        Raises:
            StoreFullError: the disk is full. What was begun is finished as soon as it can be.
            IndexUnavailableError: the index or the snapshot is not ready; likewise.
            StoreError: another place could not be cleaned; likewise.
        """
        async with self._alone:
            chosen = await asyncio.to_thread(self._choose, ids, filters)
            if dry_run:
                return await asyncio.to_thread(self._preview, chosen)
            return await self._carry_out(chosen, {filters.source} if filters.source else set())

    async def run(self) -> None:
        """Finish what a crash, a full disk or an index that is not ready cut off; look for it until cancelled.

        Raises:
            FatalStoreError: the engine has given up.
        """
        while True:
            try:
                await self.finish_pending()
            except FatalStoreError:
                raise
            except McaiError as error:
                log.error("what is to be forgotten is not gone yet", reason=error.message)
            await asyncio.sleep(RETRY_S)

    async def finish_pending(self) -> None:
        """Do the rest of what was cut off, if there is any.

        Raises:
            StoreError: it cannot be finished now either.
        """
        async with self._alone:
            if await asyncio.to_thread(forgetting.pending, self._catalog.engine):
                done = await self._carry_out([], set())
                log.info("finished what was to be forgotten", epoch=done.epoch, forgotten=done.forgotten)

    def _choose(self, ids: Sequence[int], filters: Filters) -> list[int]:
        if not filters:
            return sorted(set(ids))
        elsewhere = self._copies.ids_matching(filters)
        if filters != Filters(source=filters.source):
            # What a copy says of an example may be long past; where the catalog has the example, it knows better.
            with self._catalog.engine.reading() as cursor:
                elsewhere -= forgetting.known(cursor, elsewhere)
        return sorted({*ids, *elsewhere, *self._catalog.ids_matching(filters)})

    def _preview(self, ids: Sequence[int]) -> ForgetResult:
        receipt = Receipt()
        if not ids:
            return ForgetResult(True, self._catalog.epoch, 0, receipt.places())
        receipt.add(forget_receipt.look(self._home, self._catalog, ids))
        with self._catalog.engine.reading() as cursor:
            known = len(forgetting.known(cursor, ids))
        return ForgetResult(True, self._catalog.epoch, known, receipt.places())

    async def _carry_out(self, chosen: Sequence[int], words: set[str]) -> ForgetResult:
        unfinished = await asyncio.to_thread(forgetting.pending, self._catalog.engine)
        ids = sorted({*chosen, *unfinished})
        if not ids:
            return msgspec.structs.replace(self._preview(ids), dry_run=False)
        check_room(self._home.temp_dir, catalog_bytes(self._home) + size_of(self._home.vectors_dir))
        receipt = Receipt()
        # Counted before the epoch is made: whoever keeps the archive's files in step follows it at once.
        files, found = await asyncio.to_thread(archive_files.count, self._home.archive_dir, ids)
        receipt.add([Place("archive files", files, found, 0)])
        gone = await self._write(lambda: self._leave_catalog(ids, resumed=bool(unfinished)))
        receipt.add(gone.places)
        receipt.add([await asyncio.to_thread(self._leave_journal, ids)])
        receipt.add(await asyncio.to_thread(self._leave_files, ids))
        receipt.add(await self._leave_derived(ids))
        await asyncio.to_thread(self._look_again, ids, gone.texts | words, receipt)
        await asyncio.to_thread(forgetting.end, self._catalog.engine)
        log.info("forgotten", examples=gone.forgotten, epoch=gone.epoch)
        return ForgetResult(False, gone.epoch, gone.forgotten, receipt.places())

    def _leave_catalog(self, ids: Sequence[int], *, resumed: bool) -> _Gone:
        """Drop the rows and write the catalog anew; runs in the thread that makes epochs, so that none is made
        meanwhile."""
        engine, cached = self._catalog.engine, 0
        with engine.reading() as cursor:
            before = forgetting.tally(cursor, ids)
            texts = forgetting.texts(cursor, ids, MAX_TEXT_ROWS)
        forgetting.begin(engine, ids)
        with write_errors(self._home.dir):
            epoch, forgotten = self._catalog.forget(ids)
            failpoints.hit("forget.committed")
            if before.theirs or resumed:
                with engine.exclusive() as cursor:
                    forgotten = forgetting.forgotten(cursor, ids) if resumed else forgotten
                    cached = forgetting.clear_cache(cursor)
                self._compact()
        places = [*forget_receipt.of_tally(before), Place("caches", cached, cached, 0)]
        return _Gone(epoch, forgotten, places, texts)

    def _compact(self) -> None:
        """Go on with a fresh copy of the catalog: the bytes of deleted rows stay in the old file."""
        fresh = self._home.temp_dir / "compacted.duckdb"
        self._home.temp_dir.mkdir(mode=0o700, exist_ok=True)
        for left_over in self._home.temp_dir.glob(f"{fresh.name}*"):
            left_over.unlink()
        facts = self._catalog.copy_to(fresh)
        failpoints.hit("forget.compacted")
        if facts.epoch != self._catalog.epoch:
            raise StoreError("an epoch was made while the catalog was being written anew")
        self._catalog.engine.replace_file(fresh)
        backup.sync_folder(self._home.dir)
        failpoints.hit("forget.swapped")

    def _leave_journal(self, ids: Sequence[int]) -> Place:
        engine, redactor = self._catalog.engine, Redactor(ids)
        if engine.journal is None:
            return Place("journal", 0, 0, 0)
        with engine.exclusive():
            segments = engine.journal.roll()
        with write_errors(self._home.journal_dir):
            before = redactor.count(self._home.journal_dir)
            done = journal.redact(self._home.journal_dir, redactor, segments=segments)
            failpoints.hit("forget.journal")
        return Place("journal", done.entries, before.rows, 0)

    def _leave_files(self, ids: Sequence[int]) -> list[Place]:
        self._archive.reconcile()
        return self._copies.forget(ids)

    async def _leave_derived(self, ids: Sequence[int]) -> list[Place]:
        """The last step, for these may not be ready yet: nothing else waits for them."""
        try:
            return await self._derived(ids)
        except FatalStoreError:
            raise
        except McaiError as error:
            raise IndexUnavailableError(
                f"forgotten everywhere but in the index and the snapshot: {error.message}",
                hint="That is tried again every minute; the same command tells when it is done.",
            ) from error

    def _look_again(self, ids: Sequence[int], texts: set[str], receipt: Receipt) -> None:
        receipt.look_again(forget_receipt.look(self._home, self._catalog, ids))
        forget_receipt.look_at_bytes(self._home, self._catalog, texts, receipt)
