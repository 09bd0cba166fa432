"""The dataset service: what the routes call. Joins the catalog (rows, the truth) with the search index (candidates)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from mcai import failpoints
from mcai.dataset import intake
from mcai.dataset.indexer import Indexer
from mcai.dataset.publisher import Publisher
from mcai.dataset.searching import Searcher
from mcai.embed import Embedder
from mcai.errors import EpochNotReachedError, NotFoundError, SnapshotDamagedError
from mcai.filters import Filters, check_limit, make_cursor, read_cursor
from mcai.identity import clean_name
from mcai.records import (
    AddResult,
    ArchiveRestoreResult,
    DeleteResult,
    EpochDiff,
    EpochLog,
    Example,
    Page,
    RollbackResult,
    StoredExample,
)
from mcai.snapshot.pages import PageJson, page_json
from mcai.store.base import Catalog, Key, NewRow

T = TypeVar("T")


class Knowledge:
    """Examples: taken in, paged, searched."""

    def __init__(
        self, catalog: Catalog, publisher: Publisher, indexer: Indexer, embedder: Embedder, search_wait_s: float
    ) -> None:
        self.catalog = catalog
        self.publisher = publisher
        self.indexer = indexer
        self.embedder = embedder
        self.search = Searcher(catalog, publisher, indexer, embedder, search_wait_s).search
        self._writer = ThreadPoolExecutor(1, "writer")

    def check_epoch(self, min_epoch: int) -> None:
        """Refuse to read below what the caller has seen.

        Raises:
            EpochNotReachedError: the catalog is older (it was restored from a backup, or is another home).
        """
        if min_epoch > self.catalog.epoch:
            raise EpochNotReachedError(
                f"the store is at epoch {self.catalog.epoch}, {min_epoch} was asked for",
                hint="It may have been restored from a backup: make a new client.",
            )

    async def add(
        self,
        examples: Sequence[msgspec.Raw],
        *,
        key: Key | None,
        containers: Mapping[str, Sequence[Mapping[str, Any]]],
        dry_run: bool,
    ) -> AddResult:
        """Check and store a batch; see `Catalog.add`."""

        intake.check_containers(containers)

        def work() -> AddResult:
            return self.catalog.add(intake.read_rows(examples), key=key, containers=containers, dry_run=dry_run)

        return await self.write(work)

    async def edit(self, example_id: int, changes: Mapping[str, Any]) -> StoredExample:
        """Change fields of one example; see `intake.edited` and `Catalog.edit`."""

        def change(old: StoredExample) -> NewRow:
            before = {name: getattr(old, name) for name in Example.__struct_fields__}
            # The store hands metadata on as JSON text.
            before["metadata"] = msgspec.json.decode(before["metadata"])
            return intake.edited(before, changes)

        return await self.write(lambda: self.catalog.edit(example_id, change))

    async def delete(self, ids: Sequence[int], *, key: Key | None) -> DeleteResult:
        """Delete examples; see `Catalog.delete`."""
        return await self.write(lambda: self.catalog.delete(ids, key=key))

    async def drop_dataset(self, domain: str, *, dry_run: bool) -> RollbackResult:
        """Delete a domain; see `Catalog.drop_dataset`."""
        return await self.write(lambda: self.catalog.drop_dataset(clean_name(domain), dry_run=dry_run))

    async def rollback(self, epoch: int, domain: str | None, *, dry_run: bool) -> RollbackResult:
        """Go back to an epoch; see `Catalog.rollback`."""
        name = None if domain is None else clean_name(domain)
        return await self.write(lambda: self.catalog.rollback(epoch, name, dry_run=dry_run))

    async def restore_archived(self, ids: Sequence[int] | None, filters: Filters) -> ArchiveRestoreResult:
        """Bring archived examples back; see `Catalog.restore_archived`."""
        return await self.write(lambda: self.catalog.restore_archived(ids, filters))

    async def log(self, domain: str | None, *, limit: int, cursor: str | None) -> EpochLog:
        """Return a page of the history, newest first.

        Raises:
            NotFoundError: there is no such domain.
            InvalidCursorError: the cursor is another domain's, or none.
        """
        check_limit(limit)
        # The domain is all that a cursor of the log is bound to.
        about = Filters(domains=() if domain is None else (clean_name(domain),))
        before = read_cursor(about, cursor) if cursor is not None else self.catalog.epoch + 1
        name = about.domains[0] if about.domains else None
        entries = await asyncio.to_thread(self.catalog.log, name, before=before, limit=limit + 1)
        more = len(entries) > limit
        return EpochLog(entries[:limit], make_cursor(about, entries[limit - 1].epoch) if more else None)

    async def diff(self, from_epoch: int, to_epoch: int, domain: str | None) -> EpochDiff:
        """Compare two epochs; see `Catalog.diff`."""
        name = None if domain is None else clean_name(domain)
        return await asyncio.to_thread(self.catalog.diff, from_epoch, to_epoch, name)

    async def archived(self, filters: Filters, *, limit: int, cursor: str | None) -> Page:
        """Return a page of archived examples; as `page`."""
        return await self._page(filters, limit, cursor, archived=True)

    async def write(self, work: Callable[[], T]) -> T:
        """Run a write in the one thread for writes: while it waits for its turn it must not take a reader's."""
        result = await asyncio.get_running_loop().run_in_executor(self._writer, work)
        self.publisher.wake()
        self.indexer.wake()
        failpoints.hit("write.acknowledged")
        return result

    async def get(self, example_id: int) -> StoredExample:
        """Return one example.

        Raises:
            NotFoundError: there is no such id.
        """
        found = await asyncio.to_thread(self.catalog.get, example_id)
        if found is None:
            raise NotFoundError(f"example {example_id} does not exist", hint="See: mcai query")
        return found

    async def page(self, filters: Filters, *, limit: int, cursor: str | None) -> PageJson:
        """Return a page in id order, as JSON: out of the snapshot when it is at the newest epoch, else the catalog.

        Raises:
            InvalidCursorError: the cursor belongs to other filters.
            InvalidRequestError: the limit is out of range.
        """
        check_limit(limit)
        after_id = read_cursor(filters, cursor)
        view = self.publisher.current(self.catalog.epoch)
        if view is not None:
            with contextlib.suppress(SnapshotDamagedError):
                if filters.only_domains:
                    # Shorter than handing it to another thread.
                    return page_json(view, filters, after_id, limit)
                return await asyncio.to_thread(page_json, view, filters, after_id, limit)
            self.publisher.fall_back()
        page = await self._page(filters, limit, cursor, archived=False)
        return PageJson(msgspec.json.encode(page), page.next_cursor, page.epoch)

    async def _page(self, filters: Filters, limit: int, cursor: str | None, *, archived: bool) -> Page:
        check_limit(limit)
        after_id, epoch = read_cursor(filters, cursor), self.catalog.epoch
        rows = await asyncio.to_thread(
            lambda: self.catalog.page(filters, after_id=after_id, limit=limit + 1, epoch=epoch, archived=archived)
        )
        more = len(rows) > limit
        return Page(rows[:limit], make_cursor(filters, rows[limit - 1].id) if more else None, epoch)
