"""Whatever lies in the place of a file or a folder of the home: nobody waits for it, and nothing is lost."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec
import pytest

from conftest import temporary_home
from helpers import samples, wait_until
from mcai import layout, settings
from mcai.client import Client, lifecycle
from mcai.errors import DamagedError
from mcai.paths import Home
from mcai.upkeep import bases, doctor, swap
from mcai.upkeep.archive_files import ArchiveFiles
from mcai_daemon.ownership import owned, prepare
from upkeep_kit import State, copy_of, opened, silent, state_in

HANGS_S = 10.0
"""What takes longer waits for something."""


def _random(path: Path) -> None:
    path.write_bytes(random.Random(7).randbytes(1 << 20))


def _full(path: Path) -> None:
    path.mkdir()
    (path / "thing").write_text("of somebody's")


OBSTACLES: Mapping[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a FIFO": os.mkfifo,
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "an empty file": lambda path: path.touch(),
    "random bytes": _random,
}
NAMES = (
    *("archive", "backups", "catalog.duckdb", "catalog.duckdb.wal", "config.toml", "daemon.lock", "daemon.log"),
    *("damaged", "failures.json", "journal", "mcaid.sock", "quarantine", "restoring.json", "snapshot", "start.lock"),
    *("stopped", "suspect", "tmp", "vectors", "snapshot/CURRENT", "JOURNAL", "PARQUET", "MANIFEST", "BASE"),
)
"""In upper case: one of the files of that kind."""


@pytest.fixture(scope="module")
def kept(own_environment: None) -> Iterator[Home]:
    """A home with one of everything, whose daemon was stopped."""
    with temporary_home() as home:
        lifecycle.start(home)
        with Client(home.dir, start=False) as client:
            client.add(samples(12))
            client.rotate(max_rows=8)
            head = client.status().epoch
            wait_until(lambda: (told := client.status().snapshot) and told.epoch == head, "the snapshot is published")
        lifecycle.stop(home)
        with opened(home) as catalog:
            ArchiveFiles(catalog, home.archive_dir).reconcile()
            bases.make(home, catalog)
        yield home


@pytest.fixture(scope="module")
def expected(kept: Home, tmp_path_factory: pytest.TempPathFactory) -> State:
    """What the home shows."""
    return state_in(copy_of(kept, tmp_path_factory.mktemp("whole") / "home"))


@pytest.fixture
def home(kept: Home, tmp_path: Path) -> Home:
    """A copy of it. Without the index: to open that takes seconds."""
    copy = copy_of(kept, tmp_path / "home")
    shutil.rmtree(copy.vectors_dir, ignore_errors=True)
    return copy


def _path(home: Home, name: str) -> Path:
    """Return where a name lies; in upper case it stands for a file whose name is not known before."""
    patterns = {
        "JOURNAL": "journal/*.jsonl",
        "PARQUET": "archive/*.parquet",
        "MANIFEST": "backups/*/manifest.json",
        "BASE": "backups/*/catalog.duckdb",
    }
    return next(home.dir.glob(patterns[name])) if name in patterns else home.dir / name


def _replace(path: Path, obstacle: str) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    OBSTACLES[obstacle](path)


@contextmanager
def _at_once() -> Iterator[None]:
    """Fail what waits for something that never comes."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it waited for more than {HANGS_S:g} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, HANGS_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _serve(home: Home) -> State:
    """Do what a daemon does before it listens; return what it would show."""
    prepare(home)
    settings.load(home)
    with owned(home):
        swap.finish_interrupted(home)
        return state_in(home)


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("name", NAMES)
def test_obstacle_is_put_aside(name: str, obstacle: str, expected: State, home: Home) -> None:
    """In the place of any name: a start refuses it or goes on with every row, and so it is after doctor --fix."""
    path = _path(home, name)
    _replace(path, obstacle)
    in_the_way = [each.path for each in layout.obstacles(home)]
    with _at_once():
        if in_the_way:
            with pytest.raises(DamagedError, match=re.escape(in_the_way[0].name)):
                _serve(home)
        told = doctor.examine(home, fix=True, tell=silent)
    with _at_once():
        assert not layout.obstacles(home)
        assert not in_the_way or (told.checks[0].fixed and str(path) in str(told.checks[0].cause))
        if name == "config.toml" and obstacle == "random bytes":
            assert [check.name for check in told.checks if not check.ok] == ["settings"], "a person wrote that file"
            home.config_path.unlink()
        else:
            assert told.ok, told
        assert _serve(home) == expected


def test_what_may_not_be_read_may_again(expected: State, home: Home) -> None:
    """Whatever of the home its user took from himself he gets back, and the report names each."""
    paths = [place.path for place in layout.places(home) if place.path.exists()]
    for path in paths:
        path.chmod(0)
    told = doctor.examine(home, fix=True, tell=silent)

    assert told.ok and told.checks[0].fixed and all(str(path) in str(told.checks[0].cause) for path in paths)
    assert all(path.stat().st_mode & 0o600 == 0o600 for path in paths) and state_in(home) == expected


def test_what_was_put_aside_is_whole(home: Home) -> None:
    """An obstacle is moved, with all that is in it, and a link by itself: nothing is deleted, nothing is followed."""
    outside = home.dir.parent / "outside"
    outside.mkdir()
    _full(home.failures_path)
    home.log_path.unlink(missing_ok=True)
    home.log_path.symlink_to(outside)

    assert doctor.examine(home, fix=True, tell=silent).ok
    folder = next(home.damaged_dir.glob("failures.json-*"))
    link = next(home.damaged_dir.glob("daemon.log-*"))
    assert (folder / "thing").read_text() == "of somebody's"
    assert link.is_symlink() and link.readlink() == outside and outside.is_dir()


@pytest.mark.parametrize("name", ["start.lock", "daemon.lock", "daemon.log", "mcaid.sock", "catalog.duckdb"])
def test_command_says_what_lies_there_and_mends_it(name: str, home: Home) -> None:
    """On the command line: no command hangs or shows a traceback, and after doctor --fix the next one just works."""
    (home.dir / name).unlink(missing_ok=True)
    _full(home.dir / name)

    def mcai(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mcai_cli", *words]
        environment = {**os.environ, "MCAI_HOME": str(home.dir)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=6 * HANGS_S)
        assert "Traceback" not in done.stderr + done.stdout
        return done

    refused = mcai("status")
    assert refused.returncode == 1 and name in refused.stderr and "mcai doctor --fix" in refused.stderr
    mended = mcai("doctor", "--fix")
    assert mended.returncode == 0, mended
    try:
        assert msgspec.json.decode(mcai("status", "--json").stdout)["examples"] == 8
    finally:
        lifecycle.stop(home)
