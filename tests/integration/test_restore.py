"""Restoring: to any epoch, to a moment, over and over, and killed on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from catalog_contract import numbered
from helpers import spawned
from mcai import failpoints, times
from mcai.client import Client
from mcai.client.lifecycle import EXIT_ALREADY_OWNED
from mcai.errors import DamagedError, NotFoundError, StoreFullError
from mcai.paths import Home
from mcai.store import backup as folders
from mcai.store.base import CopyFacts
from mcai.store.duck import verify
from mcai.store.duck.engine import Engine
from mcai.upkeep import backup, bases
from mcai.upkeep.restore import restore
from mcai.upkeep.swap import BUILD_PREFIX, finish_interrupted
from upkeep_kit import State, copy_of, digests, full_disk, make_history, opened, silent, state_in, state_of

BACKED_UP_AT = 6


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path, dict[int, State]]:
    """A home with a history, a backup from the middle of it, and what it showed after each epoch."""
    folder = tmp_path_factory.mktemp("kept")
    home = Home(folder / "home")
    with opened(home) as catalog:
        states = {0: state_of(catalog)}
        for epoch in make_history(catalog):
            states[epoch] = state_of(catalog)
            if epoch == BACKED_UP_AT:
                backup.write(home, catalog, folder / "backup", everything=False)
    return home, folder / "backup", states


def run(home: Home, *words: str, failpoint: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run a verb of maintenance as the CLI does."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "mcai_daemon", "--home", str(home.dir), "--maintenance", *words],
        capture_output=True,
        env={**os.environ, "MCAI_FAILPOINT": failpoint},
        check=False,
    )


def told(done: subprocess.CompletedProcess[bytes]) -> Any:
    return msgspec.json.decode(done.stdout)


def test_every_epoch_comes_back_as_it_was(kept: tuple[Home, Path, dict[int, State]], tmp_path: Path) -> None:
    """Before the backup by going back, after it by its journal and the home's: each is what was exported then."""
    home, source, states = kept
    for epoch, state in states.items():
        target = copy_of(home, tmp_path / str(epoch))
        done = restore(target, source, to_epoch=epoch, tell=silent)
        assert done.epoch == epoch
        assert state_in(target) == state, f"epoch {epoch}"


def test_moment_means_the_last_epoch_before_it(kept: tuple[Home, Path, dict[int, State]], tmp_path: Path) -> None:
    """--to-time takes the last epoch that was committed at or before the moment; before the first one it is refused."""
    home, source, states = kept
    moments = {entry["epoch"]: entry["at"] for entry in msgspec.json.decode(states[max(states)])["log"]}
    for epoch in (2, BACKED_UP_AT, 8):
        target = copy_of(home, tmp_path / str(epoch))
        assert restore(target, source, to_time=moments[epoch], tell=silent).epoch == epoch
    far = restore(copy_of(home, tmp_path / "far"), source, to_time=times.show(times.now()), tell=silent)
    assert far.epoch == max(states)
    with pytest.raises(NotFoundError, match="nothing yet"):
        restore(home, source, to_time="2020-01-01", tell=silent)


def test_epoch_that_nothing_leads_to_is_refused(kept: tuple[Home, Path, dict[int, State]], tmp_path: Path) -> None:
    """On another machine only the backup's own journal leads on; the answer names what can be had."""
    home, source, states = kept
    with pytest.raises(NotFoundError, match=rf"only 0 to {max(states)}"):
        restore(home, source, to_epoch=max(states) + 1, tell=silent)
    fresh = Home(tmp_path / "fresh")
    fresh.dir.mkdir()
    with pytest.raises(NotFoundError, match=rf"only 0 to {BACKED_UP_AT}"):
        restore(fresh, source, to_epoch=BACKED_UP_AT + 1, tell=silent)
    assert list(fresh.dir.iterdir()) == []


def test_journal_of_another_history_is_not_followed(kept: tuple[Home, Path, dict[int, State]], tmp_path: Path) -> None:
    """A home that was restored and went on has other epochs of the same numbers: they are not taken for these."""
    home, source, _ = kept
    target = copy_of(home, tmp_path / "other")
    restore(target, source, tell=silent)
    with opened(target) as catalog:
        catalog.add(numbered(2, first=500))
    with pytest.raises(NotFoundError, match=rf"only 0 to {BACKED_UP_AT}"):
        restore(target, source, to_epoch=BACKED_UP_AT + 1, tell=silent)


def test_gap_is_not_stepped_over(kept: tuple[Home, Path, dict[int, State]], tmp_path: Path) -> None:
    """Where the journal of the time between is gone, a moment behind the gap is refused, one before it is not."""
    home, source, states = kept
    target = copy_of(home, tmp_path / "gap")
    with opened(target) as catalog:
        for number in range(3):
            catalog.add(numbered(1, first=700 + number))
            bases.make(target, catalog)
        catalog.add(numbered(1, first=800))
    with pytest.raises(NotFoundError, match="not kept"):
        restore(target, source, to_time=times.show(times.now()), tell=silent)
    log = msgspec.json.decode(states[BACKED_UP_AT])["log"]
    assert restore(target, source, to_time=log[0]["at"], tell=silent).epoch == BACKED_UP_AT


def test_ids_are_never_given_out_again(kept: tuple[Home, Path, dict[int, State]], tmp_path: Path) -> None:
    """What was added after the restored epoch keeps its ids to itself, also after a second restore."""
    home, source, states = kept
    highest = max(row["id"] for state in states.values() for row in msgspec.json.decode(state)["examples"])
    target = copy_of(home, tmp_path / "target")
    for _ in range(2):
        restore(target, source, to_epoch=1, tell=silent)
        with opened(target) as catalog:
            fresh = catalog.add(numbered(2, first=900)).results[0].id
        assert isinstance(fresh, int) and fresh > highest
        highest = fresh + 1


def test_what_was_replaced_can_be_restored(kept: tuple[Home, Path, dict[int, State]], tmp_path: Path) -> None:
    """A restore puts the present state aside as a backup: restoring that one undoes it."""
    home, source, states = kept
    target = copy_of(home, tmp_path / "target")
    first = restore(target, source, tell=silent)
    assert state_in(target) == states[BACKED_UP_AT] and first.replaced is not None
    second = restore(target, Path(first.replaced), tell=silent)

    assert state_in(target) == states[max(states)]
    assert len({first.timeline, second.timeline}) == 2
    assert len(folders.found_in(target.backups_dir, "replaced-")) == 2


def test_what_went_leaves_no_bytes(kept: tuple[Home, Path, dict[int, State]], tmp_path: Path) -> None:
    """The file of an earlier epoch is written anew: nothing of what came later is in it."""
    home, source, _ = kept
    assert b"question 2, edited" in (source / folders.CATALOG).read_bytes()
    target = copy_of(home, tmp_path / "target")
    restore(target, source, to_epoch=2, tell=silent)
    raw = target.catalog_path.read_bytes()
    assert b"question 2, edited" not in raw and b"question 2" in raw


def test_full_disk_leaves_the_home_as_it_is(kept: tuple[Home, Path, dict[int, State]], tmp_path: Path) -> None:
    """Where there is no room for the new state, not even its beginnings stay."""
    home, source, _ = kept
    target = copy_of(home, tmp_path / "target")
    before = digests(target.dir)
    failpoints.arm({"MCAI_FAILPOINT": "restore.built:enospc"})
    try:
        with pytest.raises(StoreFullError):
            restore(target, source, tell=silent)
    finally:
        failpoints.arm({})
    assert digests(target.dir) == before and not list(target.dir.glob(f"{BUILD_PREFIX}*"))


def test_catalog_that_cannot_be_closed_whole_is_not_put_in_place(
    kept: tuple[Home, Path, dict[int, State]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB says nothing when there is no room for its last checkpoint: the restore does, and nothing changes."""
    home, source, states = kept
    target = copy_of(home, tmp_path / "target")
    before, facts, asked = digests(target.dir), verify.facts, count(1)

    with ExitStack() as stack:

        def fill_the_disk(catalog: verify.Source) -> CopyFacts:
            found = facts(catalog)
            if next(asked) == 2:  # the last thing before the built catalog is closed
                stack.enter_context(full_disk())
            return found

        monkeypatch.setattr(verify, "facts", fill_the_disk)
        with pytest.raises(StoreFullError):
            restore(target, source, to_epoch=max(states), tell=silent)

    assert digests(target.dir) == before and not list(target.dir.glob(f"{BUILD_PREFIX}*"))


def test_built_file_is_asked_again_before_it_is_put_in_place(
    kept: tuple[Home, Path, dict[int, State]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that lacks, once it is closed, what the engine held is refused; the home is as it was."""
    home, source, states = kept
    target = copy_of(home, tmp_path / "target")
    before, close = digests(target.dir), Engine.close_whole

    def lose_everything(engine: Engine) -> None:
        close(engine)
        assert engine.path is not None
        shutil.copy(source / folders.CATALOG, engine.path)

    monkeypatch.setattr(Engine, "close_whole", lose_everything)
    with pytest.raises(DamagedError, match=f"epoch {BACKED_UP_AT} and .* not {max(states)} and"):
        restore(target, source, to_epoch=max(states), tell=silent)

    assert digests(target.dir) == before


@pytest.mark.parametrize("place", ["restore.built", "restore.marked", "restore.moved", "restore.swapped"])
def test_killed_restore_leaves_the_old_or_the_new(
    kept: tuple[Home, Path, dict[int, State]], tmp_path: Path, place: str
) -> None:
    """Wherever it dies, the next start shows the old state or the new one, whole, and nothing lies about."""
    home, source, states = kept
    target = copy_of(home, tmp_path / "target")
    target.vectors_dir.mkdir()

    assert run(target, "restore", str(source), failpoint=place).returncode == -signal.SIGKILL
    finish_interrupted(target)

    wanted = max(states) if place == "restore.built" else BACKED_UP_AT
    assert state_in(target) == states[wanted]
    assert target.vectors_dir.exists() == (place == "restore.built"), "what was derived from the old goes with it"
    assert not list(target.dir.glob(f"{BUILD_PREFIX}*")) and not list(target.dir.glob("restoring*"))
    assert restore(target, source, tell=silent).epoch == BACKED_UP_AT


def test_daemon_finishes_a_killed_restore(kept: tuple[Home, Path, dict[int, State]], fresh_home: Home) -> None:
    """A daemon that starts after the kill serves the new state."""
    home, source, _ = kept
    copy_of(home, fresh_home.dir)
    run(fresh_home, "restore", str(source), failpoint="restore.moved")
    with spawned(fresh_home), Client(fresh_home.dir, start=False) as client:
        assert client.status().epoch == BACKED_UP_AT


def test_owned_home_is_left_alone(kept: tuple[Home, Path, dict[int, State]], fresh_home: Home) -> None:
    """While a daemon serves, restore and doctor end with 75 and name its pid."""
    with spawned(fresh_home) as daemon:
        for words in (["restore", str(kept[1])], ["doctor"], ["doctor", "--fix"]):
            done = run(fresh_home, *words)
            assert done.returncode == EXIT_ALREADY_OWNED
            assert str(daemon.pid) in told(done)["error"]["message"]


def test_maintenance_answers_in_json(kept: tuple[Home, Path, dict[int, State]], tmp_path: Path) -> None:
    """Result and error are one JSON document on stdout; what is being done goes to stderr."""
    _, source, states = kept
    fresh = Home(tmp_path / "fresh")
    assert told(run(fresh, "check-backup", str(source)))["epoch"] == BACKED_UP_AT
    failed = run(fresh, "restore", str(tmp_path / "nothing"))
    assert failed.returncode == 1 and told(failed)["error"]["code"] == "not_found"
    done = run(fresh, "restore", str(source), "--to-epoch", "3")
    assert done.returncode == 0 and b"checking the backup" in done.stderr
    assert told(done) == {**told(done), "home": str(fresh.dir), "epoch": 3, "replaced": None}
    assert state_in(fresh) == states[3]
