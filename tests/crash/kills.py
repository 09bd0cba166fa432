"""Kills a real daemon again and again under writers, at failpoints and at random moments, and checks what is left.

A round: at least so many acknowledged changes, one kill, a start, all checks. Everything random comes from one seed.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crash import acks, checking
from crash.acks import Kind
from crash.daemon import Daemon
from crash.world import Mismatch, World
from helpers import PATIENCE_S, wait_until
from mcai import failpoints
from mcai.client import Client

TESTS_DIR = Path(__file__).resolve().parent.parent

FIRST: dict[str, Kind] = {
    "backup": "backup",
    "rotate": "rotate",
    "forget": "forget",
    "journal": "forget",
}
"""What is asked first, so that a failpoint is reached: by the first word of its name."""

IDLE_S = {"snapshot": 0.8}
"""How long each writer pauses: a snapshot is published after half a second, and merged when nothing comes."""
AT_WRITES = 12
"""Failpoints of the write path are armed for one of so many passes: they are passed with every write."""
REACHED_WITHIN_S = 30.0


@dataclass
class Tally:
    """What a run has done so far."""

    kills: int = 0
    acked: int = 0
    least_acked: int | None = None
    """Acknowledged changes before the kill that had the fewest."""
    hits: Counter[str] = field(default_factory=Counter)
    """Kills at each failpoint."""
    restart_s: list[float] = field(default_factory=list)
    """From the start to the first answer, after each kill."""

    def count(self, acked: int, failpoint: str | None) -> None:
        self.kills += 1
        self.acked += acked
        self.least_acked = acked if self.least_acked is None else min(self.least_acked, acked)
        if failpoint:
            self.hits[failpoint] += 1


class Siege:
    """One home, its daemon, and the world that it has to hold."""

    def __init__(self, folder: Path, seed: int, *, acks_before: int, say: Callable[[str], None] = print) -> None:
        """Begin with a home that does not exist yet.

        Args:
            folder: short enough for a socket's path; everything lies below it.
            seed: of everything random.
            acks_before: acknowledged changes that each kill is preceded by.
            say: told what each round did.
        """
        self.daemon = Daemon(folder / "home")
        self.world = World()
        self.tally = Tally()
        self._folder = folder
        self._seed = seed
        self._chance = random.Random(seed)
        self._acks_before = acks_before
        self._say = say
        self._round = 0

    def run(self, points: Sequence[str | None]) -> Tally:
        """Do one round for each failpoint; None stands for a kill at a random moment.

        Raises:
            Mismatch: something acknowledged is not as it was acknowledged.
        """
        self.daemon.start()
        try:
            for point in points:
                self._round += 1
                log = self._folder / f"round-{self._round}.log"
                begun_s = time.monotonic()
                try:
                    hit = self._besiege(log, point)
                    self._recover(log)
                except Mismatch as mismatch:
                    raise Mismatch(f"seed {self._seed}, round {self._round} ({point}): {mismatch}") from mismatch
                self.tally.count(acks.acked_changes(log), hit)
                took_s = time.monotonic() - begun_s
                rows = len(self.world.state.live)
                self._say(
                    f"round {self._round}: {hit or 'random'}{'' if hit == point else f' (missed {point})'}, "
                    f"{acks.acked_changes(log)} acked, epoch {self.world.epoch}, {rows} rows, {took_s:.1f} s"
                )
        finally:
            if self.daemon.exit_code is None:
                self.daemon.kill()
        return self.tally

    def _besiege(self, log: Path, point: str | None) -> str | None:
        """Write, and have the daemon die; return the failpoint that it died at."""
        threads = self._chance.randint(1, 4)
        with self._writers(log, threads):
            wait_until(
                lambda: acks.acked_changes(log) >= self._acks_before or self.daemon.exit_code is not None,
                "enough changes are acknowledged",
                4 * PATIENCE_S,
            )
            if self.daemon.exit_code is not None:
                raise Mismatch(f"the daemon ended by itself: {self.daemon.exit_code}\n{self.daemon.last_words()}")
            if point is None:
                time.sleep(self._chance.uniform(0, 1.5))
                self.daemon.kill()
                return None
        self.daemon.stop()
        return self._reach(log, point, threads)

    def _reach(self, log: Path, point: str, threads: int) -> str | None:
        """Start the daemon armed and write until it dies there."""
        area = point.split(".", 1)[0]
        nth = self._chance.randint(1, AT_WRITES if area == "write" else 2 if area in ("index", "snapshot") else 1)
        if self.daemon.start(f"{point}:{nth}:kill"):
            with self._writers(log, threads, FIRST.get(area), IDLE_S.get(area, 0.0)):
                hit = self.daemon.has_ended(REACHED_WITHIN_S)
                if not hit:
                    self.daemon.kill()
        else:
            hit = True
        self.daemon.wait()
        if not self.daemon.was_killed:
            raise Mismatch(f"the daemon ended with {self.daemon.exit_code}\n{self.daemon.last_words()}")
        return point if hit else None

    def _recover(self, log: Path) -> None:
        """Start the daemon plainly and hold it to what was acknowledged."""
        begun_s = time.monotonic()
        if not self.daemon.start():
            raise Mismatch(f"the daemon does not start again\n{self.daemon.last_words()}")
        self.tally.restart_s.append(time.monotonic() - begun_s)
        operations = acks.read(log)
        with Client(self.daemon.home.dir, start=False) as client:
            self.world = checking.settle(client, self.world, operations)
            checking.check_keys(client, self.world, operations[-10:])
            checking.check_forgotten(self.daemon.home, client, self.world, operations)
            self.daemon.wait_until_settled()
            checking.check_everywhere(self.daemon.home, client, self.world, self._chance)

    @contextmanager
    def _writers(self, log: Path, threads: int, first: Kind | None = None, pause_s: float = 0.0) -> Iterator[None]:
        """Have writers at work; they are told to stop, and waited for, at the end of the block."""
        command = [sys.executable, "-m", "crash.writers", str(self.daemon.home.dir), str(log)]
        command += ["--seed", str(self._chance.getrandbits(32)), "--threads", str(threads)]
        command += ["--pause-s", str(pause_s), *(["--first", first] if first else [])]
        child = subprocess.Popen(command, cwd=TESTS_DIR, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            yield
        finally:
            _, told = child.communicate(timeout=4 * PATIENCE_S)
        if child.returncode != 0:
            raise Mismatch(f"the writers failed: {told.decode()[-2_000:]}")


@contextmanager
def short_folder() -> Iterator[Path]:
    """Yield a folder whose path leaves room for a socket's; it stays when the block fails."""
    folder = Path(tempfile.mkdtemp(prefix="mcai-"))
    yield folder
    shutil.rmtree(folder)


def plan(chance: random.Random, kills: int, each: int, names: Sequence[str] = failpoints.NAMES) -> list[str | None]:
    """Return what to do in each round: every failpoint so many times, and random moments for the rest, shuffled."""
    points: list[str | None] = [name for name in names for _ in range(each)]
    points += [None] * max(0, kills - len(points))
    chance.shuffle(points)
    return points
