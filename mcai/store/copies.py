"""Copies of files that others may be writing, on the disk when they count as made."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from mcai import stopping
from mcai.errors import StoreError
from mcai.files import open_regular, sync_folder

_CHUNK_BYTES = 1 << 20
_SYNC_BYTES = 4 << 20
"""Written between two waits for the disk: while it takes one big wait, no commit of the catalog gets through."""
_SQLITE = ".db"


def copy_tree(source: Path, target: Path) -> None:
    """Copy a file, or a folder with what is in it; only regular files: a FIFO in the home must not hang a backup.

    Raises:
        OSError: a file cannot be read or written.
    """
    if source.is_symlink():
        return
    if source.is_dir():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in sorted(source.iterdir()):
            copy_tree(each, target / each.name)
    elif source.suffix == _SQLITE and source.is_file():
        _copy_sqlite(source, target)
    elif source.is_file():
        with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
            copy_file(source, target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file that may be growing; the copy is on the disk when this returns."""
    with open_regular(source) as original, target.open("wb") as copy:
        unsynced_bytes = 0
        while chunk := original.read(_CHUNK_BYTES):
            stopping.check()
            copy.write(chunk)
            unsynced_bytes += len(chunk)
            if unsynced_bytes >= _SYNC_BYTES:
                copy.flush()
                os.fdatasync(copy.fileno())
                unsynced_bytes = 0
        copy.flush()
        os.fsync(copy.fileno())


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database that others write to: SQLite alone knows which of its bytes belong together."""
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as original,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
    except sqlite3.Error as error:
        raise StoreError(f"{source} cannot be copied: {error}") from error


def put_copy(source: Path, target: Path) -> None:
    """Copy a file so that the target is there whole or not at all."""
    unfinished = target.with_name(target.name + ".part")
    copy_file(source, unfinished)
    unfinished.replace(target)
    sync_folder(target.parent)
