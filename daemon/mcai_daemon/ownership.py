"""One daemon a home: the lock that proves it, and the socket that only its owner may bind."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mcai import __version__, layout, times
from mcai.client.lifecycle import Owner, running
from mcai.errors import ConfigError, DaemonAlreadyRunningError, StoreFullError
from mcai.files import open_lock
from mcai.paths import Home

_ASKED_AGAIN_S = 0.005


def prepare(home: Home) -> None:
    """Make the home's folders, readable by nobody else, and look at what lies in the home before any of it is opened.

    Raises:
        ConfigError: the home belongs to another user or cannot be made.
        DamagedError: something else lies where a file or a folder of the home must be.
    """
    try:
        for folder in (home.dir, home.socket_path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            about = folder.lstat()
            if stat.S_ISLNK(about.st_mode) or not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
                raise ConfigError(f"{folder} is not a folder of this user", hint="Set MCAI_HOME to one that is.")
            if about.st_mode & 0o077:
                _close_to_others(folder, about.st_mode)
    except OSError as error:
        raise ConfigError(f"the home {home.dir} cannot be used: {error.strerror}", hint="Set MCAI_HOME.") from error
    layout.check(home)


def _close_to_others(folder: Path, mode: int) -> None:
    """Make a folder private - unless it plainly is something else, such as a home folder or /tmp, named by mistake."""
    if mode & stat.S_ISVTX or (any(folder.iterdir()) and not (folder / "start.lock").exists()):
        raise ConfigError(
            f"{folder} is open to other users and holds other things",
            hint="Set MCAI_HOME to a folder of its own, for example one below it.",
        )
    folder.chmod(0o700)


@dataclass(frozen=True)
class Claim:
    """A file that this process has, and where it must lie."""

    path: Path
    about: os.stat_result

    def holds(self) -> bool:
        """Tell whether it still lies there: it was not removed, and nothing else was put in its place."""
        try:
            return os.path.samestat(self.path.lstat(), self.about)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # nobody can tell; the lock itself is held all the same


@contextmanager
def owned(home: Home) -> Iterator[int]:
    """Hold the home's lock; see `take_ownership`."""
    lock = take_ownership(home)
    try:
        yield lock
    finally:
        os.close(lock)


def take_ownership(home: Home) -> int:
    """Lock the home for this process, before anything in it is opened.

    Returns:
        The descriptor that holds the lock; it goes when the process does.

    Raises:
        DaemonAlreadyRunningError: another daemon has it.
    """
    descriptor = open_lock(home.lock_path)
    while not _lock(descriptor):
        holder = running(home)
        if holder is not None:
            os.close(descriptor)
            raise DaemonAlreadyRunningError(
                f"another daemon (pid {holder.pid or 'not known yet'}) owns {home.dir}",
                hint="Use it, or stop it: mcai daemon stop",
            )
        # It was only somebody who asked whether a daemon runs: asking takes the lock for a moment.
        time.sleep(_ASKED_AGAIN_S)
    owner = Owner(pid=os.getpid(), version=__version__, started_at=times.show(times.now()))
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(owner), 0)
    except OSError as error:
        raise StoreFullError(f"{home.lock_path} cannot be written: {error.strerror}") from error
    return descriptor


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def bind(path: Path) -> socket.socket:
    """Bind the unix socket as 0600. Called by the owner only, so what lies at the path is a dead daemon's."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(1024)
    listener.setblocking(False)
    return listener
