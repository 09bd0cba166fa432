"""Maintenance without a daemon: what the child is told, what is made of its answer, and what happens round it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mcai.client import lifecycle, maintenance
from mcai.errors import BackupDamagedError, DaemonError, DaemonStartError, SchemaVersionError, TimeoutExpiredError
from mcai.paths import Home, find_home

REPORT = {"ok": True, "checks": [{"name": "catalog", "ok": True, "fixed": False}]}
RESTORED = {"home": "/h", "epoch": 3, "rows": 9, "timeline": "t", "replaced": None}
DAMAGED = BackupDamagedError("rows.parquet has another checksum").as_wire()

_CHILD = """#!{python}
import json, os, sys
verb = sys.argv[sys.argv.index("--maintenance") + 1]
with open({log!r}, "a") as log:
    log.write(json.dumps({{"argv": sys.argv[1:], "cwd": os.getcwd(), "pid": os.getpid()}}) + "\\n")
play = json.loads({plays!r})[verb]
for line in play.get("stderr", []):
    print(line, file=sys.stderr, flush=True)
exec(play.get("code", ""))
sys.stdout.write(play["stdout"] if "stdout" in play else json.dumps(play["document"]))
sys.stdout.flush()
sys.exit(play.get("exit", 0))
"""


def play(document: Any = None, **more: Any) -> dict[str, Any]:
    """What a child does: prints a document, unless ``stdout`` has another text."""
    return {"document": document, **more}


@dataclass
class Stage:
    """A home whose maintenance child does what the test says, and whose daemon is only played."""

    home: Home
    folder: Path
    patch: pytest.MonkeyPatch
    told: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    """What happened to the daemon, and which verbs ran, in order."""

    def plays(self, **verbs: dict[str, Any]) -> None:
        """Say what the child does, by verb."""
        named = {verb.replace("_", "-"): each for verb, each in verbs.items()}
        script = self.folder / "child"
        text = _CHILD.format(python=sys.executable, log=str(self.folder / "log"), plays=json.dumps(named))
        script.write_text(text)
        script.chmod(0o700)
        self.patch.setattr(sys, "executable", str(script))

    def has_daemon(self, runs: bool, start: Callable[[Home], bool] = lambda home: True) -> None:
        """Play a daemon that runs, or none."""
        owner = lifecycle.Owner(pid=1, version="0", started_at="") if runs else None

        def stop(home: Home) -> lifecycle.Owner | None:
            self.events.append("stop")
            return owner

        def begin(home: Home) -> bool:
            self.events.append("start")
            return start(home)

        self.patch.setattr(lifecycle, "running", lambda home: owner)
        self.patch.setattr(lifecycle, "stop", stop)
        self.patch.setattr(lifecycle, "start", begin)

    def tell(self, what: str) -> None:
        self.told.append(what)

    @property
    def ran(self) -> list[dict[str, Any]]:
        """The children that ran: argv, cwd, pid."""
        log = self.folder / "log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def verbs(self) -> list[list[str]]:
        return [each["argv"][each["argv"].index("--maintenance") + 1 :] for each in self.ran]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    (tmp_path / "backup").mkdir()
    return Stage(find_home(tmp_path / "home"), tmp_path, monkeypatch)


def restore(stage: Stage, **options: Any) -> Any:
    return maintenance.restore(stage.home, stage.folder / "backup", tell=stage.tell, **options)


def test_restore_checks_then_stops_then_restores_then_starts(stage: Stage) -> None:
    """The child gets absolute paths and an empty place to stand in; the answer is the record that it printed."""
    stage.plays(check_backup=play({}), restore=play(RESTORED))
    stage.has_daemon(runs=True)
    result = restore(stage, to_epoch=3, to_time="2026-01-01T00:00:00Z")
    assert (result.epoch, result.rows, result.replaced) == (3, 9, None)
    source = str(stage.folder / "backup")
    assert stage.verbs == [
        ["check-backup", source],
        ["restore", source, "--to-epoch", "3", "--to-time", "2026-01-01T00:00:00Z"],
    ]
    head = ["-P", "-m", "mcai_daemon", "--home", str(stage.home.dir), "--maintenance"]
    assert all(each["argv"][: len(head)] == head and each["cwd"] == "/" for each in stage.ran)
    assert stage.events == ["stop", "start"]
    assert stage.told == ["checking the backup", "stopping the daemon", "restoring", "starting the daemon"]


@pytest.mark.parametrize(
    "error", [DAMAGED, SchemaVersionError("of version 9").as_wire()], ids=lambda e: e["error"]["code"]
)
def test_a_bad_backup_stops_nothing(stage: Stage, error: dict[str, Any]) -> None:
    """A backup that cannot be restored is refused while the daemon goes on."""
    stage.plays(check_backup=play(error, exit=1))
    stage.has_daemon(runs=True)
    with pytest.raises((BackupDamagedError, SchemaVersionError)) as caught:
        restore(stage)
    assert caught.value.as_wire() == error and stage.events == [] and len(stage.verbs) == 1


def test_the_daemon_runs_again_after_a_failure(stage: Stage) -> None:
    """A restore that fails leaves the service as it was, and tells its own reason."""
    stage.plays(check_backup=play({}), restore=play(DAMAGED, exit=1))
    stage.has_daemon(runs=True)
    with pytest.raises(BackupDamagedError, match="another checksum"):
        restore(stage)
    assert stage.events == ["stop", "start"]


def test_the_first_failure_is_the_one_that_is_told(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """When the daemon does not start again after a failure, that is said beside it, not instead of it."""

    def fail(home: Home) -> bool:
        raise DaemonStartError("no room")

    stage.plays(check_backup=play({}), restore=play(DAMAGED, exit=1))
    stage.has_daemon(runs=True, start=fail)
    with pytest.raises(BackupDamagedError):
        restore(stage)
    assert "did not start again: no room" in capsys.readouterr().err


@pytest.mark.parametrize("document", [RESTORED, DAMAGED])
def test_a_daemon_that_did_not_run_is_not_started(stage: Stage, document: dict[str, Any]) -> None:
    """Whatever comes of it, maintenance leaves no daemon behind that was not there."""
    stage.plays(check_backup=play({}), restore=play(document, exit="error" in document))
    stage.has_daemon(runs=False)
    if "error" in document:
        with pytest.raises(BackupDamagedError):
            restore(stage)
    else:
        restore(stage)
    assert stage.events == ["stop"]


def test_nobody_can_start_a_daemon_meanwhile(stage: Stage) -> None:
    """A web worker that misses the daemon must not start one between its end and the child's lock."""
    tries = f"""
import fcntl
with open({str(stage.home.start_lock_path)!r}) as lock:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        play["document"]["rows"] = -1
"""
    stage.plays(check_backup=play({}), restore=play(RESTORED, code=tries))
    stage.has_daemon(runs=True)
    assert restore(stage).rows == -1
    with lifecycle.start_lock(stage.home, 0):
        stage.patch.setattr(lifecycle, "START_TIMEOUT_S", 0.0)
        with pytest.raises(TimeoutExpiredError):
            restore(stage)


@pytest.mark.parametrize("fix", [False, True])
def test_doctor_reports_even_when_all_is_not_well(stage: Stage, fix: bool) -> None:
    """A report is a result, whatever the exit code; only --fix takes the home from a daemon."""
    stage.plays(doctor=play(REPORT | {"ok": False}, exit=1))
    stage.has_daemon(runs=True)
    report = maintenance.doctor(stage.home, fix=fix, tell=stage.tell)
    assert not report.ok and [check.name for check in report.checks] == ["catalog"]
    assert stage.events == (["stop", "start"] if fix else [])
    assert stage.verbs == [["doctor", "--fix"] if fix else ["doctor"]]


def test_lines_for_people_are_handed_on(stage: Stage) -> None:
    """What the child says while it works is told as it comes; lines of its log are not for people."""
    lines = ["reading the journal", "", '{"event": "opened", "level": "info"}', "  counting rows \u00e4 "]
    stage.plays(doctor=play(REPORT, stderr=lines))
    maintenance.doctor(stage.home, fix=False, tell=stage.tell)
    assert stage.told == ["reading the journal", "counting rows \u00e4"]


@pytest.mark.parametrize(
    ("child", "said", "hint"),
    [
        (
            play(stdout="", exit=3, stderr=["Traceback", "ImportError: no duckdb"]),
            "exit code 3",
            "ImportError: no duckdb",
        ),
        (play(stdout="", exit=0), "exit code 0", ""),
        (play(stdout="half a docu", exit=1), "exit code 1", ""),
        (play(stdout="[" * 100_000, exit=1), "exit code 1", ""),
        (play({"ok": True}, exit=0), "exit code 0", ""),
        (play(stdout="", code="os.kill(os.getpid(), 9)"), "killed by signal 9", ""),
        (play(stdout="", exit=1, stderr=['{"event": "gone", "error": "disk"}']), "exit code 1", "gone"),
    ],
    ids=["traceback", "silence", "half", "nested", "another record", "killed", "log line"],
)
def test_a_child_without_an_answer_is_an_error(stage: Stage, child: dict[str, Any], said: str, hint: str) -> None:
    """However the child ends, its caller gets an error that says how, with the child's last line."""
    stage.plays(doctor=child)
    with pytest.raises(DaemonError, match=said) as caught:
        maintenance.doctor(stage.home, fix=False, tell=stage.tell)
    assert hint in caught.value.hint


def test_last_words_count_where_there_is_no_document(stage: Stage) -> None:
    """A daemon that refuses before it does anything names its reason on stderr alone."""
    stage.plays(doctor=play(stdout="", exit=1, stderr=["opening", json.dumps(DAMAGED)]))
    with pytest.raises(BackupDamagedError, match="another checksum"):
        maintenance.doctor(stage.home, fix=False, tell=stage.tell)


def test_an_interruption_ends_the_child_and_starts_the_daemon(stage: Stage) -> None:
    """Ctrl-C leaves no child behind that still writes, and the daemon runs again."""
    stage.plays(doctor=play(stderr=["working"], code="import time; time.sleep(100)"))
    stage.has_daemon(runs=True)

    def interrupt(what: str) -> None:
        if what == "working":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        maintenance.doctor(stage.home, fix=True, tell=interrupt)
    [child] = stage.ran
    with pytest.raises(ProcessLookupError):
        os.kill(child["pid"], 0)
    assert stage.events == ["stop", "start"]
