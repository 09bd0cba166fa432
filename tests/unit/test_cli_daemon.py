"""`mcai daemon`: what it says and when it starts something, without a real daemon; and the log's tail."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from cli_fakes import mcai
from mcai.client import lifecycle
from mcai.client.lifecycle import Owner
from mcai_cli import logfile


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MCAI_HOME", str(tmp_path))
    return tmp_path


class FakeLifecycle:
    """Stands for `mcai.client.lifecycle`: a daemon that is a flag."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runs: bool) -> None:
        self.runs = runs
        self.done: list[str] = []
        for name in ("start", "stop", "running"):
            monkeypatch.setattr(lifecycle, name, getattr(self, name))

    def running(self, home: Any) -> Owner | None:
        return Owner(pid=42, version="0.1.0", started_at="") if self.runs else None

    def start(self, home: Any) -> bool:
        self.done.append("start")
        started, self.runs = not self.runs, True
        return started

    def stop(self, home: Any, timeout_s: float) -> Owner | None:
        self.done.append(f"stop {timeout_s:g}")
        owner, self.runs = self.running(home), False
        return owner


@pytest.mark.parametrize(("runs", "word"), [(False, "started"), (True, "already running")])
def test_start_says_whether_it_started(home: Path, monkeypatch: pytest.MonkeyPatch, runs: bool, word: str) -> None:
    """Starting what runs is no error."""
    FakeLifecycle(monkeypatch, runs)
    assert mcai("daemon", "start").stdout.startswith(f"{word}, pid 42")
    document = mcai("daemon", "start", "--json").document
    assert (
        document["ok"] and document["running"] and document["pid"] == 42 and document["log"] == str(home / "daemon.log")
    )


def test_stop_says_whether_anything_ran(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping what does not run is no error; the time limit is passed on."""
    fake = FakeLifecycle(monkeypatch, runs=True)
    assert mcai("daemon", "stop", "--timeout", "5", "--json").document == {
        "ok": True,
        "running": False,
        "stopped_pid": 42,
    }
    assert mcai("daemon", "stop").stdout == "not running\n"
    assert fake.done == ["stop 5", "stop 30"]


def test_restart_stops_and_starts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart is both, in this order, whether or not it ran."""
    fake = FakeLifecycle(monkeypatch, runs=True)
    assert mcai("daemon", "restart").stdout.startswith("restarted")
    assert fake.done == ["stop 30", "start"]
    fake.runs = False
    assert mcai("daemon", "restart", "--json").document["done"] == "started"


def test_status_never_starts_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at a daemon that does not run exits 3 and leaves it so."""
    fake = FakeLifecycle(monkeypatch, runs=False)
    ran = mcai("daemon", "status", "--json")
    assert ran.code == 3 and not ran.document["ok"] and ran.document["home"] == str(home)
    assert mcai("daemon", "status").code == 3
    fake.runs = True
    ran = mcai("daemon", "status", "--json")
    assert ran.code == 0 and ran.document["ok"] and ran.client.started_with == {"start": False}
    assert fake.done == []


def test_run_becomes_the_daemon(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`daemon run` replaces this process by the daemon of the same interpreter and home; the CLI imports none of it."""
    seen: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda path, words: seen.append(words))
    assert mcai("daemon", "run").code == 0
    [words] = seen
    assert words[1:] == ["-P", "-m", "mcai_daemon", "--home", str(home)]


def test_logs_show_the_last_lines(home: Path) -> None:
    """-n lines of the log, cleaned of control characters; with --json one document."""
    (home / "daemon.log").write_text("".join(f'{{"event": "e{n}"}}\n' for n in range(5000)) + "plain \x1b[31m\n")
    assert mcai("daemon", "logs", "-n", "2").stdout == '{"event": "e4999"}\nplain \\x1b[31m\n'
    document = mcai("daemon", "logs", "-n", "3", "--json").document
    assert document["ok"] and len(document["lines"]) == 3 and document["path"] == str(home / "daemon.log")
    assert mcai("daemon", "logs", "-n", "0").stdout == ""


def test_logs_without_a_log_say_so(home: Path) -> None:
    """A daemon that never ran has no log: exit 2, and how to start it."""
    ran = mcai("daemon", "logs", "--json")
    assert ran.code == 2 and "daemon start" in ran.document["error"]["hint"]


def test_following_prints_what_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are written later come out whole, also after the file was begun anew."""
    path = tmp_path / "daemon.log"
    path.write_text("old\n")
    printed: list[str] = []
    reached = threading.Event()

    class Enough(Exception):
        pass

    def show(lines: list[str], as_json: bool) -> None:
        printed.extend(lines)
        reached.set()
        if "last" in printed:
            raise Enough

    monkeypatch.setattr(logfile, "show", show)
    monkeypatch.setattr(logfile, "POLL_S", 0.001)

    def write() -> None:
        with path.open("a") as log:
            log.write("new 1\nnew ")
            log.flush()
            reached.wait(10)
            log.write("2\n")
        while "new 2" not in printed:
            pass
        path.write_text("last\n")

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(Enough):
        logfile.follow(path, 4, as_json=False)
    writer.join()
    assert printed == ["new 1", "new 2", "last"]


def test_followed_lines_are_json_lines(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """With --json every line is an object, also one that was not."""
    logfile.show(['{"event": "up"}', "Fatal Python error"], as_json=True)
    lines = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert lines == [{"event": "up"}, {"event": "Fatal Python error"}]
