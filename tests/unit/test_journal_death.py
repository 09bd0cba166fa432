"""The journal of a process that dies: what was acknowledged is there, and at most the entry being written beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from helpers import PATIENCE_S
from journal_kit import TIMELINE, one_of_everything, payload, read_all, read_and_scan
from mcai.store.journal import Journal, next_chain, redact, scan

TESTS_DIR = Path(__file__).parent.parent

APPENDING = f"""
import sys
sys.path.insert(0, {str(TESTS_DIR)!r})
from pathlib import Path
from journal_kit import Writer
from mcai import failpoints
failpoints.arm()
writer = Writer(Path(sys.argv[1]), segment_bytes=4_000)
print("0", flush=True)
epoch = 0
while True:
    epoch += 1
    writer.append(epoch, pad="x" * (epoch * 37 % 2_000))
    if epoch % 7 == 0:
        writer.abort()
        writer.append(epoch, "second")
    print(epoch, flush=True)
"""

REDACTING = """
import os, sys
from pathlib import Path
from mcai.store.journal import redact
left = int(sys.argv[2])
def die(event, arguments):
    global left
    if event in ("open", "os.rename", "os.remove", "os.truncate") and str(arguments[0]).startswith(sys.argv[1]):
        left -= 1
        if left < 0:
            os._exit(9)
sys.addaudithook(die)
redact(Path(sys.argv[1]), lambda told: told.replace(b"second", b"-") if b"second" in told else None)
"""


def _child(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})


def _acknowledged(child: subprocess.Popen[str], read_before: str = "") -> int:
    """Return the last epoch that a dying child told."""
    assert child.stdout is not None
    with child.stdout:
        told = read_before + child.stdout.read()
    child.wait(PATIENCE_S)
    return int(told.split()[-1])


def _check_after_death(folder: Path, acknowledged: int) -> None:
    found, told = read_and_scan(folder)
    assert list(found) == list(range(1, len(found) + 1)) and not told.gaps
    assert acknowledged <= len(found) <= acknowledged + 1, (acknowledged, len(found))
    assert all(damage.torn for damage in told.damage), told.damage
    head = len(found)
    journal = Journal.open(folder, TIMELINE, head, found[head][0] if head else bytes(16))
    journal.append(head + 1, next_chain(journal.chain, payload(head + 1)), payload(head + 1))
    journal.close()
    assert len(read_all(folder)) == head + 1 and not scan(folder).damage


def test_a_killed_writer_loses_nothing_that_it_told(tmp_path: Path) -> None:
    """Killed at any moment: every epoch told is there, at most the one being written beside them."""
    for run in range(4):
        folder = tmp_path / str(run) / "journal"
        child = _child(APPENDING, str(folder))
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(20 + 60 * run)]
        child.kill()
        _check_after_death(folder, _acknowledged(child, told[-1]))


def test_killed_between_two_segments(tmp_path: Path) -> None:
    """The old segment is whole, and the next epoch begins the new one."""
    folder = tmp_path / "journal"
    child = _child(APPENDING, str(folder), MCAI_FAILPOINT="journal.segment:3:kill")
    acknowledged = _acknowledged(child)
    assert child.returncode == -signal.SIGKILL and len(list(folder.iterdir())) == 3
    _check_after_death(folder, acknowledged)


def test_redact_may_die_anywhere(tmp_path: Path) -> None:
    """Between any two steps on files: each segment is the old or the new one, and doing it again completes it."""
    for steps in range(20):
        folder = tmp_path / str(steps) / "journal"
        writer = one_of_everything(folder)
        child = _child(REDACTING, str(folder), str(steps))
        child.communicate(timeout=PATIENCE_S)
        new = {epoch: (chain, told.replace(b"second", b"-")) for epoch, (chain, told) in writer.history.items()}
        found, told = read_and_scan(folder)
        assert not told.damage and all(found[epoch] in (writer.history[epoch], new[epoch]) for epoch in new)
        redact(folder, lambda told: told.replace(b"second", b"-") if b"second" in told else None)
        assert read_all(folder) == new and len(list(folder.iterdir())) == 3
        if child.returncode == 0:
            return
    raise AssertionError("the child never came to the end")
