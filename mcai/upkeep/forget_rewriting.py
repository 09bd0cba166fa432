"""Writes a copy of the catalog anew, without some examples, in a place of its own; then the two change places.

A crash at any moment leaves one of the two, whole: the old one lies in its own place, or else the new one is whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from mcai.files import files_below, sync_folder
from mcai.paths import Home
from mcai.store import backup, journal
from mcai.store.duck import scrub
from mcai.store.duck.redaction import Redactor
from mcai.upkeep import archive_files, forget_quarantine
from mcai.upkeep.forget_quarantine import Wanted

log = structlog.get_logger("forget")


@dataclass(frozen=True)
class Theirs:
    """What goes from one copy."""

    ids: Sequence[int]
    """The numbers that the examples have there."""
    journal: Redactor
    lines: Wanted


class Rewriting:
    """Writes the copies of one home anew. Nobody else makes, moves or removes any meanwhile."""

    def __init__(self, home: Home) -> None:
        self._home = home
        # On the file system of the backups: a name is moved there, never a content. Names stay as long as they are.
        self._fresh_dir = home.backups_dir / backup.REWRITING / "fresh"
        self._old_dir = home.backups_dir / backup.REWRITING / "old"

    def settle(self) -> None:
        """Finish what a crash cut off.

        Raises:
            OSError: the folder of backups cannot be written.
        """
        for old in sorted(self._old_dir.iterdir()) if self._old_dir.is_dir() else []:
            folder, fresh = self._home.backups_dir / old.name, self._fresh_dir / old.name
            if not os.path.lexists(folder):
                (fresh if fresh.exists() else old).rename(folder)
        self._tidy()

    def rewrite(self, folder: Path, theirs: Theirs) -> None:
        """Write a backup, or what there is of one, anew; with a manifest, if it has one.

        Raises:
            DamagedError, BackupDamagedError, SchemaVersionError: it cannot be read; it is as it was.
            StoreFullError: likewise.
            OSError: likewise.
        """
        fresh, old = self._fresh_dir / folder.name, self._old_dir / folder.name
        manifest = backup.read_manifest(folder) if (folder / backup.MANIFEST).exists() else None
        for parent in (fresh.parent, old.parent):
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.mkdir(mode=0o700)
        try:
            facts = None
            if (folder / backup.CATALOG).exists():
                with scrub.opened(folder / backup.CATALOG, self._home.temp_dir) as copy:
                    if copy.has_examples:
                        facts = copy.write_without(theirs.ids, fresh / backup.CATALOG)
            _link_others(folder, fresh, with_catalog=facts is None)
            if (fresh / backup.JOURNAL).is_dir():
                journal.redact(fresh / backup.JOURNAL, theirs.journal)
            archive_files.drop(fresh / self._home.archive_dir.name, theirs.ids)
            forget_quarantine.drop(fresh / self._home.quarantine_dir.name, theirs.lines)
            if manifest is not None and facts is not None:
                backup.seal(fresh, facts, made_at=manifest.made_at)
            folder.rename(old)
            fresh.rename(folder)
            for changed in (self._home.backups_dir, fresh.parent, old.parent):
                sync_folder(changed)
        finally:
            self.settle()
        log.info("a backup was rewritten", path=str(folder))

    def rewrite_file(self, path: Path, ids: Sequence[int]) -> None:
        """Write a lone copy of the catalog anew.

        Raises:
            DamagedError: it cannot be read; it is as it was.
            StoreFullError: likewise.
            OSError: likewise.
        """
        self._home.temp_dir.mkdir(mode=0o700, exist_ok=True)
        fresh = self._home.temp_dir / path.name
        remove(fresh)
        try:
            with scrub.opened(path, self._home.temp_dir) as copy:
                copy.write_without(ids, fresh)
            fresh.replace(path)
        finally:
            remove(fresh)
        sync_folder(path.parent)

    def _tidy(self) -> None:
        for folder in (self._fresh_dir, self._old_dir):
            remove(folder)
        with contextlib.suppress(OSError):  # somebody else's file is in it
            self._fresh_dir.parent.rmdir()


def orphans(folder: Path) -> int:
    """Return how many files of a catalog there are beside none: nobody can tell what is in them, and they are not
    taken along."""
    return 0 if (folder / backup.CATALOG).exists() else sum(1 for _ in folder.glob(f"{backup.CATALOG}?*"))


def remove(path: Path) -> None:
    """Remove a file, a folder with what is in it, or a link itself; nothing need be there.

    Raises:
        OSError: it cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _link_others(source: Path, target: Path, *, with_catalog: bool) -> None:
    """Give a folder what another has beside its manifest; nobody ever changes these files in place.

    Args:
        source: the one.
        target: the other.
        with_catalog: the file of that name, too: no catalog was made in it, and it has nothing of anybody.
    """
    for path in files_below(source):
        name = path.relative_to(source)
        if name.parts[0] == backup.MANIFEST or (str(name).startswith(backup.CATALOG) and not with_catalog):
            continue
        (target / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.link(path, target / name)
