"""One home under attack: its daemon, the writers, and the world that the home is held to."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from crash import acks, checking
from crash.acks import Kind
from crash.daemon import Daemon
from crash.world import Mismatch, World
from helpers import PATIENCE_S, wait_until
from mcai.client import Client

TESTS_DIR = Path(__file__).resolve().parent.parent
DOCTORED = 0.25
"""In so large a part of the rounds the doctor looks at everything too: it takes seconds."""
KEYS_TRIED = 10
"""So many of the last adds are asked again after each kill."""


class Siege:
    """A home whose path is short enough for a socket's; logs of what was acknowledged lie beside it."""

    def __init__(self, folder: Path, seed: int, acks_before: int) -> None:
        """Begin with a home that does not exist yet.

        Args:
            folder: everything lies below it.
            seed: of everything random.
            acks_before: acknowledged changes that precede each kill.
        """
        self.folder = folder
        self.chance = random.Random(seed)
        self.acks_before = acks_before
        self.daemon = Daemon(folder / "home")
        self.world = World()
        self._writers: subprocess.Popen[bytes] | None = None
        self.logs: list[Path] = []
        """Those of the present round."""

    @property
    def acked(self) -> int:
        """Acknowledged changes of this round."""
        return sum(acks.acked_changes(log) for log in self.logs)

    def begin_log(self) -> Path:
        """Return where the next writers are to note what they are told."""
        self.logs.append(self.folder / f"acks-{self.chance.getrandbits(48):012x}.jsonl")
        return self.logs[-1]

    def write_enough(self, log: Path, acked: int) -> None:
        """Have writers at work until so many changes are acknowledged, then stop them in good order."""
        with self.writers(log):
            self.wait_for(log, acked)

    def wait_for(self, log: Path, acked: int) -> None:
        """Wait until writers have noted so many acknowledged changes.

        Raises:
            Mismatch: the daemon has ended instead.
        """
        wait_until(
            lambda: acks.acked_changes(log) >= acked or self._has_ended(),
            f"{acked} changes are acknowledged",
            4 * PATIENCE_S,
        )
        if self.daemon.exit_code is not None:
            raise Mismatch(f"the daemon ended by itself: {self.daemon.exit_code}\n{self.daemon.last_words()}")

    def _has_ended(self) -> bool:
        writers_ended = self._writers is not None and self._writers.poll() is not None
        return writers_ended or self.daemon.exit_code is not None

    @contextmanager
    def writers(
        self, log: Path, *, first: Kind | None = None, without: Sequence[Kind] = (), pause_s: float = 0.0
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Have one to four writers at work; at the end of the block they are told to stop, and waited for.

        Args:
            log: what they note their answers in.
            first: what one of them asks first.
            without: what none of them asks.
            pause_s: between two operations of one of them.

        Raises:
            Mismatch: they did not end well, and how.
        """
        command = [sys.executable, "-m", "crash.writers", str(self.daemon.home.dir), str(log)]
        command += ["--seed", str(self.chance.getrandbits(32)), "--threads", str(self.chance.randint(1, 4))]
        command += ["--pause-s", str(pause_s), "--without", *without, *(["--first", first] if first else [])]
        child = subprocess.Popen(command, cwd=TESTS_DIR, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self._writers = child
        try:
            yield child
        finally:
            _, told = child.communicate(timeout=4 * PATIENCE_S)
            if child.returncode != 0:
                said = told.decode("utf-8", "replace")[-2_000:] or "nothing was said"
                raise Mismatch(f"the writers {_how_it_ended(child.returncode)}: {said}")

    def start(self) -> None:
        """Start the daemon as anybody would.

        Raises:
            Mismatch: it does not start.
        """
        if not self.daemon.start():
            raise Mismatch(f"the daemon does not start again\n{self.daemon.last_words()}")

    def settle(self, log: Path) -> None:
        """Ask the running daemon what became of everything that writers asked for, and go on from there."""
        with Client(self.daemon.home.dir, start=False) as client:
            self.world = checking.settle(client, self.world, acks.read(log))

    def hold(self, log: Path) -> None:
        """Hold the running daemon, its keys, its search and its files to the world."""
        operations = acks.read(log)
        with Client(self.daemon.home.dir, start=False) as client:
            checking.check_keys(client, self.world, operations[-KEYS_TRIED:])
            checking.check_forgotten(self.daemon.home, client, self.world, operations)
            self.daemon.wait_until_settled()
            checking.check_everywhere(self.daemon.home, client, self.world, self.chance)
            if self.chance.random() < DOCTORED:
                checking.check_health(client)


def _how_it_ended(code: int) -> str:
    """Say how a process ended that should have ended well."""
    return f"were ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
