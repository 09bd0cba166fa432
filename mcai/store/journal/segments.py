"""The files of a journal: their names, which of a folder's files are some, and opening them without being fooled."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mcai.errors import DamagedError
from mcai.files import open_regular, read_errors, sync_folder

SEGMENT_BYTES = 64 << 20
"""A segment that has reached this size is followed by a new one."""

FILE_MODE = 0o600
_SUFFIX = ".jsonl"
_TEMPORARY = ".tmp"
_NAME = re.compile(rf"\d{{16}}{re.escape(_SUFFIX)}")


@dataclass(frozen=True, slots=True)
class Damage:
    """Something in the folder that is not as it was written."""

    path: Path
    offset_bytes: int
    reason: str
    torn: bool = False
    """It is only the unfinished end of the newest segment, as a crash leaves it."""
    foreign: bool = False
    """It is no part of the journal at all."""


def segment_path(folder: Path, first_epoch: int) -> Path:
    return folder / f"{first_epoch:016}{_SUFFIX}"


def first_epoch_of(segment: Path) -> int:
    return int(segment.name.removesuffix(_SUFFIX))


def begins_at(folder: Path, *, default: int) -> int:
    """Return the epoch that a journal begins with, without reading it."""
    segments, _ = find_segments(folder)
    return first_epoch_of(segments[0]) if segments else default


def temporary_path(segment: Path) -> Path:
    """Return where a segment is written anew before it takes the old one's place."""
    return segment.with_name(segment.name + _TEMPORARY)


def find_segments(folder: Path) -> tuple[list[Path], list[Damage]]:
    """Return a journal's segments, oldest first, and what else lies in its folder; a missing folder is an empty one.

    Raises:
        StoreUnavailableError: nobody can look into it now.
    """
    segments: list[Path] = []
    foreign: list[Damage] = []
    try:
        with read_errors(folder), os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except DamagedError as error:
        return [], [Damage(folder, 0, error.message)] if os.path.lexists(folder) else []
    for entry in entries:
        path = folder / entry.name
        if not _NAME.fullmatch(entry.name.removesuffix(_TEMPORARY)):
            foreign.append(Damage(path, 0, "no part of the journal", foreign=True))
        elif not entry.is_file(follow_symlinks=False):
            foreign.append(Damage(path, 0, "no regular file"))
        elif not entry.name.endswith(_TEMPORARY):
            segments.append(path)
    return segments, foreign


def drop_temporary(folder: Path) -> None:
    """Remove what a crash left half rewritten."""
    for path in folder.glob(f"*{_SUFFIX}{_TEMPORARY}"):
        if _NAME.fullmatch(path.name.removesuffix(_TEMPORARY)) and not path.is_dir():
            path.unlink(missing_ok=True)


@contextmanager
def opened(segment: Path) -> Iterator[BinaryIO]:
    """Open a segment for reading; a link, a pipe or a device in its place is refused, not followed or waited for.

    Raises:
        OSError: it cannot be read.
    """
    with open_regular(segment, follow=False) as file:
        yield file


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Write a file that takes the target's place, whole and on the disk, or not at all."""
    temporary = temporary_path(target)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        temporary.replace(target)
        sync_folder(target.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
