"""Keeps the search index in step with the catalog: one task, which alone writes to the index.

Loading Lance takes seconds, so it happens here, in the background: the daemon answers pages meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import structlog

from mcai import failpoints
from mcai.dataset.publisher import CHUNK_ROWS
from mcai.embed import Embedder
from mcai.errors import EpochNotReachedError, FatalStoreError, IndexUnavailableError, McaiError
from mcai.records import Place
from mcai.store.base import Catalog, Change, SearchIndex

log = structlog.get_logger("indexer")

TIDIED_FIRST_ROWS = 20_000
"""Up to this size new rows are indexed within a fraction of a second, and that is done before they count as taken in:
until then a filtered full-text search ranks them by the word statistics of the filtered rows alone."""
RETRY_S = 30.0
FORGET_WAIT_S = 30.0
WARM_TEXT = "warm up"

VectorsOf = Callable[[Change], Awaitable[Any]]
"""(rows, dim) float32."""
OpenIndex = Callable[[bool], Awaitable[SearchIndex]]
"""Told whether it is suspect: then it is looked at from a child first, and what no look can vouch for is made anew."""
State = Literal["loading", "ready", "catching_up", "failed"]


class Indexer:
    """The one writer of the search index."""

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        vectors_of: VectorsOf,
        open_index: OpenIndex,
    ) -> None:
        """Make it; `run` does the work.

        Args:
            catalog: what is followed.
            embedder: whose vectors the index holds.
            vectors_of: gives those of a change: the snapshot has them already.
            open_index: opens the index; called again after a failure, and told whether the index is suspect of it.
        """
        self.state: State = "loading"
        self.error: str | None = None
        self.applied_epoch = 0
        self.indexed_rows = 0
        self._catalog = catalog
        self._embedder = embedder
        self._vectors_of = vectors_of
        self._open_index = open_index
        self._index: SearchIndex | None = None
        self._suspect = False
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        self._writing = asyncio.Lock()

    def wake(self) -> None:
        """Say that the catalog has a new epoch."""
        self._wake.set()

    def distrust(self) -> None:
        """Say that the index could not answer: it is looked at from a child, and made anew if it is damaged."""
        self._suspect = self._index is not None
        self._wake.set()

    async def run(self) -> None:
        """Follow the catalog until cancelled. A failure is kept for `status` and tried again later.

        Raises:
            FatalStoreError: the catalog's engine has given up.
        """
        is_suspect, looked_at = False, -RETRY_S
        while True:
            try:
                # Opened anew after a failure; until then searches use the old handle.
                looked_at = time.monotonic() if is_suspect else looked_at
                index = await self._open_index(is_suspect)
                self.applied_epoch = await index.applied_epoch()
                self.indexed_rows = await index.rows()
                self._index, self._suspect = index, False
                is_suspect = False
                log.info("index opened", applied_epoch=self.applied_epoch, rows=self.indexed_rows)
                await self._follow(index)
            except FatalStoreError:
                raise
            except IndexUnavailableError as error:
                log.error("index failed", error=error.message, cause=repr(error.__cause__))
                is_suspect = True
                if time.monotonic() - looked_at >= RETRY_S:
                    continue
                await self._move("failed", error.message)
            except McaiError as error:  # the embedding service, say: nothing is wrong with the index
                log.error("what is indexed cannot be had", error=error.message, cause=repr(error.__cause__))
                await self._move("failed", error.message)
            except Exception as error:  # the task's outermost boundary: a dead indexer would go unnoticed
                log.exception("index failed unexpectedly")
                is_suspect = True
                await self._move("failed", f"unexpected {type(error).__name__}")
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), RETRY_S)

    async def _follow(self, index: SearchIndex) -> None:
        await asyncio.to_thread(self._embedder.embed, [WARM_TEXT])
        while True:
            self._wake.clear()
            if self._suspect:
                raise IndexUnavailableError("the search index could not answer", hint="See: mcai daemon logs")
            while self._catalog.epoch > self.applied_epoch:
                await self._move("catching_up")
                await self._apply_next(index)
            await self._tidy(index)
            await self._move("ready")
            await asyncio.to_thread(
                self._catalog.note_indexed, self._embedder.model, self._embedder.dim, self.applied_epoch
            )
            if self._catalog.epoch == self.applied_epoch:
                await self._wake.wait()

    async def _apply_next(self, index: SearchIndex) -> None:
        change = await asyncio.to_thread(self._catalog.changes, self.applied_epoch, CHUNK_ROWS)
        vectors = await self._vectors_of(change)
        failpoints.hit("index.embedded")
        async with self._writing:
            await index.apply(change, vectors)
        failpoints.hit("index.applied")
        self.indexed_rows = await index.rows()
        if change.upto >= self._catalog.epoch and self.indexed_rows <= TIDIED_FIRST_ROWS:
            await self._tidy(index)
        self.applied_epoch = change.upto
        await self._move("catching_up")
        log.info("indexed", applied_epoch=change.upto, rows=len(change.rows), gone=len(change.gone))

    async def _tidy(self, index: SearchIndex) -> None:
        try:
            async with self._writing:
                await index.maintain()
            failpoints.hit("index.tidied")
        except IndexUnavailableError as error:
            # Upkeep can wait: searches see what is not indexed all the same.
            log.warning("upkeep failed", error=error.message, cause=repr(error.__cause__))

    async def _move(self, state: State, error: str | None = None) -> None:
        async with self._moved:
            self.state, self.error = state, error
            self._moved.notify_all()

    async def opened(self, timeout_s: float) -> SearchIndex:
        """Return the index, waiting for it to be loaded.

        Raises:
            IndexUnavailableError: it failed, or it is not there in time.
        """
        await self._until(lambda: self._index is not None or self.state == "failed", timeout_s)
        if self._index is None:
            raise IndexUnavailableError(
                self.error or "the search index is still loading", hint="Try again in a moment."
            )
        return self._index

    async def forget(self, ids: Sequence[int]) -> Place:
        """Drop examples from the index so that nothing of them stays in its files; see `SearchIndex.forget`.

        Raises:
            IndexUnavailableError: the index is not there, or failed: to be done again.
        """
        index = await self.opened(FORGET_WAIT_S)
        async with self._writing:
            return await index.forget(ids)

    async def upkeep_facts(self) -> dict[str, int]:
        """Return what the index says of its upkeep; nothing before it is open, or while it fails."""
        try:
            return await self._index.upkeep_facts() if self._index is not None else {}
        except IndexUnavailableError:
            return {}

    async def reach(self, epoch: int, timeout_s: float) -> bool:
        """Wait until the index has taken in an epoch; tell whether it has."""
        await self._until(lambda: self.applied_epoch >= epoch or self.state == "failed", timeout_s)
        return self.applied_epoch >= epoch

    async def require(self, epoch: int, timeout_s: float) -> None:
        """Wait until the index has taken in an epoch.

        Raises:
            EpochNotReachedError: it does not in time.
        """
        if not await self.reach(epoch, timeout_s):
            raise EpochNotReachedError(
                f"the search index is at epoch {self.applied_epoch}, {epoch} was asked for",
                hint=self.error or "It is catching up; try again in a moment.",
            )

    async def _until(self, holds: Callable[[], Any], timeout_s: float) -> None:
        if holds():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(holds)
