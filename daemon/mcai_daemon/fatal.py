"""After a fatal error of the engine: the process ends, a helper starts the next one, and three in a row are enough.

A FATAL of DuckDB invalidates the whole instance, and only a new process can go on. The helper outlives this process,
waits until the home is free and starts a daemon as any command would.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import structlog

from mcai import engine_failures
from mcai.client import lifecycle
from mcai.engine_failures import Failure
from mcai.errors import CatalogDamagedError, DaemonStartError, DamagedError, FatalStoreError, McaiError
from mcai.files import open_to_append, write_whole
from mcai.paths import Home

log = structlog.get_logger("fatal")

ENOUGH = 3
WITHIN_S = 300.0
HELPER_WAITS_S = 60.0
_ASKED_AGAIN_S = 0.05


def recent(home: Home) -> list[Failure]:
    """Return the fatal errors of the last five minutes; a note that cannot be read keeps nobody from starting."""
    try:
        return engine_failures.read(home, WITHIN_S)
    except (OSError, DamagedError):
        return []


def check(home: Home) -> None:
    """Refuse to start what keeps failing.

    Raises:
        DaemonStartError: the engine failed three times in five minutes.
    """
    failures = recent(home)
    if len(failures) >= ENOUGH:
        raise DaemonStartError(
            f"the engine failed {len(failures)} times in {WITHIN_S / 60:g} minutes, last: {failures[-1].reason}",
            hint="Find out why and mend it: mcai doctor --fix (it lets the daemon start again)",
        )


def end(home: Home, error: FatalStoreError) -> None:
    """Note a fatal error and leave a helper behind, unless it was one too many."""
    reason = error.message
    failures = [*recent(home), Failure(time.time(), reason)]
    with contextlib.suppress(OSError):  # a full disk must not keep the process from ending
        if isinstance(error, CatalogDamagedError):
            write_whole(home.suspect_path, reason.encode())
        engine_failures.write(home, failures)
    if len(failures) >= ENOUGH:
        log.error("the engine failed too often: staying down", failures=len(failures), reason=reason)
        return
    log.error("the engine failed: a new daemon follows", reason=reason)
    _leave_helper(home)


def _leave_helper(home: Home) -> None:
    with os.fdopen(open_to_append(home.log_path), "ab") as output:
        helper = subprocess.Popen(
            [sys.executable, "-P", "-m", "mcai_daemon.fatal", str(home.dir)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            close_fds=True,
        )
    helper.returncode = 0  # nobody waits for it: it outlives this process


def main(home_dir: str) -> int:
    """Wait until the home is free and start its daemon; what the helper runs."""
    home = Home(Path(home_dir))
    deadline_s = time.monotonic() + HELPER_WAITS_S
    while lifecycle.running(home) and time.monotonic() < deadline_s:
        time.sleep(_ASKED_AGAIN_S)
    try:
        lifecycle.start(home)
    except McaiError as error:
        lifecycle.note(f"mcai: the daemon did not start again: {error.message}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
