"""Forgetting: examples leave every place in the home where they are or were, for good.

What goes first is written down in the catalog, as ids alone. Every step can be done again, so that after a crash or on
a full disk the rest is done as soon as it can be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import structlog

from mcai import failpoints
from mcai.errors import FatalStoreError, IndexUnavailableError, McaiError, StoreError
from mcai.files import read_errors, sync_folder, write_errors
from mcai.filters import Filters
from mcai.paths import Home
from mcai.records import ForgetResult, Place
from mcai.store import journal
from mcai.store.duck import DuckCatalog, forgetting
from mcai.upkeep import archive_files, forget_order, forget_quarantine, forget_receipt
from mcai.upkeep.archive_files import ArchiveFiles
from mcai.upkeep.backup import catalog_bytes, check_room, size_of
from mcai.upkeep.forget_copies import Copies
from mcai.upkeep.forget_matching import Matching
from mcai.upkeep.forget_order import Order
from mcai.upkeep.forget_quarantine import Wanted
from mcai.upkeep.forget_receipt import MAX_TEXT_ROWS, PLACES, Receipt
from mcai.upkeep.hooks import Derived, Write

log = structlog.get_logger("forget")

RETRY_S = 60.0
LEFT_RETRY_S = 3_600.0
"""When a copy could not be looked at or cleaned: a person may have to see to that, and each round rewrites much."""
_GOES_ON = "That is tried again every minute; the same command tells when it is done."
_ELSEWHERE = "backups outside of this home may still have them: to restore one brings them back"


@dataclass(frozen=True)
class _Gone:
    """What has left the catalog."""

    epoch: int
    forgotten: int = 0
    places: list[Place] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)


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
        self._copies = Copies(home, catalog.engine)
        self._is_compact = False
        """The catalog's file was written anew since the rows went that are still to be forgotten elsewhere."""

    async def forget(self, ids: Sequence[int], filters: Filters, *, dry_run: bool) -> ForgetResult:
        """Forget some examples, every version of them, and what an import refused beside them.

        Args:
            ids: which ones; unknown ones are looked for in copies alone.
            filters: which others; none when they are empty. A source is that of any version, deleted and edited ones
                too; the rest must be so now. Copies and the journal are asked, too: what matches there goes from there
                where the catalog does not have the example.
            dry_run: look where they are, change nothing.

        Raises:
            StoreFullError: the disk is full. What was begun is finished as soon as it can be.
            IndexUnavailableError: the index or the snapshot is not ready; likewise.
            StoreError: another place could not be cleaned; likewise.
        """
        async with self._alone:
            order = await asyncio.to_thread(self._choose, ids, filters, dry_run)
            if dry_run or not order:
                return await asyncio.to_thread(self._preview, order)
            return await self._carry_out(order)

    async def run(self) -> None:
        """Finish what a crash, a full disk or an index that is not ready cut off; look for it until cancelled.

        Raises:
            FatalStoreError: the engine has given up.
        """
        while True:
            pause_s = RETRY_S
            try:
                if not await self.finish_pending():
                    pause_s = LEFT_RETRY_S
            except FatalStoreError:
                raise
            except McaiError as error:
                log.error("what is to be forgotten is not gone yet", reason=error.message)
            await asyncio.sleep(pause_s)

    async def finish_pending(self) -> bool:
        """Do the rest of what was cut off, if there is any; tell whether nothing is left.

        Raises:
            StoreError: it cannot be finished now either.
        """
        async with self._alone:
            await asyncio.to_thread(self._copies.settle)
            if not await asyncio.to_thread(self._is_pending):
                return True
            done = await self._carry_out(Order([]))
            if await asyncio.to_thread(self._is_pending):
                log.warning("what is to be forgotten is not gone from every copy yet", notes=done.notes)
                return False
            log.info("finished what was to be forgotten", epoch=done.epoch, forgotten=done.forgotten)
            return True

    def _is_pending(self) -> bool:
        return bool(forgetting.pending(self._catalog.engine)) or forget_order.is_noted(self._home)

    def _choose(self, ids: Sequence[int], filters: Filters, dry_run: bool) -> Order:
        """Return what is to go. What copies and the journal alone have is asked for there, each by itself: a number
        that is found in one may be another example's here."""
        given_out = self._catalog.engine.last_id
        strange = frozenset(each for each in ids if each > given_out)
        chosen = sorted({*ids, *(self._catalog.ids_matching(filters) if filters else ())} - strange)
        with self._catalog.engine.reading() as cursor:
            sources = forgetting.sources(cursor, chosen)
        asked = (filters,) if filters else ()
        lines = forget_quarantine.wanted(filters, sources)
        return Order(chosen, strange, asked, lines, own_lines=lines, dry_run=dry_run)

    def _preview(self, order: Order) -> ForgetResult:
        receipt = Receipt()
        with self._catalog.engine.reading() as cursor:
            known = len(forgetting.known(cursor, order.ids))
            texts = forgetting.texts(cursor, order.ids, MAX_TEXT_ROWS)
        receipt.add(*forget_receipt.look(self._home, self._catalog, order))
        forget_receipt.look_at_bytes(self._home, self._catalog, order, texts, receipt)
        receipt.note([_ELSEWHERE] if known else [])
        return receipt.result(dry_run=order.dry_run, epoch=self._catalog.epoch, forgotten=known)

    async def _carry_out(self, order: Order) -> ForgetResult:
        unfinished = await asyncio.to_thread(forgetting.pending, self._catalog.engine)
        goes_on = await asyncio.to_thread(forget_order.goes_on, self._home, order)
        asked = {*order.ids, *(unfinished if goes_on else ())}
        order = await asyncio.to_thread(forget_order.with_unfinished, self._home, order, unfinished)
        check_room(self._home.temp_dir, catalog_bytes(self._home) + size_of(self._home.vectors_dir))
        if order.ids:
            await asyncio.to_thread(forgetting.begin, self._catalog.engine, order.ids)
        await asyncio.to_thread(forget_order.write, self._home, order)
        receipt, gone = Receipt(), _Gone(self._catalog.epoch)
        receipt.add(*await asyncio.to_thread(self._leave_quarantine, order))
        if order.ids:
            # Counted before the epoch is made: whoever keeps the archive's files in step follows it at once.
            files, found = await asyncio.to_thread(archive_files.count, self._home.archive_dir, order.ids)
            receipt.add([Place("archive files", files, found, 0)])
            gone = await self._write(lambda: self._leave_catalog(order.ids, asked, resumed=bool(unfinished)))
            receipt.add(gone.places)
        with _rest_told(gone):
            is_complete = await asyncio.to_thread(self._leave_files, order, receipt)
            if order.ids:
                receipt.add(await self._leave_derived(order.ids))
            await asyncio.to_thread(self._look_again, order, gone.texts, receipt)
        if is_complete:
            await asyncio.to_thread(forgetting.end, self._catalog.engine)
            await asyncio.to_thread(forget_order.remove, self._home)
        log.info("forgotten", examples=gone.forgotten, epoch=gone.epoch, complete=is_complete)
        receipt.note([_ELSEWHERE] if gone.forgotten else [])
        return receipt.result(dry_run=False, epoch=gone.epoch, forgotten=gone.forgotten)

    def _leave_quarantine(self, order: Order) -> tuple[list[Place], list[str]]:
        with write_errors(self._home.quarantine_dir):
            before = forget_quarantine.count(self._home.quarantine_dir, order.own_lines)
            busy = forget_quarantine.drop(self._home.quarantine_dir, order.own_lines)
        forget_order.write(self._home, replace(order, own_lines=Wanted()))
        place = Place(forget_receipt.QUARANTINE, before.files, before.lines, 0)
        return [place], [
            f"quarantine/{path.name} is being written by an import: run this again after it" for path in busy
        ]

    def _leave_catalog(self, ids: Sequence[int], asked: Collection[int], *, resumed: bool) -> _Gone:
        """Drop the rows and write the catalog anew; runs in the thread that makes epochs, so that none is made
        meanwhile.

        Args:
            ids: what goes.
            asked: those of them that are counted as forgotten.
            resumed: some of them went before; the file may have been written anew since then, or not.
        """
        engine, cached = self._catalog.engine, 0
        with engine.reading() as cursor:
            before = forgetting.tally(cursor, ids)
            texts = forgetting.texts(cursor, ids, MAX_TEXT_ROWS)
        self._is_compact = self._is_compact and not before.theirs
        epoch, forgotten = self._catalog.forget(ids)
        with _rest_told(_Gone(epoch, forgotten)), write_errors(self._home.dir):
            failpoints.hit("forget.committed")
            if resumed:
                with engine.reading() as cursor:
                    forgotten = forgetting.forgotten(cursor, list(asked))
            if before.theirs or (resumed and not self._is_compact):
                with engine.exclusive() as cursor:
                    cached = forgetting.clear_cache(cursor)
                self._compact()
                self._is_compact = True
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
        sync_folder(self._home.dir)
        failpoints.hit("forget.swapped")

    def _leave_journal(self, order: Order) -> Place:
        engine, folder = self._catalog.engine, self._home.journal_dir
        if engine.journal is None:
            return Place("journal", 0, 0, 0)
        matching = Matching(self._home, engine, order)
        with read_errors(folder):
            redactor = matching.in_own_journal()
            before = redactor.count(folder)
        if not (before.rows or matching.knows_any):
            return Place("journal", before.entries, 0, 0)  # what is damaged in it may stay
        with engine.exclusive():
            segments = engine.journal.roll()
        done = journal.redact(folder, redactor, segments=segments)
        with write_errors(folder):
            failpoints.hit("forget.journal")
        return Place("journal", done.entries, before.rows, 0)

    def _leave_files(self, order: Order, receipt: Receipt) -> bool:
        """Clean journal, archive and copies; tell whether every copy could be cleaned."""
        receipt.add([self._leave_journal(order)])
        if order.ids:
            self._archive.reconcile()
        is_known = receipt.found("rows", "archive", "history", "journal", forget_receipt.QUARANTINE) > 0
        copies = self._copies.forget(order, is_known=is_known)
        receipt.add(copies.places, copies.notes)
        return copies.is_complete

    async def _leave_derived(self, ids: Sequence[int]) -> list[Place]:
        """The last step, for these may not be ready yet: nothing else waits for them."""
        try:
            return await self._derived(ids)
        except FatalStoreError:
            raise
        except McaiError as error:
            raise IndexUnavailableError(
                f"forgotten everywhere but in the index and the snapshot: {error.message}", hint=_GOES_ON
            ) from error

    def _look_again(self, order: Order, texts: set[str], receipt: Receipt) -> None:
        is_known = receipt.found(*PLACES) > 0
        places, _ = forget_receipt.look(self._home, self._catalog, order, is_known=is_known)
        receipt.look_again(places)
        forget_receipt.look_at_bytes(self._home, self._catalog, order, texts, receipt)


@contextmanager
def _rest_told(gone: _Gone) -> Iterator[None]:
    """Say of what fails after the rows are gone that they are gone, and how it goes on."""
    try:
        yield
    except FatalStoreError:
        raise
    except McaiError as error:
        if not gone.forgotten or error.hint == _GOES_ON:
            raise
        told = f"{gone.forgotten:,} forgotten in epoch {gone.epoch}, but not in every file yet: {error.message}"
        raise type(error)(told, hint=_GOES_ON) from error
