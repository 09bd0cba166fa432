"""Starts, finds and stops the daemon. Race-free by two locks: the starter's and the daemon's own.

Whether a daemon lives is asked of its lock, never of a pid: a pid can be a zombie's or another process's by now.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from mcai import layout
from mcai.errors import NO_JSON, DaemonError, DaemonStartError, TimeoutExpiredError, from_wire
from mcai.files import open_lock, open_regular, open_to_append
from mcai.paths import Home

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
_POLL_S = 0.01
EXIT_ALREADY_OWNED = os.EX_TEMPFAIL
"""How a daemon ends when another one owns its home: 75."""

_children: list[subprocess.Popen[bytes]] = []
"""Daemons that this process started: kept, because a Popen that is dropped while its child runs warns about it."""


class Owner(msgspec.Struct, frozen=True):
    """What the daemon writes into its lock file."""

    pid: int
    version: str
    started_at: str


_decode_owner = msgspec.json.Decoder(Owner).decode  # made once, before there are threads: see mcai.records


def running(home: Home) -> Owner | None:
    """Return who owns the home now, or None."""
    try:
        with open_regular(home.lock_path, follow=False) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _decode_owner(lock.read())
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except NO_JSON:
        # The owner has the lock and has not written its name yet.
        return Owner(pid=0, version="", started_at="")
    except OSError as error:
        if home.lock_path.is_symlink() or not home.lock_path.is_file():
            return None  # whoever owns a home locks a file
        raise DaemonError(f"{home.lock_path}: {error.strerror}", hint="Mend it: mcai doctor --fix") from error


def answers(home: Home) -> bool:
    """Tell whether somebody listens on the home's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(home.socket_path))
        except OSError:
            return False
        return True


def start(home: Home, timeout_s: float = START_TIMEOUT_S) -> bool:
    """Make sure that a daemon serves the home; return whether this call started it.

    Raises:
        DaemonStartError: it ended before it listened; or the very error that it ended with.
        DamagedError: something in the home is no file or folder as it must be.
        TimeoutExpiredError: it does not listen in time.
    """
    deadline = time.monotonic() + timeout_s
    child: subprocess.Popen[bytes] | None = None
    log_start = 0
    if not answers(home):
        layout.check(home)
    with start_lock(home, deadline):
        while not answers(home):
            if time.monotonic() > deadline:
                owner = running(home)
                told = f"the daemon (pid {owner.pid}) does not listen" if owner else "the daemon does not listen yet"
                hint = "If its socket file was deleted: mcai daemon restart. Otherwise look at: mcai daemon logs"
                raise TimeoutExpiredError(told, hint=hint)
            if child is not None and child.poll() not in (None, EXIT_ALREADY_OWNED):
                ended = DaemonStartError(f"the daemon ended with exit code {child.returncode}")
                raise _reason(home.log_path, log_start) or ended
            if (child is None or child.returncode is not None) and running(home) is None:
                # Nobody owns the home - or no longer: the last owner may just have been stopped.
                note(f"mcai: starting the daemon for {home.dir}")
                log_start = home.log_path.stat().st_size if home.log_path.exists() else 0
                child = _spawn(home)
                _children.append(child)
            time.sleep(_POLL_S)
    return child is not None


def stop(home: Home, timeout_s: float = STOP_TIMEOUT_S) -> Owner | None:
    """Stop the daemon and wait until its process has ended; return who it was, None when none ran.

    Raises:
        TimeoutExpiredError: it still runs after ``timeout_s``.
    """
    owner = running(home)
    if owner is None:
        return None
    deadline = time.monotonic() + timeout_s
    while owner and not owner.pid and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        owner = running(home)
    if owner is None:
        return None
    with _process(owner.pid) as has_ended:
        if owner.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(owner.pid, signal.SIGTERM)
        # It lets go of the home a little before it ends. Another one may have the home by then.
        while not has_ended() or running(home) == owner:
            if time.monotonic() > deadline:
                raise TimeoutExpiredError(
                    f"the daemon (pid {owner.pid or 'not known yet'}) did not stop within {timeout_s:g} s",
                    hint="It may be writing something big; try again, or end it with kill.",
                )
            time.sleep(_POLL_S)
    for child in _children:
        child.poll()
    return owner


@contextlib.contextmanager
def _process(pid: int) -> Iterator[Callable[[], bool]]:
    """Yield what tells whether a process has ended, be it that its parent has not asked for it yet.

    Where the system has no descriptors of processes, and for pid 0, it is taken to have ended: its lock decides.
    """
    try:
        descriptor = os.pidfd_open(pid) if pid and hasattr(os, "pidfd_open") else -1
    except OSError:
        descriptor = -1  # it has ended meanwhile
    if descriptor < 0:
        yield lambda: True
        return
    ended = select.poll()
    ended.register(descriptor, select.POLLIN)
    try:
        yield lambda: bool(ended.poll(0))
    finally:
        os.close(descriptor)


def _prepare(home: Home) -> None:
    try:
        home.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DaemonStartError(
            f"the home {home.dir} cannot be made: {error.strerror}", hint="Set MCAI_HOME."
        ) from error


@contextlib.contextmanager
def start_lock(home: Home, deadline: float) -> Iterator[None]:
    """Hold what a starter of the daemon holds: meanwhile nobody else starts one. The home is made when there is none.

    Raises:
        DaemonStartError: the home cannot be made or written.
        TimeoutExpiredError: another process still holds it at the deadline (`time.monotonic`).
    """
    _prepare(home)
    try:
        descriptor = open_lock(home.start_lock_path)
    except OSError as error:
        raise DaemonStartError(
            f"the home {home.dir} cannot be written: {error.strerror}", hint="Set MCAI_HOME to a folder of your own."
        ) from error
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutExpiredError(
                        "another process has been starting the daemon, or mending its home, for too long"
                    ) from None
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _spawn(home: Home) -> subprocess.Popen[bytes]:
    log = open_to_append(home.log_path)
    try:
        return subprocess.Popen(
            # -P: whatever lies in / or in the caller's folder must not shadow a module of the daemon.
            [sys.executable, "-P", "-m", "mcai_daemon", "--home", str(home.dir)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
        )
    finally:
        os.close(log)


def note(text: str) -> None:
    """Say a word on stderr, where there is one: a service may have closed it."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")


def _reason(log_path: Path, offset: int) -> DaemonError | None:
    """The error that the daemon named as its last words, if it did."""
    with contextlib.suppress(OSError, *NO_JSON, KeyError, TypeError, AttributeError):
        with open_regular(log_path) as log:
            log.seek(offset)
            last = log.read().rstrip().rsplit(b"\n", 1)[-1]
        told = msgspec.json.decode(last)["error"]
        return from_wire(told["code"], told["message"], told["hint"])  # type: ignore[return-value]  # any McaiError
    return None
