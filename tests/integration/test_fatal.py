"""After a fatal error of the engine the daemon ends with 70 and comes again by itself; three in a row are enough."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers import ask, contents, log_of, pid_of, sample, samples, spawned, wait_until
from mcai.client import Client, lifecycle
from mcai.engine_failures import EXIT_FATAL
from mcai.errors import CatalogDamagedError, DaemonError, DaemonStartError, FatalStoreError
from mcai.paths import Home

FAILING = {"MCAI_FAILPOINT": "write.begun:2:fatal"}


def _fail_once(home: Home) -> int:
    """Let a daemon of our own meet a fatal error in its second write; return its exit code."""
    with spawned(home, environment=FAILING) as daemon, Client(home.dir, start=False) as client:
        client.add([sample(len(log_of(home)))])
        with pytest.raises((FatalStoreError, DaemonError)):
            client.add(samples(1, first=900))
        return daemon.wait(60)


def test_daemon_ends_with_70_and_a_new_one_follows(fresh_home: Home) -> None:
    """What was acknowledged is there, nobody had to do anything, and the failure is in the log."""
    assert _fail_once(fresh_home) == 70

    wait_until(lambda: lifecycle.running(fresh_home) and lifecycle.answers(fresh_home), "a new daemon serves")
    with Client(fresh_home.dir, start=False) as client:
        assert client.status().examples == 1
    assert "a new daemon follows" in log_of(fresh_home)


def test_after_three_failures_it_stays_down_and_says_why(fresh_home: Home) -> None:
    """A daemon that keeps failing is not started a fourth time within five minutes."""
    for _ in range(2):
        assert _fail_once(fresh_home) == 70
        wait_until(lambda: lifecycle.running(fresh_home) and lifecycle.answers(fresh_home), "a new daemon serves")
        lifecycle.stop(fresh_home)
    assert _fail_once(fresh_home) == 70

    with pytest.raises(DaemonStartError, match=r"failed 3 times in 5 minutes, last: failpoint write\.begun") as refusal:
        Client(fresh_home.dir).status()
    assert "mcai doctor --fix" in refusal.value.hint
    assert lifecycle.running(fresh_home) is None


def test_catalog_cut_short_while_it_serves_is_mended(fresh_home: Home) -> None:
    """Whoever reads what is gone ends the daemon; the next one makes the catalog anew, says so, and has every row."""
    with Client(fresh_home.dir) as client:
        for first in range(0, 6_000, 1_000):
            client.add(samples(1_000, first))
        lifecycle.stop(fresh_home)
    with spawned(fresh_home) as daemon:
        os.truncate(fresh_home.catalog_path, fresh_home.catalog_path.stat().st_size // 4)
        with Client(fresh_home.dir, start=False) as client, pytest.raises((CatalogDamagedError, DaemonError)):
            contents(client)
        assert daemon.wait(60) == EXIT_FATAL

    wait_until(lambda: lifecycle.running(fresh_home) and lifecycle.answers(fresh_home), "a new daemon serves")
    with Client(fresh_home.dir, start=False) as client:
        recovery = client.status().recovery
        assert len(contents(client)) == 6_000
    assert recovery is not None and recovery.lost_epochs == 0 and "made anew" in recovery.cause
    assert "damaged" in recovery.cause and all(Path(kept).parent == fresh_home.damaged_dir for kept in recovery.kept)
    assert not fresh_home.suspect_path.exists()


def test_readiness_goes_off_at_once(fresh_home: Home) -> None:
    """Between the failure and the end nobody is sent here any more."""
    with spawned(fresh_home, environment={"MCAI_FAILPOINT": "write.begun:1:fatal"}) as daemon:
        assert ask(fresh_home, "GET", "/v1/health/ready").status == 200
        reply = ask(fresh_home, "POST", "/v1/examples", {"examples": samples(1)})
        assert (reply.status, reply.code) == (503, "store_fatal")
        assert daemon.wait(60) == 70
    wait_until(lambda: lifecycle.answers(fresh_home), "a new daemon serves")
    assert pid_of(fresh_home) != daemon.pid
