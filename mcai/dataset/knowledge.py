"""The dataset service: what the routes call. Joins the catalog (rows, the truth) with the search index (candidates)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import msgspec

from mcai.dataset import fusion, intake
from mcai.dataset.filters import check_limit, make_cursor, read_cursor
from mcai.dataset.indexer import Indexer
from mcai.embed import Embedder
from mcai.errors import EpochNotReachedError, InvalidRequestError, NotFoundError
from mcai.records import AddResult, DeleteResult, Example, Hit, Page, SearchResult, StoredExample
from mcai.store.base import Catalog, Filters, IndexFilter, Key, NewRow, SearchIndex

T = TypeVar("T")
Mode = Literal["hybrid", "semantic", "keyword"]

LOAD_WAIT_S = 12.0
"""A search that comes while Lance is still loading waits for it this long, as does one that names an epoch. Both waits
together stay below a client's own timeout of 30 s, so that it hears the reason."""
SMALL_BACKLOG_ROWS = 2_000
"""So few new rows are indexed within a fraction of a second: a search waits for them rather than miss them."""
CANDIDATES = 200
"""Fused from each side at least, however few hits are asked for: fusion needs both sides of a row, and the best hits
must not depend on how many are asked for."""
WIDEN = 4
SPARE_ROWS = 4
"""Fetched beyond the limit at once: now and then a row was deleted since the index saw it."""
NO_SCORES: Mapping[int, float] = {}


class Knowledge:
    """Examples: taken in, paged, searched."""

    def __init__(self, catalog: Catalog, indexer: Indexer, embedder: Embedder, search_wait_s: float) -> None:
        self.catalog = catalog
        self.indexer = indexer
        self.embedder = embedder
        self.weights = fusion.Weights()
        self._search_wait_s = search_wait_s
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

        return await self._write(work)

    async def edit(self, example_id: int, changes: Mapping[str, Any]) -> StoredExample:
        """Change fields of one example; see `intake.edited` and `Catalog.edit`."""

        def change(old: StoredExample) -> NewRow:
            before = {name: getattr(old, name) for name in Example.__struct_fields__}
            # The store hands metadata on as JSON text.
            before["metadata"] = msgspec.json.decode(before["metadata"])
            return intake.edited(before, changes)

        return await self._write(lambda: self.catalog.edit(example_id, change))

    async def delete(self, ids: Sequence[int], *, key: Key | None) -> DeleteResult:
        """Delete examples; see `Catalog.delete`."""
        return await self._write(lambda: self.catalog.delete(ids, key=key))

    async def _write(self, work: Callable[[], T]) -> T:
        """Run a write in the one thread for writes: while it waits for its turn it must not take a reader's."""
        result = await asyncio.get_running_loop().run_in_executor(self._writer, work)
        self.indexer.wake()
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

    async def page(self, filters: Filters, *, limit: int, cursor: str | None) -> Page:
        """Return a page in id order.

        Raises:
            InvalidCursorError: the cursor belongs to other filters.
            InvalidRequestError: the limit is out of range.
        """
        check_limit(limit)
        after_id, epoch = read_cursor(filters, cursor), self.catalog.epoch
        rows = await asyncio.to_thread(
            lambda: self.catalog.page(filters, after_id=after_id, limit=limit + 1, epoch=epoch)
        )
        more = len(rows) > limit
        return Page(rows[:limit], make_cursor(filters, rows[limit - 1].id) if more else None, epoch)

    async def search(
        self,
        asked: str | Sequence[float],
        *,
        mode: Mode,
        limit: int,
        filters: Filters,
        explain: bool = False,
        min_epoch: int = 0,
    ) -> SearchResult:
        """Find the examples nearest to a text or a vector.

        Raises:
            InvalidRequestError: a blank text, a limit out of range, or a vector with a mode that needs words.
            DimensionMismatchError: the vector has another length than the index.
            IndexUnavailableError: the index failed or is not loaded in time.
            EpochNotReachedError: the index does not reach ``min_epoch`` in time.
        """
        begun = time.perf_counter()
        check_limit(limit)
        text = _check_asked(asked, mode)
        index = await self.indexer.opened(LOAD_WAIT_S)
        await self._catch_up(min_epoch)
        index_epoch, epoch = self.indexer.applied_epoch, self.catalog.epoch
        vector = await self._vector(asked) if mode != "keyword" else None
        dataset_ids = tuple(self.catalog.dataset_ids(filters.domains)) if filters.domains else None
        chosen = IndexFilter(filters, dataset_ids)
        wanted = max(CANDIDATES, limit + CANDIDATES // 2)
        while True:
            found = await _candidates(index, text if mode != "semantic" else None, vector, wanted, chosen)
            ranked = fusion.rank(found, mode, self.weights)
            examples = await asyncio.to_thread(self._pick, list(ranked), limit, filters, epoch)
            # Rows that were deleted since the index saw them are not in `examples`; look further when that costs hits.
            if len(examples) >= limit or len(ranked) < wanted:
                break
            wanted *= WIDEN
        best = [row for row in ranked if row in examples][:limit]
        hits = [_hit(examples[row], ranked[row]) for row in best]
        if explain:
            hits = [
                msgspec.structs.replace(
                    hit,
                    explain=fusion.explain(hit.id, found, mode, self.weights, text, hit.content, hit.response or ""),
                )
                for hit in hits
            ]
        took_ms = round((time.perf_counter() - begun) * 1e3, 3)
        return SearchResult(hits=hits, mode=mode, epoch=epoch, index_epoch=index_epoch, took_ms=took_ms)

    def _pick(self, ranked: Sequence[int], limit: int, filters: Filters, epoch: int) -> dict[int, Example]:
        """Fetch rows best first, until there are enough: fetching takes longer than finding."""
        examples: dict[int, Example] = {}
        for begin in range(0, len(ranked), limit + SPARE_ROWS):
            examples |= self.catalog.pick(ranked[begin : begin + limit + SPARE_ROWS], filters, epoch=epoch)
            if len(examples) >= limit:
                break
        return examples

    async def _catch_up(self, min_epoch: int) -> None:
        if min_epoch > self.indexer.applied_epoch:
            await self.indexer.require(min_epoch, LOAD_WAIT_S)
        head = self.catalog.epoch
        if head > self.indexer.applied_epoch:
            backlog = await asyncio.to_thread(self.catalog.pending, self.indexer.applied_epoch)
            if backlog <= SMALL_BACKLOG_ROWS:
                await self.indexer.reach(head, self._search_wait_s)

    async def _vector(self, asked: str | Sequence[float]) -> Any:
        """The query's vector, or None when the text means nothing to the model."""
        if not isinstance(asked, str):
            return asked
        vector = (await asyncio.to_thread(self.embedder.embed, [asked]))[0]
        return vector if vector.any() else None


def _check_asked(asked: str | Sequence[float], mode: Mode) -> str:
    """Return the words of the query, "" for a vector."""
    if isinstance(asked, str):
        if not asked.strip():
            raise InvalidRequestError("the query is blank", hint="Leave it out to page through examples.")
        return asked
    if mode != "semantic":
        raise InvalidRequestError(f"a vector has no words: mode {mode} needs a text", hint="Use mode semantic.")
    return ""


async def _candidates(
    index: SearchIndex, text: str | None, vector: Any, wanted: int, chosen: IndexFilter
) -> fusion.Found:
    """Ask both sides of the index at once."""

    async def words(column: str) -> Mapping[int, float]:
        return NO_SCORES if text is None else dict(await index.matching(text, column, wanted, chosen))

    async def nearest() -> Mapping[int, float]:
        return NO_SCORES if vector is None else dict(await index.nearest(vector, wanted, chosen))

    similarity, content, response = await asyncio.gather(nearest(), words("content"), words("response"))
    return fusion.Found(similarity, content, response)


def _hit(example: Example, score: float) -> Hit:
    fields = {name: getattr(example, name) for name in Example.__struct_fields__}
    return Hit(**fields, score=score)
