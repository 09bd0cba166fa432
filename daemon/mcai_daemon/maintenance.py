"""Work that needs a home for itself, run as ``mcaid --maintenance VERB``: it must do when the daemon cannot start.

Takes the daemon's lock. One JSON document goes to stdout, the result or the error; stderr gets lines for people, and
log lines (JSON).
"""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import structlog

from mcai import failpoints, layout, logs
from mcai.errors import McaiError
from mcai.paths import Home
from mcai.store import backup
from mcai.upkeep import doctor
from mcai.upkeep.restore import restore
from mcai_daemon.ownership import owned, prepare

log = structlog.get_logger("maintenance")

EXIT_ABANDONED = 1


def run(home: Home, words: Sequence[str]) -> McaiError | None:
    """Do one verb and print its result.

    Args:
        home: which one.
        words: the verb and its own words.

    Returns:
        The error that was printed instead, if any.
    """
    os.umask(0o077)
    logs.configure("warning")
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        Thread(target=_end_with_stdin, daemon=True).start()
    failed: McaiError | None = None
    try:
        failpoints.arm()
        asked = _parser().parse_args(words)
        work: Callable[[Home, argparse.Namespace], Any] = asked.work
        told = work(home, asked)
    except McaiError as error:
        failed = error
    except OSError as error:
        failed = McaiError(f"{error.filename or home.dir}: {error.strerror or error}")
    except Exception as error:  # the process's outermost boundary: its caller reads JSON
        log.exception("maintenance failed unexpectedly")
        failed = McaiError(f"maintenance failed unexpectedly: {type(error).__name__}", hint="See the lines above.")
    sys.stdout.buffer.write(msgspec.json.encode(failed.as_wire() if failed else told) + b"\n")
    sys.stdout.buffer.flush()
    return failed


def _end_with_stdin() -> None:
    """End at once when whoever started this is gone: what is half done is undone or finished by the next start."""
    while os.read(0, 1):
        pass
    os._exit(EXIT_ABANDONED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mcaid --maintenance")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    check = verbs.add_parser("check-backup", help="read all of a backup and compare it with its manifest")
    check.add_argument("source", type=Path)
    check.set_defaults(work=_check_backup)
    back = verbs.add_parser("restore", help="replace what the home holds by what a backup holds")
    back.add_argument("source", type=Path)
    back.add_argument("--to-epoch", type=int)
    back.add_argument("--to-time")
    back.set_defaults(work=_restore)
    look = verbs.add_parser("doctor", help="examine the home")
    look.add_argument("--fix", action="store_true", help="mend what can be mended")
    look.set_defaults(work=_doctor)
    return parser


def _check_backup(home: Home, asked: argparse.Namespace) -> Any:
    return backup.check(asked.source)


def _restore(home: Home, asked: argparse.Namespace) -> Any:
    prepare(home)
    with owned(home):
        return restore(home, asked.source, to_epoch=asked.to_epoch, to_time=asked.to_time, tell=_tell)


def _doctor(home: Home, asked: argparse.Namespace) -> Any:
    with _owned_if_there(home):
        return doctor.examine(home, fix=asked.fix, tell=_tell)


@contextmanager
def _owned_if_there(home: Home) -> Iterator[None]:
    """Hold the home's lock; where there is no home yet, there is nothing to lock, and looking must not make one.

    What is no file nobody can have locked: the doctor tells of it.
    """
    if not home.dir.is_dir() or home.lock_path in {each.path for each in layout.obstacles(home)}:
        yield
        return
    with owned(home):
        yield


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
