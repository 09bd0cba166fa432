"""Keeps the snapshot in step with the catalog: takes in each change at once, publishes soon after, merges when idle."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import msgspec
import numpy as np
import structlog

from mcai.embed import Embedder
from mcai.errors import FatalStoreError, McaiError, SnapshotDamagedError, SnapshotError, StoreFullError
from mcai.filters import Filters
from mcai.records import GraphInfo, Place, SnapshotInfo
from mcai.snapshot import graph
from mcai.snapshot.store import SnapshotStore
from mcai.snapshot.view import View
from mcai.store.base import Catalog, Change

log = structlog.get_logger("snapshot")

T = TypeVar("T")

CHUNK_ROWS = 8_192
"""Rows embedded and taken in at a time: the memory of one chunk is about 30 MB."""
PUBLISH_ROWS = 4_096
PUBLISH_AFTER_S = 0.5
"""What is taken in is published when it has so many rows, or is so old; other processes see it then."""
MANY_SEGMENTS = 24
"""Merging waits until nothing comes any more, but not with more than so many segments: every read looks at each."""
VECTORS_WAIT_S = 20.0
"""Whoever wants vectors waits so long for this one to make them, before making them anew."""
RETRY_S = 30.0
GRAPH_AFTER_S = 10.0
"""A graph takes a minute a 100,000 rows to build: it is begun when the same segment lacked one for so long."""
GRAPH_RETRY_S = 600.0


class Publisher:
    """The one writer of the snapshot."""

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        open_store: Callable[[], SnapshotStore],
    ) -> None:
        """Make it; `run` does the work.

        Args:
            catalog: what is followed.
            embedder: makes the vectors.
            open_store: opens the snapshot; called again after a failure.
        """
        self.error: str | None = None
        self.fallbacks = 0
        """Reads that the catalog had to answer."""
        self._catalog = catalog
        self._embedder = embedder
        self._open_store = open_store
        self._store: SnapshotStore | None = None
        self._damaged = False
        self._builds_graph = False
        self._thread = ThreadPoolExecutor(1, "snapshot")
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()

    @property
    def view(self) -> View | None:
        """What is taken in; None before the snapshot is open, and while it fails."""
        return self._store.view if self._store is not None and not self._damaged else None

    def current(self, min_epoch: int) -> View | None:
        """Return the view, if it is at this epoch; counts when it is not."""
        view = self.view
        if view is not None and view.epoch >= min_epoch:
            return view
        self.fallbacks += 1
        return None

    def fall_back(self) -> None:
        """Stop serving a snapshot that turned out to be damaged while it was read: the catalog answers instead."""
        self.fallbacks += 1
        self.distrust()

    def distrust(self) -> None:
        """Stop serving a snapshot that turned out to be damaged; it is made anew from the catalog."""
        log.error("the snapshot is damaged: making it anew")
        self._damaged = True
        self.error = "a file of it was damaged"
        self._wake.set()

    def wake(self) -> None:
        """Say that the catalog has a new epoch."""
        self._wake.set()

    async def run(self) -> None:
        """Follow the catalog until cancelled. A failure is kept for `info` and tried again later.

        Raises:
            FatalStoreError: the catalog's engine has given up.
        """
        while True:
            try:
                self._store = store = await self._do(self._open_store)
                self.error = None
                if store.view.epoch == self._catalog.epoch:
                    # An empty home has a snapshot too; one that was restored has not an empty one.
                    await self._do(store.publish)
                await self._do(store.load_graphs)
                await self._follow(store)
            except FatalStoreError:
                raise
            except SnapshotDamagedError as error:  # a merge met it
                log.error("the snapshot is damaged", reason=error.message)
                self.distrust()
                continue
            except McaiError as error:
                await self._fail(error.message, error.__cause__)
            except Exception as error:  # the task's outermost boundary: a dead publisher would go unnoticed
                log.exception("snapshot failed unexpectedly")
                await self._fail(f"unexpected {type(error).__name__}", error)
            await asyncio.sleep(RETRY_S)

    async def _fail(self, reason: str, cause: BaseException | None) -> None:
        log.error("snapshot failed", error=reason, cause=type(cause).__name__)
        self.error, self._store = reason, None
        await self._tell()

    async def _follow(self, store: SnapshotStore) -> None:
        unpublished_s: float | None = None
        while True:
            self._wake.clear()
            if self._damaged:
                await self._do(store.reset)
                self._damaged, self.error = False, None
            behind = self._catalog.epoch > store.view.epoch
            if behind:
                await self._take_in(store)
                unpublished_s = unpublished_s or time.monotonic()
            age_s = 0.0 if unpublished_s is None else time.monotonic() - unpublished_s
            if unpublished_s is not None and (age_s >= PUBLISH_AFTER_S or store.info().tail_rows >= PUBLISH_ROWS):
                await self._do(store.publish)
                unpublished_s = None
            elif unpublished_s is not None and not behind:
                await self._wait(PUBLISH_AFTER_S - age_s)
            elif behind and store.info().segments > MANY_SEGMENTS:
                await self._do(store.merge)
            elif not behind and not await self._do(store.merge):
                await self._wait(None)

    async def keep_graph(self) -> None:
        """Have a graph built over the largest segment whenever it lacks one; runs until cancelled."""
        before: str | None = None
        while True:
            await asyncio.sleep(GRAPH_AFTER_S)
            store = self._store
            due = await self._do(store.graph_due) if store is not None else None
            if store is None or due is None or due.segment_name != before:
                before = due.segment_name if due is not None else None
                continue
            if await self._do(store.gather):
                self._wake.set()  # the merge goes on there
                continue
            self._builds_graph = True
            try:
                facts = await graph.build(due.vectors_path, due.rows, due.dim, due.out_path)
                if store is self._store:
                    await self._do(partial(store.attach_graph, due.segment_name, facts))
                else:  # it was opened anew meanwhile: what the old one shows must not be published again
                    due.out_path.unlink(missing_ok=True)
            except (SnapshotError, StoreFullError) as error:
                log.error("no graph could be built", reason=error.message)
                await asyncio.sleep(GRAPH_RETRY_S)
            finally:
                self._builds_graph = False

    async def _take_in(self, store: SnapshotStore) -> None:
        change = await asyncio.to_thread(self._catalog.changes, store.view.epoch, CHUNK_ROWS)
        texts = change.rows.column("content").to_pylist()
        vectors = await asyncio.to_thread(self._embedder.embed, texts)
        await self._do(lambda: store.apply(change.upto, change.gone, change.rows, vectors, change.domains))
        await self._tell()

    async def _wait(self, timeout_s: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout_s)

    async def _do(self, work: Callable[[], T]) -> T:
        """Run what writes to the snapshot in its one thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def reach(self, epoch: int, timeout_s: float) -> bool:
        """Wait until an epoch is taken in; tell whether it is. Returns at once while the snapshot fails."""

        def holds() -> bool:
            return self.error is not None or (self.view is not None and self.view.epoch >= epoch)

        if not holds():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s), self._moved:
                    await self._moved.wait_for(holds)
        return self.view is not None and self.view.epoch >= epoch

    async def vectors_of(self, change: Change) -> Any:
        """Return the vectors of a change's rows: those that the snapshot has, the others made anew.

        Returns:
            (rows, dim) float32.
        """
        known, vectors = np.zeros(len(change.rows), bool), np.zeros((len(change.rows), self._embedder.dim), np.float32)
        if await self.reach(change.upto, VECTORS_WAIT_S) and self.view is not None:
            try:
                known = await asyncio.to_thread(_fill, vectors, self.view, change)
            except SnapshotDamagedError:
                self.distrust()
        if not known.all():
            texts = change.rows.column("content").filter(~known).to_pylist()
            vectors[~known] = await asyncio.to_thread(self._embedder.embed, texts)
        return vectors

    async def forget(self, ids: Sequence[int]) -> Place:
        """Write anew, without any version of these ids, what holds one.

        Raises:
            SnapshotError: it is not open, or cannot be written: to be done again.
            StoreFullError: the disk is full; likewise.
        """
        store = self._store
        if store is None:
            raise SnapshotError(f"the snapshot is not open: {self.error or 'still loading'}")
        rows = store.view.rows
        try:
            found = await self._do(lambda: store.rewrite_without(ids))
        except SnapshotDamagedError:
            self.distrust()
            raise SnapshotError("the snapshot was damaged: it is being made anew") from None
        left = await self._do(lambda: len(store.view.pick(ids, Filters())))
        return Place("snapshot", rows, found, left)

    async def verify(self) -> None:
        """Check every byte that is published; what is damaged is made anew."""
        store = self._store
        if store is None:
            return
        # Not in the one thread that writes: what comes meanwhile is published.
        if await self._do(store.verify_published) or await asyncio.to_thread(store.verify_mapped):
            self.distrust()

    def info(self) -> SnapshotInfo:
        """Return what there is to know of it."""
        if self._store is None:
            nothing = GraphInfo(state="none")
            return SnapshotInfo(0, 0, 0, 0, 0, 0, self.fallbacks, nothing, self.error or "not open yet")
        told = self._store.info()
        if self._builds_graph:
            told = msgspec.structs.replace(told, graph=GraphInfo(state="building"))
        return msgspec.structs.replace(told, fallbacks=self.fallbacks, error=self.error or told.error)

    def close(self) -> None:
        """Publish what is taken in, and let go of the files."""
        if self._store is not None:
            store = self._store
            with contextlib.suppress(McaiError):  # a full disk: the next start takes it in again
                self._thread.submit(store.publish).result()
            self._thread.submit(store.close).result()
        self._thread.shutdown()


def _fill(vectors: Any, view: View, change: Change) -> Any:
    """Copy the vectors of the very versions that a change speaks of; tell which were there."""
    ids = change.rows.column("id").to_numpy()
    epochs = change.rows.column("c_epoch").to_numpy()
    known = np.zeros(len(ids), bool)
    for layer in view.layers:
        segment = layer.segment
        positions = segment.find(ids)
        rows = ids.searchsorted(segment.ids[positions])
        same = segment.fixed["c_epoch"].take(positions) == epochs[rows]
        vectors[rows[same]] = segment.vectors.take(positions[same])
        known[rows[same]] = True
    return known
