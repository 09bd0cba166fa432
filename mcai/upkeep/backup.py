"""Backups that a person asks for: where one may go, and what is in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mcai.errors import InvalidRequestError, StoreError, StoreFullError
from mcai.paths import Home
from mcai.records import Backup, BackupResult, Backups
from mcai.store import backup
from mcai.store.backup import Manifest
from mcai.store.base import Catalog
from mcai.upkeep.swap import REPLACED_PREFIX

OTHERS = ("archive", "quarantine", "artifacts", "jobs.db", "config.toml")
"""What belongs to a home beside the catalog and its journal: in a backup of everything."""
RESERVED = (backup.BASE_PREFIX, backup.MAKING_PREFIX, REPLACED_PREFIX, backup.REWRITING)
"""How the names begin of what mcai itself puts into the folder of backups."""
SPARE_BYTES = 64 << 20
"""So much stays free on a disk: a full one stops more than a backup."""


def write(home: Home, catalog: Catalog, dest: Path, *, everything: bool) -> BackupResult:
    """Write a backup while the catalog serves.

    Args:
        home: what is backed up.
        catalog: of that home.
        dest: absolute; the folder to make.
        everything: what the home holds beside catalog and journal too.

    Raises:
        InvalidRequestError: the destination lies where the home keeps its own files.
        ConflictError: there is something at the destination already.
        StoreFullError: its disk has no room; nothing stays there.
        StoreError: it cannot be written.
    """
    check_dest(home, dest)
    others = [home.journal_dir, *([home.dir / name for name in OTHERS] if everything else [])]
    there = [path for path in others if path.exists()]
    check_room(dest, catalog_bytes(home) + sum(size_of(path) for path in there))
    manifest = backup.make(catalog, dest, there)
    return BackupResult(str(dest), manifest.epoch, manifest.rows, len(manifest.files), _bytes(manifest))


def found(home: Home) -> Backups:
    """Return the backups that lie in the home, newest first."""
    listed = backup.found_in(home.backups_dir, readable_only=True)
    return Backups([Backup(str(path), m.epoch, m.rows, m.made_at, _bytes(m)) for path, m in listed])


def check_dest(home: Home, dest: Path) -> None:
    """Refuse a destination among the home's own files; right below its folder of backups is a good place.

    Raises:
        InvalidRequestError: saying where it may go.
        StoreError: it cannot be written.
    """
    try:
        real = dest.resolve()
        is_there = real.is_dir()
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else "its links lead in a circle"
        raise StoreError(f"{str(dest)[:200]} cannot be used: {why}", hint="Name another folder.") from error
    inside = real.is_relative_to(home.dir) or home.dir.is_relative_to(real)
    if inside and (real.parent != home.backups_dir or real.name.startswith(RESERVED)):
        raise InvalidRequestError(
            f"{dest} lies where mcai keeps its own files",
            hint=f"Name a folder outside {home.dir}, best on another disk, or {home.backups_dir}/NAME.",
        )
    if is_there and not os.access(real, os.W_OK | os.X_OK):
        raise StoreError(f"{dest} cannot be written", hint="Name a folder of your own.")


def check_room(target: Path, wanted_bytes: int) -> None:
    """Refuse to begin what would fill a disk.

    Args:
        target: on that disk; it need not exist.
        wanted_bytes: how much is about to be written.

    Raises:
        StoreFullError: saying how much is there and how much is wanted.
    """
    folder = next(path for path in (target, *target.parents) if path.is_dir())
    usage = shutil.disk_usage(folder)
    if not usage.total:
        raise StoreError(f"{target} cannot be written: {folder} is no disk", hint="Name a folder of your own.")
    if usage.free < wanted_bytes + SPARE_BYTES:
        wanted_mb, free_mb = (wanted_bytes + SPARE_BYTES) >> 20, usage.free >> 20
        raise StoreFullError(
            f"{target} needs {wanted_mb:,} MiB, {free_mb:,} MiB are free", hint="Free some space; nothing was changed."
        )


def catalog_bytes(home: Home) -> int:
    """Return what a copy of the catalog takes while it is made, at most: the file and its write-ahead log."""
    return 2 * sum(size_of(path) for path in home.dir.glob(home.catalog_path.name + "*"))


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder. Looks, never opens."""
    try:
        if path.is_dir() and not path.is_symlink():
            return sum(size_of(each) for each in path.iterdir())
        return path.lstat().st_size
    except FileNotFoundError:
        return 0  # deleted meanwhile


def _bytes(manifest: Manifest) -> int:
    return sum(each.bytes for each in manifest.files)
