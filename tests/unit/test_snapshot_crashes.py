"""Crashes and full disks at each step of publishing and merging."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mcai.errors import SnapshotDamagedError, StoreFullError
from mcai.failpoints import arm
from mcai.snapshot.generation import open_current
from mcai.snapshot.manifest import POINTER_NAME
from mcai.snapshot.store import SnapshotStore
from snapshot_kit import change, file_names, ids_of, numbered, open_store, published

TESTS_DIR = Path(__file__).resolve().parents[1]


WRITER = """
import sys; from pathlib import Path
from mcai.failpoints import arm; from mcai.snapshot import merging; from snapshot_kit import *
merging.FAN = merging.SMALL_ROWS = 2
folder = Path(sys.argv[1]); store = open_store(folder); arm()
for number in range(store.view.epoch + 1, 6):
    change(store, numbered(20, first=20 * number), gone=[20 * number - 7])
    store.publish()
    while store.merge(): pass
    print(store.published_epoch, flush=True)
"""


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("name", ["snapshot.segment", "snapshot.manifest", "snapshot.flipped", "snapshot.merged"])
def test_a_crash_at_any_step_leaves_a_readable_generation(tmp_path: Path, name: str, nth: int) -> None:
    """kill -9 at each failpoint: a whole generation is in force, no older than what was said, and the next start goes
    on from it without the leftovers."""

    def run(failpoint: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(TESTS_DIR), "MCAI_FAILPOINT": failpoint}
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    killed = run(f"{name}:{nth}")

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    said = max(map(int, killed.stdout.split()), default=0)
    if (tmp_path / POINTER_NAME).exists():
        view = open_current(tmp_path).view
        assert said <= view.epoch <= said + 1
        assert ids_of(view) == expected_ids(view.epoch)
    else:
        assert said == 0

    again = run("")
    assert again.returncode == 0, again.stderr
    opened = open_current(tmp_path)
    assert ids_of(opened.view) == expected_ids(5)
    assert file_names(tmp_path) == {POINTER_NAME, *opened.file_names()}


def expected_ids(epoch: int) -> list[int]:
    """Return what `WRITER` has written at an epoch."""
    gone = {20 * number - 7 for number in range(1, epoch + 1)}
    return [each for each in range(20, 20 * epoch + 20) if each not in gone]


@pytest.mark.parametrize("name", ["snapshot.segment", "snapshot.manifest", "snapshot.flipped", "snapshot.merged"])
def test_a_full_disk_at_any_step_changes_nothing_that_is_served(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC at each failpoint is an error with a reason; the rows are all there before, then and after."""
    monkeypatch.setattr("mcai.snapshot.merging.FAN", 2)
    store = published(tmp_path, numbered(10))
    change(store, numbered(10, first=20), gone=[3])
    expected = ids_of(store.view)
    if name == "snapshot.merged":
        store.publish()
    arm({"MCAI_FAILPOINT": f"{name}:1:enospc"})
    try:
        with pytest.raises(StoreFullError):
            while store.publish() or store.merge():
                pass
    finally:
        arm({})

    assert ids_of(store.view) == expected
    in_force = open_current(tmp_path)
    assert ids_of(in_force.view) in (expected, list(range(1, 11)))
    while store.publish() or store.merge():
        pass
    opened = open_current(tmp_path)
    assert ids_of(opened.view) == ids_of(store.view) == expected
    store.close()
    assert ids_of(open_store(tmp_path).view) == expected
    assert file_names(tmp_path) == {POINTER_NAME, *opened.file_names()}


def test_a_merge_that_meets_damage_fails_and_leaves_nothing(tmp_path: Path) -> None:
    """A damaged segment is not copied into a sound one: the merge says what is damaged."""
    store = published(tmp_path, numbered(10))
    for number in range(4):
        change(store, numbered(10, first=100 * number + 100))
        store.publish()
    store.close()
    path = sorted(tmp_path.glob("*.vectors"))[0]
    with path.open("r+b") as file:
        file.write(b"\xff\xff")
    store = open_store(tmp_path)
    names = file_names(tmp_path)

    with pytest.raises(SnapshotDamagedError, match=path.name):
        _merge_all(store)

    assert file_names(tmp_path) == names
    assert len(ids_of(store.view)) == 50


def _merge_all(store: SnapshotStore) -> None:
    while store.merge():
        pass
