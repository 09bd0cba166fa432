"""Files of a home: whole or not at all after a power cut, and never opened before it is clear what they are.

Whoever can write into a home, or mistakes a command, can put anything in the place of a file: a FIFO makes who opens it
wait for ever, and /dev/zero never ends. So what is read is opened here.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from mcai.errors import DamagedError, StoreError, StoreFullError, StoreUnavailableError

SMALL_BYTES = 16 << 20
"""No file that is read in one piece is as big as this by far."""
NOTE_BYTES = 1_000
_NO_WAITING = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_DAMAGE = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EINVAL,
    errno.EFBIG,
    errno.ELOOP,
    errno.ENXIO,
    errno.ENAMETOOLONG,
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_KINDS = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a link"),
)


def kind_of(mode: int) -> str:
    """Say what a mode (of ``stat``) is the mode of."""
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")


def not_a_file(path: Path) -> str | None:
    """Say why a path is no regular file; None when it is one, or when there is nothing. Looks, never opens."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a link that leads nowhere" if path.is_symlink() else None
    except OSError as error:
        return f"unusable ({error.strerror})"
    return None if stat.S_ISREG(mode) else kind_of(mode)


def tells_damage(error: OSError) -> bool:
    """Tell whether an error says that a file is not there or not what it must be. Any other, too many open files or a
    missing permission, says nothing about it."""
    return error.errno in _DAMAGE


@contextmanager
def read_errors(path: Path, damaged: type[DamagedError] = DamagedError) -> Iterator[None]:
    """Turn the system's errors about reading into mcai's.

    Args:
        path: what is read, for errors that do not name a file.
        damaged: raised for what is damaged.

    Raises:
        DamagedError: it is not there, or not what it must be.
        StoreUnavailableError: nobody can read it now; that says nothing of what is in it.
    """
    try:
        yield
    except OSError as error:
        told = f"{error.filename or path} cannot be read: {error.strerror or error}"
        raise (damaged if tells_damage(error) else StoreUnavailableError)(told) from error


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about writing into mcai's.

    Raises:
        StoreFullError: the disk, the quota or the allowed file size is used up.
        StoreError: anything else.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFullError() from error
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error


def files_below(folder: Path) -> list[Path]:
    """Return the regular files in a folder and in those below it, in order; links are not followed.

    Raises:
        OSError: one of the folders cannot be listed.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    found = (Path(at, name) for at, _, names in os.walk(folder, onerror=refuse) for name in names)
    return sorted(path for path in found if stat.S_ISREG(path.lstat().st_mode))


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading; anything else is refused at once, never waited for.

    Args:
        path: the file.
        follow: a link may stand in its place.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    return os.fdopen(_open(path, os.O_RDONLY | (0 if follow else os.O_NOFOLLOW)), "rb")


def open_to_append(path: Path) -> int:
    """Open a regular file to write at its end, made when it is not there; return the descriptor.

    Raises:
        OSError: it cannot be written, or is no regular file.
    """
    return _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def open_lock(path: Path) -> int:
    """Open the file that a lock is about, made when it is not there; return the descriptor.

    Raises:
        OSError: it cannot be written, or is no regular file.
    """
    return _open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)


def _open(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | _NO_WAITING, 0o600)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {kind_of(mode)}, not a file", str(path))
    return descriptor


def read_small(path: Path, *, limit_bytes: int = SMALL_BYTES) -> bytes:
    """Read a whole file that is known to be small.

    Args:
        path: the file.
        limit_bytes: what is longer is none of ours.

    Raises:
        OSError: it cannot be read, is no regular file, or is too long.
    """
    with open_regular(path) as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise OSError(errno.EFBIG, f"it has more than {limit_bytes:,} bytes", str(path))
    return content


def read_note(path: Path) -> str:
    """Read what a process wrote down for people: its beginning, as one line that a terminal can show.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        text = file.read(NOTE_BYTES).decode("utf-8", "replace")
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def put_aside(path: Path, folder: Path) -> Path:
    """Move whatever lies at a path into a folder, under its name and the time; a link itself, not where it leads.

    Args:
        path: a file, a folder, or anything else, on the folder's file system.
        folder: made when it is not there.

    Returns:
        Where it lies now.

    Raises:
        OSError: it cannot be moved; it is where it was.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / f"{path.name}-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    path.rename(target)
    return target


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
    with os.fdopen(_open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
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
