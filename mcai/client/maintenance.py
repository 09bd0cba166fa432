"""Work that needs a home for itself: the daemon's own maintenance, run as a child while no daemon serves.

It must work when the daemon cannot start, so nothing here goes over the socket. The child takes the daemon's lock,
prints one JSON document on stdout and, while it works, lines that say what it does on stderr.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any, TypeAlias, TypeVar

import msgspec

from mcai.client import lifecycle
from mcai.errors import NO_JSON, DaemonError, McaiError, from_wire
from mcai.files import put_aside
from mcai.paths import Home
from mcai.records import DoctorReport, RestoreResult

T = TypeVar("T")
Tell: TypeAlias = Callable[[str], None]
"""Told what is being done now; called from any thread."""


def restore(
    home: Home, source: Path, *, to_epoch: int | None = None, to_time: str | None = None, tell: Tell
) -> RestoreResult:
    """Replace what a home holds by what a backup holds. A daemon that serves it is stopped, and started again.

    Args:
        home: made when it does not exist.
        source: the folder that `backup` wrote.
        to_epoch: go on from there, by the backup's journal, to this epoch at most.
        to_time: or to the last epoch at this moment; ISO 8601.
        tell: told what is being done.

    Raises:
        BackupDamagedError: the backup is damaged; nothing was stopped or changed.
        SchemaVersionError: a newer version of mcai wrote it; nothing was stopped or changed.
        DaemonError: the child ended without an answer, or the daemon could not be stopped or started again.
    """
    tell("checking the backup")
    _run(home, ["check-backup", str(source.absolute())], dict[str, Any], tell)
    words = ["restore", str(source.absolute())]
    words += ["--to-epoch", str(to_epoch)] if to_epoch is not None else []
    words += ["--to-time", to_time] if to_time is not None else []
    with _in_order(), _alone(home, tell):
        tell("restoring")
        return _run(home, words, RestoreResult, tell)


def doctor(home: Home, *, fix: bool, tell: Tell) -> DoctorReport:
    """Examine a home that no daemon serves.

    Args:
        home: what is examined.
        fix: mend and rebuild what can be; a daemon that serves the home is stopped, and started again.
        tell: told what is being done.

    Raises:
        DaemonAlreadyRunningError: a daemon serves the home, and nothing is to be fixed.
        DaemonError: the child ended without an answer, or the daemon could not be stopped or started again.
    """
    if not fix:
        return _run(home, ["doctor"], DoctorReport, tell)
    # Before any lock is asked for. They hold nothing but the owner's name.
    for lock in (home.start_lock_path, home.lock_path):
        if lock.is_symlink() or (os.path.lexists(lock) and not lock.is_file()):
            tell(f"putting aside {lock}, which is no file")
            put_aside(lock, home.damaged_dir)
    with _in_order(), _alone(home, tell):
        return _run(home, ["doctor", "--fix"], DoctorReport, tell)


class _Ended(BaseException):
    """Somebody wants this process to end: not an error, so that nothing but the way out takes notice of it."""


@contextlib.contextmanager
def _in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end this process only after the block has left everything as it must be.

    Only the main thread can say what a signal does; in any other the process ends at once, and the child with it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, lambda number, frame: None)  # once is enough; a child must not inherit SIG_IGN
        raise _Ended(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    mine = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, end)
    caught = 0
    try:
        yield
    except _Ended as ended:
        caught = int(ended.args[0])
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)
    if caught:
        os.kill(os.getpid(), caught)


@contextlib.contextmanager
def _alone(home: Home, tell: Tell) -> Iterator[None]:
    """Keep daemons from a home while the block lasts; one that ran before runs again afterwards, however it ends."""
    ran = False
    try:
        with lifecycle.start_lock(home, time.monotonic() + lifecycle.START_TIMEOUT_S):
            if lifecycle.running(home):
                tell("stopping the daemon")
            ran = lifecycle.stop(home) is not None
            yield
    except BaseException:
        if ran:
            _start_despite_failure(home)
        raise
    if ran:
        tell("starting the daemon")
        lifecycle.start(home)


def _start_despite_failure(home: Home) -> None:
    """Start the daemon again; what went wrong before is what the caller is told, so a failure here is only noted."""
    try:
        lifecycle.start(home)
    except McaiError as error:
        lifecycle.note(f"mcai: the daemon did not start again: {error.message}")


def _run(home: Home, words: Sequence[str], record: type[T], tell: Tell) -> T:
    """Run one maintenance verb to its end and return what it printed.

    Raises:
        McaiError: the one that it named.
        DaemonError: it ended without an answer.
    """
    child = subprocess.Popen(
        # -P: whatever lies in / must not shadow a module of the daemon.
        [sys.executable, "-P", "-m", "mcai_daemon", "--home", str(home.dir), "--maintenance", *words],
        cwd="/",
        stdin=subprocess.PIPE,  # nothing is written: where it ends, because this process was killed, the child ends
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # Ctrl-C is for this process, which ends the child in order
    )
    assert child.stdin and child.stdout and child.stderr
    heard = _Heard(child.stderr, tell)
    try:
        document = child.stdout.read()
        heard.join()
        return _answer(document, heard.last, child.wait(), record)
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
        heard.join()
        child.stdin.close()
        child.stdout.close()
        child.stderr.close()


class _Heard(threading.Thread):
    """Reads a child's stderr to its end: lines for people are handed on, lines of the log (JSON) are not."""

    def __init__(self, stream: IO[str], tell: Tell) -> None:
        super().__init__(name="maintenance-stderr", daemon=True)
        self.last = ""
        """The last line that was not blank."""
        self._stream = stream
        self._tell = tell
        self.start()

    def run(self) -> None:
        """Read until the child ends."""
        for line in self._stream:
            text = line.strip()
            if text:
                self.last = text
            if text and not text.startswith("{"):
                self._tell(text)


def _answer(document: str, last_line: str, code: int, record: type[T]) -> T:
    """Make the result, or the error, of what a child printed; its last words count when it printed no document."""
    told = _object(document) or _object(last_line)
    if isinstance(told.get("error"), dict):
        named = {name: str(told["error"].get(name, "")) for name in ("code", "message", "hint")}
        raise from_wire(**named)
    try:
        return msgspec.convert(told, record)
    except msgspec.ValidationError:
        if code < 0:
            cause = f"the maintenance process was killed by signal {-code}"
            raise DaemonError(cause, hint="Nothing is lost, and nothing is half done: run the command again.") from None
        cause = f"the maintenance process ended with exit code {code}, without an answer"
        raise DaemonError(cause, hint=last_line[:200]) from None


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except NO_JSON:
        return {}
