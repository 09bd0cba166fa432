"""Files that are there whole or not at all, after a power cut too."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whose name lasts from the moment this returns.

    Args:
        path: the file; what is there is replaced.
        content: all of it.

    Raises:
        OSError: it cannot be written; what was there still is.
    """
    write_parts(path, [content], suffix=".part")
    sync_folder(path.parent)


def write_parts(path: Path, parts: Iterable[bytes | memoryview], *, suffix: str = ".new") -> None:
    """Write one of several files: their names last after one `sync_folder` for all of them.

    Args:
        path: the file; what is there is replaced.
        parts: its content, one after the other.
        suffix: of the unfinished file, by which those who tidy up its folder know it.

    Raises:
        OSError: it cannot be written; what was there still is.
    """
    unfinished = path.with_name(path.name + suffix)
    with unfinished.open("wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last.

    Raises:
        OSError: it cannot be synced.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
