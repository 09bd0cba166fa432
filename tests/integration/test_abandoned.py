"""What is left alone ends by itself: a daemon whose home is gone, a maintenance child whose command was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import PATIENCE_S, ask, log_of, pid_of, samples, spawned, wait_until
from mcai.client import Client, lifecycle
from mcai.paths import Home


def test_daemon_ends_when_its_home_is_deleted(fresh_home: Home) -> None:
    """It does not live on for nobody, and makes no home anew."""
    with spawned(fresh_home) as child:
        # Lance, which is being loaded meanwhile, may make a folder of its own again.
        shutil.rmtree(fresh_home.dir, ignore_errors=True)
        assert child.wait(PATIENCE_S) == 0
    assert not any(each.exists() for each in (fresh_home.catalog_path, fresh_home.lock_path, fresh_home.stopped_path))


def test_daemon_ends_when_its_socket_is_deleted(fresh_home: Home) -> None:
    """Nobody could reach it, and it would keep everybody from starting another."""
    with Client(fresh_home.dir) as client:
        client.add(samples(3))
    fresh_home.socket_path.unlink()
    wait_until(lambda: lifecycle.running(fresh_home) is None, "the home is free")

    assert "ending" in log_of(fresh_home)
    with Client(fresh_home.dir) as client:
        assert client.status().examples == 3


def test_another_homes_files_are_left_alone(fresh_home: Home) -> None:
    """A daemon that ends because its home was replaced touches nothing of what came instead."""
    with spawned(fresh_home) as child:
        fresh_home.dir.rename(fresh_home.dir.with_name("moved"))
        with Client(fresh_home.dir) as client:
            client.add(samples(2))
            child.wait(PATIENCE_S)
            assert client.status().examples == 2 and lifecycle.answers(fresh_home)


def test_stop_returns_when_the_process_has_ended(fresh_home: Home) -> None:
    """Whoever is told that the daemon was stopped finds no such process."""
    with spawned(fresh_home) as child:
        lifecycle.stop(fresh_home)
        assert child.poll() is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_ended_restore_leaves_no_child(number: signal.Signals, fresh_home: Home, tmp_path: Path) -> None:
    """Its child ends with it; the daemon that it had stopped runs again, after SIGKILL with the next command."""
    with Client(fresh_home.dir) as client:
        client.add(samples(3))
        client.backup(tmp_path / "kept")
    environment = {**os.environ, "MCAI_HOME": str(fresh_home.dir), "MCAI_FAILPOINT": "restore.built:stop"}
    before = pid_of(fresh_home)
    command = [sys.executable, "-m", "mcai_cli", "restore", str(tmp_path / "kept")]
    restoring = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    wait_until(lambda: (owner := lifecycle.running(fresh_home)) and owner.pid not in (0, before), "the child works")
    child = pid_of(fresh_home)
    wait_until(lambda: ") T " in Path(f"/proc/{child}/stat").read_text(), "the child is in the middle of it")
    restoring.send_signal(number)
    os.kill(child, signal.SIGCONT)

    assert restoring.wait(PATIENCE_S) == -number
    wait_until(lambda: not Path(f"/proc/{child}").exists(), "the child has ended")
    if number != signal.SIGKILL:
        assert lifecycle.answers(fresh_home) and pid_of(fresh_home) not in (before, child)
    with Client(fresh_home.dir) as client:
        assert client.status().examples == 3


def test_stop_does_not_wait_for_a_big_backup(fresh_home: Home, tmp_path: Path) -> None:
    """A backup that is under way is given up, says so, and leaves nothing behind."""
    from threading import Thread

    replies = []
    with spawned(fresh_home) as child, Client(fresh_home.dir, start=False) as client:
        client.add(samples(3))
        big = fresh_home.archive_dir / "big"
        fresh_home.archive_dir.mkdir(exist_ok=True)
        with big.open("wb") as file:
            file.truncate(1 << 30)
        body = {"dest": str(tmp_path / "kept"), "all": True}
        asking = Thread(target=lambda: replies.append(ask(fresh_home, "POST", "/v1/backups", body)))
        asking.start()
        wait_until(lambda: list(tmp_path.glob("making-*/archive/big")), "the big file is being copied")
        child.terminate()
        assert child.wait(PATIENCE_S) == 0
        asking.join()
    assert replies[0].code == "store_unavailable" and not list(tmp_path.iterdir())


def test_next_daemons_changes_survive_the_end_of_the_one_before(fresh_home: Home) -> None:
    """Made at the same path, the new home has a write-ahead log of the same name: the old daemon leaves it alone."""
    with spawned(fresh_home) as child:
        shutil.rmtree(fresh_home.dir, ignore_errors=True)
        with Client(fresh_home.dir) as client:
            client.add(samples(2))
        child.wait(PATIENCE_S)
        os.kill(pid_of(fresh_home), signal.SIGKILL)
        with Client(fresh_home.dir) as client:
            assert client.status().examples == 2
