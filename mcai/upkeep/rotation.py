"""Rotation: the policy that the settings describe, and the daemon's own schedule for it.

Which examples a policy takes is the catalog's business. Rotations are writes like any other: two at once, from cron and
from a person, come one after the other, and the second finds nothing left to do.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog

from mcai import times
from mcai.errors import FatalStoreError, McaiError
from mcai.records import RotateResult
from mcai.settings import Settings
from mcai.store.base import Catalog, RotationPolicy
from mcai.upkeep.hooks import Write

log = structlog.get_logger("rotation")

_HOUR_S = 3_600
FIRST_AFTER_S = 10.0
"""The start itself comes first."""


def policy_of(settings: Settings, max_rows: int | None) -> RotationPolicy:
    """Return what is to be rotated.

    Args:
        settings: their policy takes nothing until it is switched on.
        max_rows: so many examples of each domain stay, whatever the settings say; None: what they say.
    """
    if max_rows is not None:
        return RotationPolicy(max_rows)
    if not settings.is_on("rotation.enabled"):
        return RotationPolicy()
    return RotationPolicy(
        max_rows=int(settings.number("rotation.max_rows")) or None,
        max_age_days=settings.number("rotation.max_age_days"),
        dislikes=int(settings.number("rotation.dislikes")),
    )


def first_wait_s(last: datetime | None, every_s: float) -> float:
    """Return how long the first rotation after a start waits.

    Args:
        last: when there was one; UTC.
        every_s: so much lies between two.
    """
    age_s = times.age(last).total_seconds() if last is not None else every_s
    return min(every_s, max(FIRST_AFTER_S, every_s - age_s))


class Rotation:
    """Moves old examples to the archive, when asked to and on a schedule."""

    def __init__(self, catalog: Catalog, settings: Settings, write: Write) -> None:
        self._catalog = catalog
        self._settings = settings
        self._write = write

    async def rotate(self, max_rows: int | None, *, dry_run: bool) -> RotateResult:
        """Rotate once.

        Args:
            max_rows: so many examples of each domain stay; None: as the settings say.
            dry_run: say what would go, move nothing.

        Raises:
            StoreFullError: the disk is full; nothing was moved.
        """
        policy = policy_of(self._settings, max_rows)
        return await self._write(lambda: self._catalog.rotate(policy, dry_run=dry_run))

    async def run(self) -> None:
        """Rotate every ``rotation.every_h`` hours until cancelled; with 0 there is nothing to wait for.

        The hours count from the last rotation, whoever asked for it: a daemon that starts often rotates too.

        Raises:
            FatalStoreError: the engine has given up.
        """
        every_s = self._settings.number("rotation.every_h") * _HOUR_S
        wait_s = first_wait_s(await asyncio.to_thread(self._catalog.last_committed, "rotate"), every_s)
        while every_s:
            await asyncio.sleep(wait_s)
            wait_s = every_s
            try:
                done = await self.rotate(None, dry_run=False)
            except FatalStoreError:
                raise
            except McaiError as error:
                log.error("rotation failed", reason=error.message)
                continue
            if done.moved:
                log.info("rotated", moved=done.moved, domains=len(done.domains), epoch=done.epoch)
