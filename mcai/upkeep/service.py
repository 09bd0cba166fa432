"""The daemon's upkeep: backups and health on request, base copies and tidying by the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import structlog

from mcai.errors import FatalStoreError, McaiError
from mcai.paths import Home
from mcai.records import BackupResult, Backups, DoctorReport
from mcai.settings import Settings
from mcai.store.duck.catalog import DuckCatalog
from mcai.upkeep import backup, bases, doctor

log = structlog.get_logger("upkeep")

T = TypeVar("T")

FIRST_AFTER_S = 10.0
"""The start itself comes first."""
LOOK_EVERY_S = 60.0
TIDY_EVERY_S = 86_400.0
RETRY_AFTER_S = 900.0
"""A base copy that failed is tried again then: a full disk takes a person."""


class Upkeep:
    """What keeps one home well while its daemon serves it."""

    def __init__(
        self,
        home: Home,
        catalog: DuckCatalog,
        settings: Settings,
    ) -> None:
        """Make it; `run` does what is done by the clock.

        Args:
            home: owned by this process.
            catalog: of the home.
            settings: ``backup.every_h``.
        """
        self.alone = asyncio.Lock()
        """Held by whatever reads or rewrites the files of the home as a whole: one at a time."""
        self._home = home
        self._catalog = catalog
        self._settings = settings
        self._tidied_s = time.monotonic()
        """When the catalog last dropped old keys: it does so when it is opened."""

    async def backup(self, dest: Path, everything: bool) -> BackupResult:
        """Write a backup; see `backup.write`."""
        return await self._alone(lambda: backup.write(self._home, self._catalog, dest, everything=everything))

    async def backups(self) -> Backups:
        """Return the backups that lie in the home, newest first."""
        return await asyncio.to_thread(backup.found, self._home)

    async def doctor(self) -> DoctorReport:
        """Examine the home while it is served; nothing is changed."""
        return await self._alone(lambda: doctor.examine_live(self._home, self._catalog, self._settings))

    async def base_copy(self) -> Path:
        """Make a base copy now; see `bases.make`."""
        made = await self._alone(lambda: bases.make(self._home, self._catalog))
        return made

    async def run(self) -> None:
        """Make a base copy whenever one is due, and keep the home tidy, until cancelled.

        Raises:
            FatalStoreError: the engine has given up.
        """
        await self._alone(lambda: bases.remove_unfinished(self._home))
        wait_s = FIRST_AFTER_S
        while True:
            await asyncio.sleep(wait_s)
            wait_s = LOOK_EVERY_S
            try:
                await self._do_what_is_due()
            except FatalStoreError:
                raise
            except McaiError as error:
                log.error("no base copy could be made", reason=error.message, cause=repr(error.__cause__))
                wait_s = RETRY_AFTER_S

    async def _do_what_is_due(self) -> None:
        if time.monotonic() - self._tidied_s >= TIDY_EVERY_S:
            await asyncio.to_thread(self._catalog.forget_keys)
            self._tidied_s = time.monotonic()
        every = timedelta(hours=self._settings.number("backup.every_h"))
        if every > timedelta() and await asyncio.to_thread(bases.is_due, self._home, self._catalog, every):
            await self.base_copy()

    async def _alone(self, work: Callable[[], T]) -> T:
        async with self.alone:
            return await asyncio.to_thread(work)
