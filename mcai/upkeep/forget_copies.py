"""Forgetting in copies of the catalog: base copies, backups, what a restore replaced, what was put aside as damaged.

A backup is written anew beside itself, without the rows, and then takes its own place: a crash at any moment leaves one
of the two, whole. A copy that cannot be read cannot be cleaned either: it is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import structlog

from mcai.errors import DamagedError, NotFoundError, SchemaVersionError
from mcai.filters import Filters
from mcai.paths import Home
from mcai.records import Place
from mcai.store import backup, journal
from mcai.store.duck import scrub
from mcai.store.duck.redaction import Redactor
from mcai.store.journal.segments import write_errors
from mcai.upkeep import archive_files

log = structlog.get_logger("forget")

_FRESH = ".rewritten"
_OLD = ".forgotten"


class Copies:
    """The copies that lie in one home. Nobody else makes, moves or removes any meanwhile."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def ids_matching(self, filters: Filters) -> set[int]:
        """Return the examples that match in any copy, as it was then; some are in no other place any more."""
        found: set[int] = set()
        for folder in self._folders():
            with contextlib.suppress(DamagedError), scrub.opened(folder / backup.CATALOG, self._home.temp_dir) as copy:
                found |= set(copy.ids_matching(filters))
        return found

    def count(self, ids: Sequence[int]) -> list[Place]:
        """Look where these examples are, and change nothing."""
        tally = _Tally()
        for folder in self._folders():
            tally.add(_place_of(folder), self._held(folder, ids))
        for path in self._migrated():
            tally.add("base copies", self._rows_in(path, ids))
        for path in self._damaged():
            tally.add("damaged files", int(self._may_hold(path, ids)))
        return tally.places(done=False)

    def forget(self, ids: Sequence[int]) -> list[Place]:
        """Take these examples out of every copy; done again after a crash, it goes on.

        Returns:
            what was found. How much of it is left, only another look can tell.

        Raises:
            StoreFullError: there is no room for a new copy; the old one is as it was.
            StoreError: a folder cannot be written.
        """
        tally = _Tally()
        with write_errors(self._home.backups_dir):
            self._settle()
            for folder in self._folders():
                tally.add(_place_of(folder), held := self._held(folder, ids))
                if held:
                    self._rewrite(folder, ids)
            for path in self._migrated():
                tally.add("base copies", held := self._rows_in(path, ids))
                if held:
                    self._rewrite_file(path, ids)
            for path in self._damaged():
                tally.add("damaged files", held := int(self._may_hold(path, ids)))
                if held:
                    log.warning("a damaged file was removed: it may hold what was forgotten", path=str(path))
                    _remove(path)
        return tally.places(done=True)

    def _folders(self) -> list[Path]:
        return sorted(path.parent for path in self._home.backups_dir.glob(f"*/{backup.CATALOG}"))

    def _migrated(self) -> list[Path]:
        """The copies that upgrades made of the catalog before they changed it."""
        return sorted(self._home.dir.glob(f"{self._home.catalog_path.stem}.before-*.duckdb"))

    def _damaged(self) -> list[Path]:
        return sorted(self._home.damaged_dir.iterdir()) if self._home.damaged_dir.is_dir() else []

    def _settle(self) -> None:
        """Finish what a crash cut off."""
        for old in self._home.backups_dir.glob(f"*{_OLD}"):
            folder = old.with_suffix("")
            if not folder.exists():
                folder.with_name(folder.name + _FRESH).rename(folder)
            shutil.rmtree(old)
        for unfinished in (*self._home.backups_dir.glob(f"*{_FRESH}"), *self._home.dir.glob(f"*{_FRESH}")):
            _remove(unfinished)

    def _held(self, folder: Path, ids: Sequence[int]) -> int:
        """Return how many rows of these examples a backup holds; one, where nobody can tell."""
        rows = self._rows_in(folder / backup.CATALOG, ids) + _rows_in_journal(folder / backup.JOURNAL, ids)
        return rows + archive_files.count(folder / self._home.archive_dir.name, ids)[1]

    def _rows_in(self, path: Path, ids: Sequence[int]) -> int:
        try:
            with scrub.opened(path, self._home.temp_dir) as copy:
                return copy.rows_of(ids)[1]
        except DamagedError:
            return 1

    def _may_hold(self, path: Path, ids: Sequence[int]) -> bool:
        if path.is_dir() and not (path / backup.CATALOG).exists():
            return _rows_in_journal(path, ids) > 0 or not any(path.glob("*.jsonl"))
        if path.is_dir():
            return self._held(path, ids) > 0
        if path.suffix == ".jsonl":
            return _rows_in_journal(path, ids) > 0
        return not path.name.startswith(backup.CATALOG) or self._rows_in(path, ids) > 0

    def _rewrite(self, folder: Path, ids: Sequence[int]) -> None:
        fresh, old = (folder.with_name(folder.name + suffix) for suffix in (_FRESH, _OLD))
        manifest = None
        try:
            if (folder / backup.MANIFEST).exists():
                manifest = backup.check(folder)
            fresh.mkdir(mode=0o700)
            with scrub.opened(folder / backup.CATALOG, self._home.temp_dir) as copy:
                facts = copy.write_without(ids, fresh / backup.CATALOG)
        except (DamagedError, NotFoundError, SchemaVersionError) as error:
            log.error("a backup was removed: it cannot be cleaned", path=str(folder), reason=error.message)
            shutil.rmtree(folder)
            _remove(fresh)
            return
        _link_others(folder, fresh)
        if (fresh / backup.JOURNAL).exists():
            journal.redact(fresh / backup.JOURNAL, Redactor(ids))
        archive_files.drop(fresh / self._home.archive_dir.name, ids)
        if manifest is not None:
            backup.seal(fresh, facts, made_at=manifest.made_at)
        folder.rename(old)
        fresh.rename(folder)
        backup.sync_folder(self._home.backups_dir)
        shutil.rmtree(old)
        log.info("a backup was rewritten", path=str(folder), rows=facts.rows)

    def _rewrite_file(self, path: Path, ids: Sequence[int]) -> None:
        fresh = path.with_name(path.name + _FRESH)
        try:
            with scrub.opened(path, self._home.temp_dir) as copy:
                copy.write_without(ids, fresh)
        except DamagedError as error:
            log.error("a copy was removed: it cannot be cleaned", path=str(path), reason=error.message)
            path.unlink()
            _remove(fresh)
            return
        fresh.replace(path)
        backup.sync_folder(path.parent)


class _Tally:
    """Adds up what was found in the places where copies are."""

    def __init__(self) -> None:
        self._counted = {place: [0, 0] for place in ("base copies", "backups", "damaged files")}

    def add(self, place: str, found: int) -> None:
        self._counted[place][0] += 1
        self._counted[place][1] += found

    def places(self, *, done: bool) -> list[Place]:
        """Return the receipt: scanned are copies, found are rows."""
        return [Place(name, scanned, found, 0 if done else found) for name, (scanned, found) in self._counted.items()]


def _place_of(folder: Path) -> str:
    return "base copies" if folder.name.startswith(backup.BASE_PREFIX) else "backups"


def _rows_in_journal(path: Path, ids: Collection[int]) -> int:
    """Return how many rows of these examples a journal, or one file of one, holds; what cannot be read is one, too."""
    try:
        counted = Redactor(ids).count(path)
    except OSError:
        return 1
    return counted.rows + counted.unreadable


def _link_others(source: Path, target: Path) -> None:
    """Give a folder what another has beside its catalog; nobody ever changes these files in place."""
    for path in _files(source):
        name = path.relative_to(source)
        if name.parts[0] == backup.MANIFEST or str(name).startswith(backup.CATALOG):
            continue
        (target / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.link(path, target / name)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
