"""Searches: candidates from snapshot (vectors) and index (words), the rows themselves from whoever is newest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from mcai.dataset import fusion
from mcai.dataset.indexer import Indexer
from mcai.dataset.publisher import Publisher
from mcai.embed import Embedder
from mcai.errors import EpochNotReachedError, IndexUnavailableError, InvalidRequestError, SnapshotDamagedError
from mcai.filters import Filters, check_limit
from mcai.records import Example, Hit, SearchResult
from mcai.snapshot.view import View
from mcai.store.base import Catalog, IndexFilter, SearchIndex

Mode = Literal["hybrid", "semantic", "keyword"]

LOAD_WAIT_S = 8.0
"""A search waits this long for the snapshot to reach an epoch, for Lance to be loaded, and for Lance to reach it. All
three together stay below a client's own timeout of 30 s, so that it hears the reason."""
SMALL_BACKLOG_ROWS = 2_000
"""So few new rows are taken in within a fraction of a second: a search waits for them rather than miss them."""
CANDIDATES = 200
"""Fused from each side at least, however few hits are asked for: fusion needs both sides of a row, and the best hits
must not depend on how many are asked for."""
WIDEN = 4
SCANNED_HERE_ROWS = 50_000
"""Scanning so few takes less than a millisecond, about as long as handing it to another thread."""
SPARE_ROWS = 4
"""Fetched beyond the limit at once: now and then a row was deleted since the index saw it."""
NO_SCORES: fusion.Scores = {}


@dataclass(frozen=True)
class _Sides:
    """What one search asks."""

    view: View | None
    """For the nearest; None when nobody asks for them, or the snapshot cannot answer."""
    index: SearchIndex | None
    """For words, and for the nearest where there is no view."""
    index_epoch: int
    """What both have taken in."""


class Searcher:
    """Finds examples by meaning, by words, or by both."""

    def __init__(
        self, catalog: Catalog, publisher: Publisher, indexer: Indexer, embedder: Embedder, wait_s: float
    ) -> None:
        """Make it.

        Args:
            catalog: the truth, which has the last word on every hit.
            publisher: holds the vectors, mapped.
            indexer: holds the words.
            embedder: turns the query into a vector.
            wait_s: how long a search waits for rows that were just added.
        """
        self.weights = fusion.Weights()
        self._catalog = catalog
        self._publisher = publisher
        self._indexer = indexer
        self._embedder = embedder
        self._wait_s = wait_s

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
        sides = await self._sides(mode, min_epoch)
        vector = await self._vector(asked) if mode != "keyword" else None
        epoch = self._catalog.epoch
        wanted = limit + SPARE_ROWS if mode == "semantic" else max(CANDIDATES, limit + CANDIDATES // 2)
        while True:
            found = await self._candidates(sides, text if mode != "semantic" else None, vector, wanted, filters)
            ranked = fusion.rank(found, mode, self.weights)
            examples = await self._pick(list(ranked), limit, filters, epoch)
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
        return SearchResult(hits=hits, mode=mode, epoch=epoch, index_epoch=sides.index_epoch, took_ms=took_ms)

    async def _sides(self, mode: Mode, min_epoch: int) -> _Sides:
        """Wait for what the search needs.

        Raises:
            EpochNotReachedError: it does not reach ``min_epoch`` in time.
            IndexUnavailableError: the index is needed and not there.
        """
        view = await self._caught_up_view(min_epoch) if mode != "keyword" else None
        if mode == "semantic" and view is not None:
            return _Sides(view, None, view.epoch)
        index = await self._indexer.opened(LOAD_WAIT_S)
        if min_epoch > self._indexer.applied_epoch:
            await self._indexer.require(min_epoch, LOAD_WAIT_S)
        if await self._backlog_is_small(self._indexer.applied_epoch):
            await self._indexer.reach(self._catalog.epoch, self._wait_s)
        applied = self._indexer.applied_epoch
        return _Sides(view, index, applied if view is None else min(applied, view.epoch))

    async def _caught_up_view(self, min_epoch: int) -> View | None:
        """Return the view, at the newest epoch where that takes no time; None when the snapshot fails."""
        view = self._publisher.view
        if view is not None and view.epoch >= self._catalog.epoch:
            return view
        if view is None or await self._backlog_is_small(view.epoch):
            await self._publisher.reach(self._catalog.epoch, self._wait_s)
        if min_epoch > (self._publisher.view.epoch if self._publisher.view else 0):
            await self._publisher.reach(min_epoch, LOAD_WAIT_S)
        view = self._publisher.view
        if view is not None and view.epoch < min_epoch:
            raise EpochNotReachedError(
                f"the snapshot is at epoch {view.epoch}, {min_epoch} was asked for",
                hint="It is catching up; try again in a moment.",
            )
        return view

    async def _backlog_is_small(self, since: int) -> bool:
        if since >= self._catalog.epoch:
            return False
        return await asyncio.to_thread(self._catalog.pending, since) <= SMALL_BACKLOG_ROWS

    async def _candidates(
        self, sides: _Sides, text: str | None, vector: Any, wanted: int, filters: Filters
    ) -> fusion.Found:
        """Ask all sides at once."""
        dataset_ids = tuple(self._catalog.dataset_ids(filters.domains)) if filters.domains else None
        chosen = IndexFilter(filters, dataset_ids)
        try:
            if text is None or sides.index is None:
                return fusion.Found(await self._nearest(sides, vector, wanted, chosen), NO_SCORES, NO_SCORES)
            similarity, content, response = await asyncio.gather(
                self._nearest(sides, vector, wanted, chosen),
                sides.index.matching(text, "content", wanted, chosen),
                sides.index.matching(text, "response", wanted, chosen),
            )
        except IndexUnavailableError:
            self._indexer.distrust()
            raise
        return fusion.Found(similarity, dict(content), dict(response))

    async def _nearest(self, sides: _Sides, vector: Any, wanted: int, chosen: IndexFilter) -> fusion.Scores:
        if vector is None:
            return NO_SCORES
        if sides.view is not None:
            filters = chosen.filters
            scanned = sides.view.rows if filters else sides.view.scanned_rows
            try:
                if scanned <= SCANNED_HERE_ROWS:
                    return dict(sides.view.nearest(vector, wanted, filters))
                return dict(await asyncio.to_thread(sides.view.nearest, vector, wanted, filters))
            except SnapshotDamagedError:
                self._publisher.fall_back()
        index = sides.index or await self._indexer.opened(LOAD_WAIT_S)
        return dict(await index.nearest(vector, wanted, chosen))

    async def _pick(self, ranked: Sequence[int], limit: int, filters: Filters, epoch: int) -> dict[int, Example]:
        """Fetch rows best first, until there are enough: fetching takes longer than finding."""
        examples: dict[int, Example] = {}
        for begin in range(0, len(ranked), limit + SPARE_ROWS):
            examples |= await self._fetch(ranked[begin : begin + limit + SPARE_ROWS], filters, epoch)
            if len(examples) >= limit:
                break
        return examples

    async def _fetch(self, ids: Sequence[int], filters: Filters, epoch: int) -> dict[int, Example]:
        view = self._publisher.current(epoch)
        if view is not None and view.epoch == epoch:
            try:
                return view.pick(ids, filters)
            except SnapshotDamagedError:
                self._publisher.fall_back()
        return await asyncio.to_thread(lambda: self._catalog.pick(ids, filters, epoch=epoch))

    async def _vector(self, asked: str | Sequence[float]) -> Any:
        """The query's vector, or None when the text means nothing to the model."""
        if not isinstance(asked, str):
            return asked
        if len(asked) <= self._embedder.quick_characters:
            vectors = self._embedder.embed([asked])
        else:
            vectors = await asyncio.to_thread(self._embedder.embed, [asked])
        return vectors[0] if vectors[0].any() else None


def _check_asked(asked: str | Sequence[float], mode: Mode) -> str:
    """Return the words of the query, "" for a vector."""
    if isinstance(asked, str):
        if not asked.strip():
            raise InvalidRequestError("the query is blank", hint="Leave it out to page through examples.")
        return asked
    if mode != "semantic":
        raise InvalidRequestError(f"a vector has no words: mode {mode} needs a text", hint="Use mode semantic.")
    return ""


def _hit(example: Example, score: float) -> Hit:
    fields = {name: getattr(example, name) for name in Example.__struct_fields__}
    return Hit(**fields, score=score)
