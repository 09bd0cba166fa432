"""A daemon that is killed at any moment has everything that it acknowledged, once, and everywhere the same."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from crash import acks, checking, kills
from crash.acks import Answer, Operation
from crash.siege import Siege
from crash.world import Mismatch, World
from mcai import failpoints
from mcai.client import Client

SEED = 4
POINTS = ("write.journaled", "forget.swapped", None)
ACKS_BEFORE = 8


@pytest.fixture(scope="module")
def folder(own_environment: None) -> Iterator[Path]:
    with kills.short_folder() as folder:
        yield folder


@pytest.mark.timeout(300)
def test_what_was_acknowledged_survives(folder: Path) -> None:
    """Killed in the middle of a write, in the middle of the rewriting of all files, and at a random moment."""
    siege = Siege(folder, SEED, ACKS_BEFORE)
    told: list[str] = []
    tally = kills.run(siege, POINTS, told.append)
    assert not tally.wrong, tally.wrong
    assert tally.kills == len(POINTS) and min(tally.acked) >= ACKS_BEFORE, told
    assert tally.hits == {point: 1 for point in POINTS if point}, told


@pytest.mark.timeout(300)
def test_the_checks_notice_what_they_are_for(folder: Path) -> None:
    """A change that was acknowledged and is gone, one that nobody asked for, and a row that differs are each found."""
    siege = Siege(folder / "more", SEED, ACKS_BEFORE)
    siege.folder.mkdir()
    siege.start()
    log = siege.begin_log()
    try:
        with siege.writers(log, without=("forget", "backup")):
            siege.wait_for(log, ACKS_BEFORE)
        told = acks.read(log)
        made = [pair for pair in told if pair[0].kind == "add" and pair[1].changed]
        with Client(siege.daemon.home.dir, start=False) as client:
            before = siege.world.copy()
            settled = checking.settle(client, before, told)
            assert settled.epoch == client.status().epoch and before.epoch == 0

            def refuses(wrong: list[tuple[Operation, Answer]]) -> None:
                with pytest.raises(Mismatch):
                    checking.settle(client, before, wrong)

            invented = Operation(9_999, "delete", ids=[1]), Answer(9_999, "acked", settled.epoch + 1, 1)
            refuses([*told, invented])
            refuses([pair for pair in told if pair != made[0]])
            refuses([(_with_another_response(each, answer, settled), answer) for each, answer in told])
            settled.state.live.popitem()
            siege.daemon.wait_until_settled()
            with pytest.raises(Mismatch):
                checking.check_everywhere(siege.daemon.home, client, settled, siege.chance)
    finally:
        siege.daemon.kill()


def _with_another_response(operation: Operation, answer: Answer, settled: World) -> Operation:
    """Return an add as if other rows had been asked for, where they are still to be seen."""
    is_seen = operation.kind == "add" and any(each in settled.state.live for each in answer.ids)
    rows = [{**row, "response": "another"} for row in operation.rows] if is_seen else operation.rows
    return msgspec.structs.replace(operation, rows=rows)


@pytest.mark.timeout(300)
def test_a_run_ends_with_the_first_mismatch_and_has_its_figures(folder: Path) -> None:
    """What was done until then is told, and what went wrong comes first among what fails the run."""
    siege = Siege(folder / "wrong", SEED, ACKS_BEFORE)
    siege.folder.mkdir()
    siege.world.apply(Operation(1, "drop", domain="never asked for"), None)
    tally = kills.run(siege, [None, None], lambda told: None)
    assert tally.kills == 0 and "round 1 (a random moment)" in tally.wrong
    assert tally.shortfalls(2, ACKS_BEFORE, 0, ())[0] == tally.wrong
    assert tally.table().startswith("kills 0,")
    both = kills.together([kills.Tally([9, 8], Counter(a=1)), kills.Tally([7], Counter(a=1, b=1), "lost")])
    assert (both.acked, both.hits, both.wrong) == ([9, 8, 7], Counter(a=2, b=1), "lost")


def test_writers_that_end_badly_are_told_of_by_how(folder: Path) -> None:
    """By the signal that ended them or their exit code, also when they said nothing."""
    siege = Siege(folder / "none", SEED, ACKS_BEFORE)
    siege.folder.mkdir()
    log = siege.begin_log()
    singing = siege.writers(log, without=["sing"])  # type: ignore[list-item]
    with pytest.raises(Mismatch, match=r"the writers ended with 2: (.|\n)*invalid choice"), singing:
        pass
    with (
        pytest.raises(Mismatch, match="the writers were ended by SIGSEGV: nothing was said"),
        siege.writers(log) as some,
    ):
        some.send_signal(signal.SIGSEGV)


def test_a_plan_has_every_failpoint_often_enough() -> None:
    """A long run arms each failpoint so many times, and says afterwards which of them it did not reach."""
    points = kills.plan(random.Random(SEED), 200, 5)
    assert len(points) == 200 and all(points.count(name) == 5 for name in failpoints.NAMES)
    tally = kills.Tally([20, 25], Counter({"write.begun": 1}))
    missed = tally.shortfalls(2, 21, 1, ["write.begun", "write.committed"])
    assert not tally.wrong and len(missed) == 2 and "write.committed" in missed[0] and "20" in missed[1]
