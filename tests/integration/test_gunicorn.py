"""The example in docs/gunicorn, run as it is: four workers, one daemon, one copy of the data."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from helpers import PATIENCE_S, pid_of, samples, wait_until
from mcai import gunicorn
from mcai.client import Client, lifecycle
from mcai.errors import DaemonNotRunningError, NoSnapshotError
from mcai.paths import Home

EXAMPLE_DIR = Path(__file__).resolve().parents[2] / "docs" / "gunicorn"
ROWS = 300
WORKERS = 4


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """The example's server, and one connection a request to it."""

    def __init__(self, home: Home, log_path: Path) -> None:
        self.port = free_port()
        self._log_path = log_path
        command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "--bind", f"127.0.0.1:{self.port}"]
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "app:application"],
                cwd=EXAMPLE_DIR,
                env={**os.environ, "MCAI_HOME": str(home.dir), "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self._listens() or self.process.poll() is not None, "the workers listen", 2 * PATIENCE_S)
        assert self.process.poll() is None, self.log()

    def _listens(self) -> bool:
        return len(re.findall("Booting worker", self.log())) == WORKERS and "Listening at" in self.log()

    def log(self) -> str:
        return self._log_path.read_text()

    def ask(self, method: str, target: str, body: bytes | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, target, body)
            answer = connection.getresponse()
            return answer.status, msgspec.json.decode(answer.read())
        finally:
            connection.close()

    def worker_pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"gunicorn" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def filled_home(daemon_home: Home) -> Home:
    """A home with rows whose daemon is stopped: the example starts it."""
    with Client(daemon_home.dir) as client:
        client.add([*samples(ROWS), *samples(20, first=ROWS, domain="physics")])
    lifecycle.stop(daemon_home)
    return daemon_home


@pytest.fixture(scope="module")
def server(filled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(filled_home, tmp_path_factory.mktemp("gunicorn") / "log")
    yield server
    server.stop()


def test_every_worker_maps_the_snapshot(server: Server) -> None:
    """/proc/PID/maps of each of the four workers names the snapshot's files, and none has loaded an engine."""
    pids = server.worker_pids()

    def maps_of_all() -> list[str]:
        return [Path(f"/proc/{pid}/maps").read_text() for pid in pids]

    assert len(pids) == WORKERS
    # Gunicorn says "Booting worker" before it calls post_fork.
    wait_until(lambda: all(re.search(r"/snapshot/\S+\.arrow", maps) for maps in maps_of_all()), "the workers map it")
    assert not any("duckdb" in maps or "libarrow" in maps for maps in maps_of_all())


def test_pages_come_from_the_workers_themselves(server: Server, filled_home: Home) -> None:
    """The workers' pages are the daemon's, byte for byte, domain and cursor included."""
    status, page = server.ask("GET", "/page")
    with Client(filled_home.dir) as client:
        assert status == 200 and page == msgspec.to_builtins(client.page())
        status, rest = server.ask("GET", f"/page?cursor={page['next_cursor']}")
        assert status == 200 and rest["examples"][0]["id"] == page["examples"][-1]["id"] + 1
        assert len(server.ask("GET", "/page?domain=physics")[1]["examples"]) == 20


def test_what_one_worker_adds_all_workers_show(server: Server) -> None:
    """A row that was added through one worker shows in the pages of all of them soon after."""
    _, added = server.ask("POST", "/add", msgspec.json.encode({"content": "brand new", "domain": "news"}))
    assert added["imported"] == 1

    def is_shown() -> bool:
        return all(len(server.ask("GET", "/page?domain=news")[1]["examples"]) == 1 for _ in range(4 * WORKERS))

    wait_until(is_shown, "all workers show the row")


def test_searches_and_errors_go_through(server: Server) -> None:
    """A search is the daemon's; a request that cannot be answered is told why, in mcai's one shape."""
    status, found = server.ask("GET", "/search?text=question")
    assert status == 200 and len(found["hits"]) == 5
    status, told = server.ask("GET", "/page?cursor=nonsense")
    assert status == 400 and told["error"]["code"] == "invalid_cursor"


def test_the_daemon_was_started_once(server: Server, filled_home: Home) -> None:
    """One daemon serves all workers, and it outlives the web server's children."""
    assert server.log().count("mcai: the daemon is warm, the snapshot is published") == 1
    before = pid_of(filled_home)
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    wait_until(lambda: server.log().count("Booting worker") == WORKERS + 1, "a new worker")

    assert server.ask("GET", "/page?domain=physics")[0] == 200
    assert pid_of(filled_home) == before


class Log:
    """Collects what the hooks say."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.log = self

    def info(self, text: str, *values: object) -> None:
        self.lines.append(text % values)

    warning = info


def test_workers_read_on_without_a_daemon(
    filled_home: Home, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where no daemon may be started, a published snapshot is enough; without one the start fails with the reason."""
    monkeypatch.setattr(gunicorn, "_worker", None)
    monkeypatch.setenv("MCAI_NO_START", "1")
    monkeypatch.setenv("MCAI_HOME", str(tmp_path / "empty"))
    with pytest.raises(DaemonNotRunningError):
        gunicorn.on_starting(Log())
    log = Log()
    gunicorn.post_fork(None, log)
    assert "there is no snapshot" in log.lines[0]

    with pytest.raises(NoSnapshotError):
        gunicorn.snapshot()
    shutil.copytree(filled_home.snapshot_dir, tmp_path / "empty" / "snapshot")
    log = Log()
    gunicorn.on_starting(log)
    assert log.lines == ["mcai: The mcai daemon is not running.; the workers read the snapshot alone"]
    gunicorn.post_fork(None, log)
    assert len(gunicorn.snapshot().page(domain="physics").examples) == 20
