"""Rotation as cron and the daemon do it: silent, one after the other, and with its archive as files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from helpers import contents, samples, spawned, wait_until
from mcai.client import Client
from mcai.paths import Home


@pytest.fixture
def filled(client: Client) -> Iterator[Client]:
    """The client of a home with nothing but ten samples."""
    client.restore_archived()
    for each in client.datasets().datasets:
        client.drop_dataset(each.domain)
    client.add(samples(10))
    yield client


def _cron(home: Home, *words: str) -> subprocess.Popen[str]:
    """Run a command as cron does: hardly any environment, no terminal."""
    environment = {"MCAI_HOME": str(home.dir), "PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"]}
    command = [sys.executable, "-m", "mcai_cli", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def _ended(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = child.communicate(timeout=60)
    return child.returncode, out, err


def test_cron_hears_nothing_when_there_is_nothing_to_do(daemon_home: Home, filled: Client) -> None:
    """Policy off, or nobody over the cap: no word, exit 0."""
    assert _ended(_cron(daemon_home, "rotate")) == (0, "", "")
    assert _ended(_cron(daemon_home, "rotate", "--max", "10")) == (0, "", "")


def test_two_at_once_move_each_example_once(daemon_home: Home, filled: Client) -> None:
    """The second finds nothing left; ten more never take the domain below its cap."""
    runs = [_cron(daemon_home, "rotate", "--max", "4", "--json") for _ in range(3)]
    told = [msgspec.json.decode(out) for code, out, err in map(_ended, runs) if code == 0 and not err]

    assert sorted(each["moved"] for each in told) == [0, 0, 6]
    assert {filled.rotate(4).moved for _ in range(10)} == {0} and filled.dataset("samples").examples == 4


def test_failure_has_a_word_and_a_code(fresh_home: Home) -> None:
    """Without a daemon and without leave to start one cron gets exit 3 and a line."""
    code, out, err = _ended(_cron(fresh_home, "rotate", "--no-start"))

    assert code == 3 and out == "" and err.strip()


def test_archive_is_a_file_that_migrate_reads(
    daemon_home: Home, filled: Client, fresh_home: Home, tmp_path: Path
) -> None:
    """What was archived can be imported elsewhere, field by field; restored, it leaves the file."""
    before = contents(filled)
    epoch = filled.rotate(7).epoch
    path = daemon_home.archive_dir / f"{epoch:016}.parquet"
    wait_until(path.exists, "the archive has its file")
    assert contents(filled) == before[3:]

    with spawned(fresh_home), Client(fresh_home.dir, start=False) as other:
        assert _ended(_cron(fresh_home, "migrate", str(path)))[0] == 0
        assert contents(other) == before[:3]
        for mine, theirs in zip(filled.archived().examples, other.page().examples, strict=True):
            assert msgspec.structs.replace(theirs, id=mine.id) == mine

    assert filled.restore_archived().restored == 3
    wait_until(lambda: not path.exists(), "the empty file is gone")
    assert contents(filled) == before


def test_daemon_rotates_by_itself(fresh_home: Home) -> None:
    """With a policy and a schedule nobody has to ask; an archive that was deleted is made again at the start."""
    policy = {"MCAI_ROTATION__ENABLED": "on", "MCAI_ROTATION__MAX_ROWS": "4", "MCAI_ROTATION__EVERY_H": "0.0001"}
    with spawned(fresh_home, environment=policy), Client(fresh_home.dir, start=False) as client:
        client.add(samples(10))
        wait_until(lambda: client.dataset("samples").examples == 4, "the oldest are archived")
        assert contents(client) == [each["content"] for each in samples(4, first=6)]
        wait_until(lambda: any(fresh_home.archive_dir.glob("*.parquet")), "the archive has its file")
    [path] = fresh_home.archive_dir.glob("*.parquet")
    path.unlink()

    with spawned(fresh_home):
        wait_until(path.exists, "the file is made again")
