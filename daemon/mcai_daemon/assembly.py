"""Puts a daemon together: every part once, in the order in which they need each other."""

from __future__ import annotations

import asyncio
import importlib
import shutil
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog

from mcai.dataset.indexer import Indexer
from mcai.dataset.knowledge import Knowledge
from mcai.dataset.publisher import Publisher
from mcai.embed import Embedder
from mcai.errors import FatalStoreError, SnapshotError
from mcai.paths import Home
from mcai.records import Place
from mcai.settings import Settings
from mcai.snapshot.store import SnapshotStore
from mcai.store import probe
from mcai.store.base import SearchIndex
from mcai.store.duck import verify
from mcai.store.duck.recovery import Opened
from mcai.store.sandbox.copy import write_copy
from mcai.store.sandbox.host import Sandbox
from mcai.upkeep.archive_files import ArchiveFiles
from mcai.upkeep.forget import Forgetting
from mcai.upkeep.rotation import Rotation
from mcai.upkeep.service import Upkeep
from mcai_daemon.services import EngineFailure, Services

log = structlog.get_logger("server")

AGAIN_AFTER_S = 60.0
VERIFY_AFTER_S = 30.0
"""The whole catalog is read once after each start: a damaged block is found before somebody asks for it."""
DERIVED_WAIT_S = 600.0
"""So long forgetting waits for what is derived to follow the catalog; it is tried again after that."""


class Parts:
    """What serves a home, and what runs beside the requests."""

    def __init__(self, home: Home, settings: Settings, opened: Opened, embedder: Embedder, *, unclean: bool) -> None:
        """Make all parts; none of them does anything yet.

        Args:
            home: owned by this process.
            settings: in force until the daemon ends.
            opened: the catalog.
            embedder: of the settings' model.
            unclean: the last daemon did not end in order: derived files are looked at before they are trusted.
        """
        self.catalog = opened.catalog
        self._home = home
        self._embedder = embedder
        self._unclean = unclean
        _empty(home.temp_dir)
        failure = EngineFailure()
        self.publisher = Publisher(self.catalog, embedder, self._open_snapshot)
        self._indexer = Indexer(self.catalog, embedder, self.publisher.vectors_of, self._open_index)
        wait_s = settings.number("search.wait_s")
        knowledge = Knowledge(self.catalog, self.publisher, self._indexer, embedder, wait_s)
        self._rotation = Rotation(self.catalog, settings, knowledge.write)
        self._upkeep = Upkeep(home, self.catalog, settings)
        self._archive = ArchiveFiles(self.catalog, home.archive_dir)
        self._forgetting = Forgetting(
            home, self.catalog, knowledge.write, self._forget_derived, self._archive, self._upkeep.alone
        )
        sandbox = Sandbox(home.temp_dir, self._copy_for_queries, lambda: self.catalog.epoch)
        self.services = Services(
            home,
            settings,
            knowledge,
            self._rotation,
            self._forgetting,
            self._upkeep,
            sandbox,
            failure,
            opened.recovery,
        )

    def background(self) -> list[Coroutine[Any, Any, None]]:
        """Return what runs beside the requests until it is cancelled."""
        following = [self.publisher.run, self.publisher.keep_graph, self._indexer.run]
        by_the_clock = [self._rotation.run, self._upkeep.run, self._archive.run, self._forgetting.run]
        return [self._watched(each) for each in (*following, *by_the_clock, self._verify)]

    async def _watched(self, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run one of them, again after a surprise: nobody else would notice that it is gone.

        An engine that gives up ends the process, wherever that is noticed.
        """
        while True:
            try:
                return await task()
            except FatalStoreError as error:
                return self.services.failure.report(error)
            except Exception:  # the outermost boundary of everything that no request waits for
                log.exception("failed in the background; begun again soon", task=task.__qualname__)
                await asyncio.sleep(AGAIN_AFTER_S)

    def close(self) -> None:
        """Let go of everything but the catalog."""
        self.services.sandbox.close()
        self.publisher.close()

    def _copy_for_queries(self, path: Path) -> int:
        with self.catalog.engine.reading() as cursor:
            return write_copy(cursor, path)

    def _open_snapshot(self) -> SnapshotStore:
        engine, embedder = self.catalog.engine, self._embedder
        store = SnapshotStore.open(
            self._home.snapshot_dir, model=embedder.model, dim=embedder.dim, timeline=engine.timeline
        )
        if store.published_epoch > engine.epoch:
            log.warning("the snapshot is ahead of the catalog: making it anew", epoch=store.published_epoch)
            store.reset(withdraw=True)
        return store

    async def _open_index(self, failed: bool) -> SearchIndex:
        # Importing Lance takes seconds: in a thread, so that pages are served meanwhile.
        importing = asyncio.to_thread(importlib.import_module, "mcai.store.lance")
        if self._unclean or failed:
            # A damaged file of Lance can end the whole process: a child looks first.
            looking = asyncio.to_thread(probe.look, self._home.vectors_dir, self._embedder.model)
            lance, _ = await asyncio.gather(importing, looking)
            self._unclean = False
        else:
            lance = await importing
        index: SearchIndex = await lance.LanceIndex.open(
            self._home.vectors_dir,
            self._embedder.model,
            self._embedder.dim,
            self.catalog.committed_at,
            texts_anew=failed,
        )
        return index

    async def _forget_derived(self, ids: Sequence[int]) -> list[Place]:
        """Take examples, which the catalog has forgotten, out of everything that is made from it."""
        await asyncio.to_thread(self.services.sandbox.discard)
        # A change that was read before they were forgotten may still be on its way.
        if not await self.publisher.reach(self.catalog.epoch, DERIVED_WAIT_S):
            raise SnapshotError("the snapshot has not taken in yet what was forgotten")
        await self._indexer.require(self.catalog.epoch, DERIVED_WAIT_S)
        return [await self.publisher.forget(ids), await self._indexer.forget(ids)]

    async def _verify(self) -> None:
        await asyncio.sleep(VERIFY_AFTER_S)
        async with self._upkeep.alone:
            await asyncio.to_thread(verify.read_everything, self.catalog)
            await self.publisher.verify()


def _empty(folder: Path) -> None:
    """Remove what an earlier daemon left in its folder for temporary files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)
