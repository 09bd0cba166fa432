"""Starting: one daemon a home, whoever starts it and however many do at once."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers import ask, kill, log_of, pid_of, python, samples, spawned, wait_until
from mcai.client import Client, lifecycle
from mcai.errors import (
    ConfigError,
    DaemonNotRunningError,
    DaemonStartError,
    SchemaVersionError,
    TimeoutExpiredError,
    UnknownKeyError,
)
from mcai.paths import MAX_SOCKET_PATH_BYTES, RUNTIME_DIR, Home, find_home
from mcai.store.duck import DuckCatalog

RACERS = 20


def test_twenty_starts_at_once_start_one_daemon(fresh_home: Home) -> None:
    """Every racer gets an answer from the same daemon, exactly one says that it started it.

    Each is waited for until its pipes close: a daemon that had inherited one would hold it open for ever.
    """
    code = "import sys, mcai; print(mcai.Client(sys.argv[1]).status().daemon.pid)"
    command = [sys.executable, "-c", code, str(fresh_home.dir)]
    racers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(RACERS)
    ]
    ended = [racer.communicate() for racer in racers]

    assert [racer.returncode for racer in racers] == [0] * RACERS, ended
    assert {out.strip() for out, _ in ended} == {str(pid_of(fresh_home))}
    words = [err for _, err in ended if err]
    assert len(words) == 1 and "starting the daemon" in words[0] and str(fresh_home.dir) in words[0]
    assert log_of(fresh_home).count('"event": "serving"') == 1


def test_second_daemon_ends_with_75_and_names_the_first(daemon_home: Home, client: Client) -> None:
    """`mcaid` by hand beside a running daemon touches nothing and says who owns the home."""
    command = [sys.executable, "-m", "mcai_daemon", "--home", str(daemon_home.dir)]

    ended = subprocess.run(command, capture_output=True, text=True)

    assert ended.returncode == 75
    told = json.loads(ended.stderr.splitlines()[-1])["error"]
    assert told["code"] == "daemon_already_running" and f"pid {pid_of(daemon_home)}" in told["message"]
    assert "Traceback" not in ended.stderr
    assert client.status().daemon.pid == pid_of(daemon_home)


def test_client_starts_what_is_absent_and_uses_what_is_there(fresh_home: Home) -> None:
    """The first call starts the daemon, the next ones find it."""
    with Client(fresh_home.dir) as client:
        assert client.add(samples(1)).imported == 1
        pid = pid_of(fresh_home)
        assert not lifecycle.start(fresh_home)
        assert client.status().daemon.pid == pid


@pytest.mark.parametrize("way", ["argument", "variable"])
def test_start_can_be_switched_off(way: str, fresh_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """`start=False` and MCAI_NO_START=1 leave an absent daemon absent, with a word on how to start it."""
    if way == "variable":
        monkeypatch.setenv("MCAI_NO_START", "1")

    with Client(fresh_home.dir, start=way == "variable") as client, pytest.raises(DaemonNotRunningError) as caught:
        client.status()

    assert "mcai daemon start" in caught.value.hint
    assert lifecycle.running(fresh_home) is None and not fresh_home.dir.exists()


def test_daemon_stands_on_its_own(daemon_home: Home) -> None:
    """A session of its own, cwd /, nothing to read, and stdout and stderr in the log."""
    pid = pid_of(daemon_home)
    process = Path(f"/proc/{pid}")
    if not process.is_dir():
        pytest.skip("LOUD: needs /proc to look at the daemon's descriptors")

    assert os.getsid(pid) == pid
    assert (process / "cwd").readlink() == Path("/")
    assert (process / "fd/0").readlink() == Path("/dev/null")
    assert {(process / "fd/1").readlink(), (process / "fd/2").readlink()} == {daemon_home.log_path}


def test_socket_and_folders_are_private(daemon_home: Home) -> None:
    """The socket is 0600 in a 0700 folder; nothing in the home is open to others."""

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.lstat().st_mode)

    assert mode(daemon_home.socket_path) == 0o600 and mode(daemon_home.dir) == 0o700
    loose = [path for path in daemon_home.dir.rglob("*") if mode(path) & 0o077 and not path.is_symlink()]
    assert loose == []


def test_open_home_is_closed(fresh_home: Home) -> None:
    """A home that others could enter is made private before anything is put into it."""
    fresh_home.dir.mkdir()
    fresh_home.dir.chmod(0o777)

    lifecycle.start(fresh_home)

    assert stat.S_IMODE(fresh_home.dir.stat().st_mode) == 0o700


def test_long_home_has_its_socket_elsewhere(fresh_home: Home) -> None:
    """Beyond 100 bytes the socket lies in a private runtime folder, and `status` names it."""
    home = find_home(fresh_home.dir / ("long" * 30))
    try:
        with Client(home.dir) as client:
            status = client.status()

        assert status.home == str(home.dir) and len(status.home) > MAX_SOCKET_PATH_BYTES
        assert status.daemon.socket == str(home.socket_path) and home.socket_path.parent.parent == RUNTIME_DIR
        assert stat.S_IMODE(home.socket_path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(home.socket_path.stat().st_mode) == 0o600
    finally:
        kill(home)
        shutil.rmtree(home.socket_path.parent)


def test_two_homes_know_nothing_of_each_other(daemon_home: Home, client: Client, fresh_home: Home) -> None:
    """Two daemons serve two homes at once, each its own rows."""
    client.add([{"content": "only in the first"}])

    with Client(fresh_home.dir) as other:
        other.add([{"content": "only in the second"}])
        assert [each.content for each in other.page().examples] == ["only in the second"]
        assert other.status().daemon.pid != client.status().daemon.pid
    assert "only in the second" not in {each.content for each in client.page(limit=1_000).examples}


def test_wrong_setting_is_told_by_whoever_starts(fresh_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon's last word, here about a mistyped setting, is the error that its starter raises."""
    monkeypatch.setenv("MCAI_SERACH__WAIT_S", "1")

    with Client(fresh_home.dir) as client, pytest.raises(UnknownKeyError, match="MCAI_SERACH__WAIT_S") as caught:
        client.status()

    assert "MCAI_SEARCH__WAIT_S" in caught.value.hint


def test_newer_store_is_refused_by_name(fresh_home: Home) -> None:
    """A data folder of a newer version is left alone; its schema is named."""
    fresh_home.dir.mkdir(mode=0o700)
    catalog = DuckCatalog.open(fresh_home.catalog_path)
    catalog.engine.set_meta("schema_version", "99")
    catalog.close()

    with Client(fresh_home.dir) as client, pytest.raises(SchemaVersionError, match="schema 99"):
        client.status()

    assert lifecycle.running(fresh_home) is None and not fresh_home.socket_path.exists()


def test_home_that_is_a_file_is_told_as_such(fresh_home: Home) -> None:
    """A path that cannot be a home is an error that names it, not a hang."""
    fresh_home.dir.write_text("I am a file")

    with Client(fresh_home.dir) as client, pytest.raises((DaemonStartError, ConfigError), match=str(fresh_home.dir)):
        client.status()


@pytest.mark.skipif(os.getuid() != 0, reason="LOUD: only root can make a folder of another user to try this on")
def test_home_of_another_user_is_refused(fresh_home: Home) -> None:
    """Data is not put into a folder that somebody else controls."""
    fresh_home.dir.mkdir()
    os.chown(fresh_home.dir, 65_534, 65_534)

    with Client(fresh_home.dir) as client, pytest.raises(ConfigError, match="not a folder of this user"):
        client.status()

    assert not fresh_home.catalog_path.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="LOUD: only root can become another user to try this")
def test_other_users_connections_are_dropped(fresh_home: Home) -> None:
    """Even with the socket's mode opened up, another user gets no answer."""
    code = (
        "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "connection = socket.socket(socket.AF_UNIX); connection.connect(sys.argv[1])\n"
        "answer = b''\n"
        "try:\n"
        "    connection.sendall(b'GET /v1/status HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\n"
        "    answer = connection.recv(100)\n"
        "except ConnectionError: pass\n"
        "sys.exit(len(answer))"
    )
    with spawned(fresh_home):
        fresh_home.dir.parent.chmod(0o755)
        fresh_home.dir.chmod(0o755)
        fresh_home.socket_path.chmod(0o666)
        ended = python(code, str(fresh_home.socket_path))

        assert (ended.returncode, ended.stderr) == (0, "")
        assert ask(fresh_home, "GET", "/v1/health/live").status == 200
    assert "Traceback" not in log_of(fresh_home)


@contextmanager
def _owned(home: Home) -> Iterator[None]:
    """Hold a home's lock as a daemon does that has not bound its socket yet."""
    home.dir.mkdir(mode=0o700)
    with home.lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write('{"pid": 1, "version": "0", "started_at": ""}')
        lock.flush()
        yield


def _is_starting(home: Home) -> bool:
    try:
        with home.start_lock_path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def test_daemon_that_is_coming_up_is_waited_for(fresh_home: Home) -> None:
    """Between an owner's lock and its socket a client waits instead of starting another."""
    with _owned(fresh_home), ThreadPoolExecutor(1) as pool, socket.socket(socket.AF_UNIX) as listener:
        started = pool.submit(lifecycle.start, fresh_home)
        wait_until(lambda: _is_starting(fresh_home) or started.done(), "the client waits")
        listener.bind(str(fresh_home.socket_path))
        listener.listen()

        assert started.result() is False


def test_owner_that_ends_without_a_socket_is_replaced(fresh_home: Home) -> None:
    """A daemon that was just being stopped, or gave up, leaves the home to the one that the client then starts."""
    with ThreadPoolExecutor(1) as pool:
        with _owned(fresh_home):
            started = pool.submit(lifecycle.start, fresh_home)
            wait_until(lambda: _is_starting(fresh_home) or started.done(), "the client waits")

        assert started.result() is True
    assert lifecycle.answers(fresh_home) and pid_of(fresh_home) > 1


def test_owner_that_does_not_answer_runs_into_the_time_limit(fresh_home: Home) -> None:
    """Starting has an end, with a hint where to look."""
    with _owned(fresh_home), pytest.raises(TimeoutExpiredError) as caught:
        lifecycle.start(fresh_home, timeout_s=0.2)

    assert "mcai daemon logs" in caught.value.hint
