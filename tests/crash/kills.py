"""Kills a real daemon again and again under writers, at failpoints and at random moments, and checks what is left."""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crash import rounds
from crash.siege import Siege
from mcai import failpoints

Say = Callable[[str], None]


@dataclass
class Tally:
    """What a run has done so far."""

    acked: list[int] = field(default_factory=list)
    """Acknowledged changes before each kill."""
    hits: Counter[str] = field(default_factory=Counter)
    """Kills at each failpoint."""
    wrong: str = ""
    """What ended the run too early."""

    @property
    def kills(self) -> int:
        return len(self.acked)

    def table(self) -> str:
        """Return the figures as lines of text."""
        lines = [f"kills {self.kills}, acknowledged changes {sum(self.acked):,}"]
        if self.acked:
            lines[0] += f", before each kill at least {min(self.acked)}, median {statistics.median(self.acked):g}"
        at_failpoints = self.hits.total()
        lines += [f"  {name:<20}{self.hits[name]:>5}" for name in failpoints.NAMES if self.hits[name]]
        return "\n".join([*lines, f"  {'other moments':<20}{self.kills - at_failpoints:>5}"])

    def shortfalls(self, kills: int, acks_before: int, each: int, names: Sequence[str]) -> list[str]:
        """Return what the run did not do that it had to, in words."""
        missed = [self.wrong] if self.wrong else []
        missed += [f"{name} was hit {self.hits[name]} times, not {each}" for name in names if self.hits[name] < each]
        if self.kills < kills:
            missed.append(f"{self.kills} kills, not {kills}")
        if self.acked and min(self.acked) < acks_before:
            missed.append(f"a kill after {min(self.acked)} acknowledged changes, not {acks_before}")
        return missed


def together(tallies: Sequence[Tally]) -> Tally:
    """Return the figures of several runs as those of one."""
    wrong = "; ".join(filter(None, (each.wrong for each in tallies)))
    acked = [acked for each in tallies for acked in each.acked]
    return Tally(acked, sum((each.hits for each in tallies), Counter()), wrong)


def plan(chance: random.Random, kills: int, each: int, names: Sequence[str] = failpoints.NAMES) -> list[str | None]:
    """Return where to kill in each round: every failpoint so many times, random moments for the rest, shuffled."""
    points: list[str | None] = [name for name in names for _ in range(each)]
    points += [None] * max(0, kills - len(points))
    chance.shuffle(points)
    return points


def run(siege: Siege, points: Sequence[str | None], say: Say = print) -> Tally:
    """Do one round for each failpoint; None stands for a random moment.

    A failpoint that a round did not reach, though its daemon was killed, is tried again at the end, once. The run ends
    with the first round after which something acknowledged is not as it was acknowledged.
    """
    tally = Tally()
    waiting = [(point, True) for point in points]
    siege.start()
    try:
        while waiting:
            point, may_repeat = waiting.pop(0)
            begun_s = time.monotonic()
            try:
                hit = rounds.besiege(siege, point)
                siege.hold(siege.logs[-1])
            except AssertionError as mismatch:
                tally.wrong = f"round {tally.kills + 1} ({point or 'a random moment'}): {mismatch}"
                return tally
            if point and not hit and may_repeat:
                waiting.append((point, False))
            tally.acked.append(siege.acked)
            tally.hits.update([hit] if hit else [])
            rows, took_s = len(siege.world.state.live), time.monotonic() - begun_s
            what = hit or (f"missed {point}" if point else "random")
            told = f"{siege.acked} acked, epoch {siege.world.epoch}, {rows} rows, {took_s:.1f} s"
            say(f"round {tally.kills}: {what}, {told}")
            siege.logs.clear()
    finally:
        if siege.daemon.exit_code is None:
            siege.daemon.kill()
    return tally


@contextmanager
def short_folder() -> Iterator[Path]:
    """Yield a folder whose path leaves room for a socket's; it stays when the block fails."""
    folder = Path(tempfile.mkdtemp(prefix="mcai-"))
    yield folder
    shutil.rmtree(folder)
