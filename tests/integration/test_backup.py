"""Backups of a daemon that serves: made while others write, restored by the CLI's own way."""

from __future__ import annotations

import shutil
import signal
import threading
from pathlib import Path

import pytest

from helpers import PATIENCE_S, all_ids, contents, samples, spawned, wait_until
from mcai.client import Client, lifecycle, maintenance
from mcai.errors import ConflictError, InvalidRequestError, McaiError
from mcai.paths import Home
from mcai.store import backup as folders
from upkeep_kit import silent


def test_backup_of_a_serving_daemon_restores_to_what_it_showed(fresh_home: Home, tmp_path: Path) -> None:
    """What was exported when the backup was made comes back, pages and searches alike; what came later does not."""
    lifecycle.start(fresh_home)
    with Client(fresh_home.dir, start=False) as client:
        client.add(samples(40))
        before = contents(client)
        done = client.backup(tmp_path / "backup")
        client.delete(all_ids(client)[:10])
        client.add(samples(5, first=100))
        assert (done.epoch, done.rows) == (1, 40) and done.bytes > 0 < done.files

    restored = maintenance.restore(fresh_home, tmp_path / "backup", tell=silent)

    assert lifecycle.running(fresh_home), "a daemon that ran before runs again"
    with Client(fresh_home.dir, start=False) as client:
        assert contents(client) == before
        status = client.status()
        assert (status.epoch, status.timeline) == (restored.epoch, restored.timeline) == (1, status.timeline)
        hits = client.search("question 3", mode="keyword", limit=50).hits
        assert hits and {hit.id for hit in hits} <= set(all_ids(client))
        fresh = client.add(samples(1, first=200)).results[0].id
        assert isinstance(fresh, int) and fresh > 45, "ids are never given out again"
        assert client.doctor().ok


def test_writers_go_on_while_a_backup_is_made(fresh_home: Home, tmp_path: Path) -> None:
    """Rows are acknowledged while backups are being made, and the daemon refuses what it must."""
    lifecycle.start(fresh_home)
    acknowledged = 0
    done = threading.Event()

    def write() -> None:
        nonlocal acknowledged
        with Client(fresh_home.dir, start=False) as client:
            while not done.is_set():
                client.add(samples(1, first=acknowledged))
                acknowledged += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with Client(fresh_home.dir, start=False) as client:
            wait_until(lambda: acknowledged > 5, "rows are written")
            for name in ("one", "two"):
                floor = acknowledged
                made = client.backup(tmp_path / name)
                assert made.rows >= floor
            with pytest.raises(ConflictError):
                client.backup(tmp_path / "one")
            with pytest.raises(InvalidRequestError):
                client.backup(fresh_home.journal_dir / "x")
            wait_until(lambda: acknowledged > made.rows, "rows are written afterwards")
    finally:
        done.set()
        writer.join()
    with Client(fresh_home.dir, start=False) as client:
        assert client.status().examples == acknowledged


def test_daemon_makes_a_base_copy_by_itself(fresh_home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A daemon whose history nothing could repair soon makes a base copy."""
    lifecycle.start(fresh_home)
    with Client(fresh_home.dir, start=False) as client:
        client.add(samples(3))
        client.backup(tmp_path / "backup")
    maintenance.restore(fresh_home, tmp_path / "backup", tell=silent)
    with Client(fresh_home.dir, start=False) as client:
        client.add(samples(3, first=10))
        shutil.rmtree(fresh_home.backups_dir)
        wait_until(lambda: folders.found_in(fresh_home.backups_dir, folders.BASE_PREFIX), "there is a base copy")
        assert client.backups().backups[0].epoch >= 1
        assert client.doctor().ok


def test_a_backup_that_a_crash_cut_off_is_none(fresh_home: Home) -> None:
    """Its name is free again, nothing of it stays in the home, and the doctor finds nothing wrong."""
    dest = fresh_home.backups_dir / "mine"
    with (
        spawned(fresh_home, environment={"MCAI_FAILPOINT": "backup.copied"}) as child,
        Client(fresh_home.dir, start=False) as client,
    ):
        client.add(samples(3))
        with pytest.raises(McaiError):
            client.backup(dest)
        assert child.wait(PATIENCE_S) == -signal.SIGKILL

    assert [path.name.partition("-")[0] for path in fresh_home.backups_dir.iterdir()] == ["making"]
    lifecycle.start(fresh_home)
    with Client(fresh_home.dir, start=False) as client:
        wait_until(lambda: not list(fresh_home.backups_dir.iterdir()), "what was cut off is removed")
        assert client.doctor().ok
        assert client.backup(dest).rows == 3
