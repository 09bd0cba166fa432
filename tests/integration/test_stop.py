"""Stopping: nothing acknowledged is lost, nothing is left behind, and nobody can hold it up."""

from __future__ import annotations

import fcntl
import http.client
import signal
import subprocess

import pytest

from helpers import ask, connect, contents, log_of, samples, spawned, wait_until
from mcai.client import Client, lifecycle
from mcai.paths import Home

END_S = 60.0
"""When a test gives up; how long a stop really takes, the log tells better than a clock on a busy machine."""
WAITED_TO_THE_END = "timeout graceful shutdown exceeded"
"""The server's word when open requests used up the time that they had."""


BIG = [{**each, "metadata": {"ballast": "x" * 50_000}} for each in samples(400)]
"""More than the buffers of any socket hold."""


def _is_free(home: Home) -> bool:
    with home.lock_path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _assert_gone(home: Home, child: subprocess.Popen[bytes]) -> None:
    assert child.wait(END_S) == 0, log_of(home)
    assert not home.socket_path.exists() and _is_free(home)
    assert '"event": "stopped"' in log_of(home).rstrip().splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_in_order(number: signal.Signals, fresh_home: Home) -> None:
    """SIGTERM and SIGINT, even right after the start, end it with 0, without socket and lock.

    An idle client that keeps its connection, as every `Client` does, does not hold it up.
    """
    with spawned(fresh_home) as child, Client(fresh_home.dir, start=False) as idle:
        assert idle.add(samples(3)).imported == 3
        child.send_signal(number)
        _assert_gone(fresh_home, child)
        assert WAITED_TO_THE_END not in log_of(fresh_home), "an idle connection is no reason to wait"


def test_stop_names_who_was_stopped(fresh_home: Home) -> None:
    """`lifecycle.stop` waits until the home is free and tells whose daemon it was; without one it does nothing."""
    assert lifecycle.stop(fresh_home) is None

    with spawned(fresh_home) as child:
        owner = lifecycle.stop(fresh_home)

        assert owner is not None and owner.pid == child.pid and owner.version
        assert lifecycle.running(fresh_home) is None and _is_free(fresh_home)
        assert child.wait(END_S) == 0
    assert lifecycle.stop(fresh_home) is None


def test_export_that_is_read_goes_to_its_end(fresh_home: Home) -> None:
    """A stop waits for an export that is on its way: the reader gets every row."""
    with spawned(fresh_home) as child, Client(fresh_home.dir, start=False) as client:
        client.add(BIG)
        with client.export() as stream:
            chunks = iter(stream)
            first = next(chunks)
            child.send_signal(signal.SIGTERM)
            rest = b"".join(chunks)

        assert (first + rest).count(b"\n") == stream.rows == 400
        _assert_gone(fresh_home, child)


def test_export_that_nobody_reads_is_cut_off(fresh_home: Home) -> None:
    """A reader that has fallen asleep holds the stop up for a few seconds, no longer, and meets a cut, not an end."""
    with spawned(fresh_home) as child, Client(fresh_home.dir, start=False) as client, connect(fresh_home) as asleep:
        client.add(BIG)
        asleep.sendall(b"GET /v1/export HTTP/1.1\r\nHost: localhost\r\n\r\n")
        response = http.client.HTTPResponse(asleep)
        response.begin()
        child.send_signal(signal.SIGTERM)
        _assert_gone(fresh_home, child)
        assert WAITED_TO_THE_END in log_of(fresh_home)

        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()
        response.close()


def test_second_signal_does_not_wait(fresh_home: Home) -> None:
    """Told twice, it lets go of open requests at once, and still closes its store in order."""
    with spawned(fresh_home) as child, Client(fresh_home.dir, start=False) as client, connect(fresh_home) as asleep:
        client.add(BIG)
        asleep.sendall(b"GET /v1/export HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert asleep.recv(100).startswith(b"HTTP/1.1 200")
        child.send_signal(signal.SIGTERM)
        wait_until(lambda: not _takes_connections(fresh_home), "it has heard the first signal")
        child.send_signal(signal.SIGTERM)
        _assert_gone(fresh_home, child)
        assert WAITED_TO_THE_END not in log_of(fresh_home)


def _takes_connections(home: Home) -> bool:
    try:
        with connect(home):
            return True
    except OSError:
        return False


def test_next_call_after_a_stop_starts_it_anew(fresh_home: Home) -> None:
    """A client that lives on across a stop needs no care: its kept connection is replaced, the daemon started."""
    with Client(fresh_home.dir) as client:
        client.add(samples(2))
        first = client.status().daemon.pid
        lifecycle.stop(fresh_home)

        assert client.status().daemon.pid != first
        assert contents(client) == ["question 0", "question 1"]
        assert ask(fresh_home, "GET", "/v1/health/live").status == 200
