"""Base copies: what a damaged catalog is repaired from, together with the journal that goes on from there.

The journal reaches back to the oldest base copy that is kept; what is older is removed from it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from mcai import times
from mcai.files import sync_folder, write_errors
from mcai.paths import Home
from mcai.store import backup, journal
from mcai.store.backup import Manifest
from mcai.store.base import CopyFacts
from mcai.store.copies import copy_file
from mcai.store.duck import verify
from mcai.store.duck.catalog import DuckCatalog
from mcai.upkeep.backup import catalog_bytes, check_room

log = structlog.get_logger("bases")

KEPT = 2
"""Good ones: should the newest turn out to be damaged, there is one more."""


@dataclass(frozen=True)
class Bases:
    """The base copies of one history."""

    newest_first: list[tuple[Path, Manifest]]
    journal_from: int
    """The first epoch of the journal; the one after the newest while it is empty."""

    @property
    def repairable(self) -> bool:
        """Whether the journal goes on from one of them, or begins with the first epoch."""
        return self.journal_from <= max((each.epoch for _, each in self.newest_first), default=0) + 1


def look(home: Home, timeline: str, head: int) -> Bases:
    """Return what a history could be repaired from.

    Args:
        home: where the copies and the journal lie.
        timeline: of the history; copies of another one are passed over.
        head: its newest epoch.
    """
    found = backup.found_in(home.backups_dir, backup.BASE_PREFIX)
    mine = [(path, manifest) for path, manifest in found if manifest.timeline == timeline]
    return Bases(mine, journal.begins_at(home.journal_dir, default=head + 1))


def is_due(home: Home, catalog: DuckCatalog, every: timedelta) -> bool:
    """Tell whether a base copy is wanted now."""
    head = catalog.epoch
    if not head:
        return False
    bases = look(home, catalog.engine.timeline, head)
    if not bases.repairable:
        return True
    if not bases.newest_first:
        first = catalog.committed_at(bases.journal_from)
        return first is None or times.age(first) >= every
    newest = bases.newest_first[0][1]
    made_at = times.parse(newest.made_at)
    return newest.epoch != head and (made_at is None or times.age(made_at) >= every)


def make(home: Home, catalog: DuckCatalog) -> Path:
    """Make a base copy, read all of it, and remove what it makes superfluous.

    Raises:
        StoreFullError: the disk is full; nothing of it stays.
        DamagedError: the copy cannot be read back; it is removed.
    """
    with catalog.engine.exclusive():
        # The journal ends a segment here, so that whole segments lie behind the copy. Between a write to the journal
        # and its commit there is no place for that.
        if catalog.engine.journal is not None:
            catalog.engine.journal.roll()
    check_room(home.backups_dir, catalog_bytes(home))
    with _unfinished(home) as unfinished:
        manifest = backup.fill(catalog, unfinished)
        verify.check_copy(unfinished / backup.CATALOG, backup.facts_of(manifest))
        target = _put_in_place(home, unfinished, manifest)
    _prune(home, manifest)
    return target


def make_closed(home: Home, facts: CopyFacts) -> Path:
    """Make a base copy of a catalog that nobody has open and that was just verified.

    Args:
        home: owned by this process.
        facts: what its catalog holds.

    Raises:
        StoreFullError: the disk is full; nothing of it stays.
        DamagedError: the copy does not hold that; it is removed.
    """
    with _unfinished(home) as unfinished:
        copy_file(home.catalog_path, unfinished / backup.CATALOG)
        verify.check_facts(unfinished / backup.CATALOG, facts)
        return _put_in_place(home, unfinished, backup.seal(unfinished, facts))


def remove_unfinished(home: Home) -> None:
    """Remove what a crash has left of copies and of backups in the home; nobody may be making one."""
    for left_over in home.backups_dir.glob(f"{backup.MAKING_PREFIX}*"):
        log.info("an unfinished backup was removed", path=str(left_over))
        shutil.rmtree(left_over, ignore_errors=True)


@contextmanager
def _unfinished(home: Home) -> Iterator[Path]:
    """Make the folder in which a copy is made; removed when that fails."""
    remove_unfinished(home)
    folder = home.backups_dir / f"{backup.MAKING_PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%S}"
    with write_errors(home.backups_dir):
        folder.mkdir(mode=0o700, parents=True)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _put_in_place(home: Home, unfinished: Path, manifest: Manifest) -> Path:
    # The timeline is in the name: after a restore the same epoch comes again.
    target = home.backups_dir / f"{backup.BASE_PREFIX}{manifest.epoch:016d}-{manifest.timeline[:8]}"
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
    sync_folder(home.backups_dir)
    log.info("base copy made", path=str(target), epoch=manifest.epoch, rows=manifest.rows)
    return target


def _prune(home: Home, newest: Manifest) -> None:
    """Keep the newest good copies, and of the journal what goes on from them."""
    good: list[Manifest] = []
    for path, manifest in backup.found_in(home.backups_dir, backup.BASE_PREFIX):
        is_mine = manifest.timeline == newest.timeline
        if is_mine and len(good) < KEPT and (manifest == newest or backup.is_sound(path)):
            good.append(manifest)
        elif is_mine or len(good) >= KEPT:
            # Those of another history stay until this one has enough of its own.
            shutil.rmtree(path)
    if len(good) >= KEPT:
        removed = journal.prune(home.journal_dir, min(each.epoch for each in good))
        log.info("journal pruned", segments=removed)
