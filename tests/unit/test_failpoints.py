"""Failpoints do nothing until they are armed, then exactly what they are told; each stands somewhere in the code."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import python
from mcai import failpoints
from mcai.errors import FatalStoreError, InvalidValueError

ROOT = Path(__file__).parent.parent.parent
_HIT = re.compile(r'\bhit\(\s*"([^"]+)"\s*\)')


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm({})


def test_each_name_stands_in_the_code_and_nothing_else_does() -> None:
    """The crash suite promises to hit every one of them: a name without a place would be a promise without a test."""
    packages = [ROOT / "mcai", ROOT / "daemon", ROOT / "cli"]
    sources = (path.read_text("utf-8") for package in packages for path in package.rglob("*.py"))
    assert set(Counter(name for source in sources for name in _HIT.findall(source))) == set(failpoints.NAMES)
    assert len(set(failpoints.NAMES)) == len(failpoints.NAMES)


def test_unarmed_one_does_nothing() -> None:
    """Nothing happens in a process whose environment names none."""
    failpoints.arm({})
    for name in failpoints.NAMES:
        failpoints.hit(name)


def test_nth_passage_counts_and_only_that_one() -> None:
    """``NAME:3:enospc`` lets two pass, fails the third, and lets the fourth pass."""
    failpoints.arm({"MCAI_FAILPOINT": "write.begun:3:enospc,write.committed:fatal"})
    failpoints.hit("write.begun")
    failpoints.hit("write.begun")
    with pytest.raises(OSError, match="No space left") as full:
        failpoints.hit("write.begun")
    assert full.value.filename == "write.begun"
    failpoints.hit("write.begun")
    with pytest.raises(FatalStoreError, match=r"write\.committed"):
        failpoints.hit("write.committed")


def test_delay_waits() -> None:
    """A delay holds the process up, and no longer than it says."""
    failpoints.arm({"MCAI_FAILPOINT": "write.begun:delay"})
    begun = time.monotonic()
    failpoints.hit("write.begun")
    assert time.monotonic() - begun >= failpoints.DELAY_S


@pytest.mark.parametrize(("told", "signal"), [("write.begun", 9), ("write.begun:1:kill", 9)])
def test_kill_ends_the_process_as_a_power_cut_does(told: str, signal: int) -> None:
    """Nothing runs after it: no handler, no finally, no flush."""
    code = "from mcai import failpoints as f; f.arm()\ntry: f.hit('write.begun')\nfinally: print('lived')"
    done = python(code, env={"MCAI_FAILPOINT": told})
    assert (done.returncode, done.stdout) == (-signal, "")


@pytest.mark.parametrize("told", ["nowhere", "write.begun:explode", "write.begun:2:3:x", "write.begun,nowhere:kill"])
def test_unknown_name_or_action_is_refused_with_what_there_is(told: str) -> None:
    """A typing mistake does not make a crash test that tests nothing."""
    with pytest.raises(InvalidValueError, match="there is no failpoint") as refusal:
        failpoints.arm({"MCAI_FAILPOINT": told})
    assert "write.begun" in refusal.value.hint and "enospc" in refusal.value.hint
