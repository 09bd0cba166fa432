"""A real daemon as a child of this process: armed with a failpoint, killed, stopped, and waited for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from helpers import PATIENCE_S, log_of, wait_until
from mcai.client import Client, lifecycle
from mcai.paths import Home, find_home

START_S = 60.0
STOP_S = 60.0


class Daemon:
    """The daemon of one home; there may be none at the moment."""

    def __init__(self, home: Home | Path) -> None:
        self.home = home if isinstance(home, Home) else find_home(home)
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs, or when there was none yet."""
        return None if self._child is None else self._child.poll()

    @property
    def was_killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL

    def start(self, failpoint: str | None = None, **settings: str) -> bool:
        """Start it; return whether it listens, False when it ended before.

        Args:
            failpoint: as ``MCAI_FAILPOINT`` takes it.
            settings: more of its environment.
        """
        assert self._child is None or self._child.poll() is not None, "it runs already"
        self.home.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MCAI_")}
        environment |= settings | ({"MCAI_FAILPOINT": failpoint} if failpoint else {})
        self._log_start = self.home.log_path.stat().st_size if self.home.log_path.exists() else 0
        with self.home.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "mcai_daemon", "--home", str(self.home.dir)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        child = self._child
        wait_until(lambda: lifecycle.answers(self.home) or child.poll() is not None, "the daemon listens", START_S)
        return child.poll() is None

    def kill(self) -> None:
        """End it as a power cut ends a process, and wait until its lock is free."""
        assert self._child is not None
        self._child.kill()
        self.wait()

    def stop(self) -> None:
        """End it in good order."""
        assert self._child is not None
        self._child.send_signal(signal.SIGTERM)
        self.wait()
        assert self._child.returncode == 0, f"the daemon ended with {self._child.returncode}\n{self.last_words()}"

    def wait(self, timeout_s: float = STOP_S) -> None:
        """Wait until it has ended and nobody has the home."""
        assert self._child is not None
        self._child.wait(timeout_s)
        wait_until(lambda: lifecycle.running(self.home) is None, "the home is free")

    def has_ended(self, within_s: float) -> bool:
        """Tell whether it ends by itself in that time."""
        assert self._child is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(within_s)
        return self._child.returncode is not None

    def refusal(self) -> str | None:
        """Return the reason that it named as its last words, None when it named none."""
        last = self.last_words().rstrip().rsplit("\n", 1)[-1]
        try:
            return str(msgspec.json.decode(last)["error"]["message"])
        except (msgspec.DecodeError, KeyError, TypeError):
            return None

    def last_words(self) -> str:
        """Return what it has logged since its start."""
        return log_of(self.home)[self._log_start :][-6_000:]

    def wait_until_settled(self) -> None:
        """Wait until index and snapshot have taken in everything that is stored."""
        with Client(self.home.dir, start=False) as client:

            def is_settled() -> bool:
                status = client.status()
                snapshot = status.snapshot
                return status.index_epoch == status.epoch and snapshot is not None and snapshot.epoch == status.epoch

            wait_until(is_settled, f"index and snapshot have caught up: {client.status()}", 2 * PATIENCE_S)
