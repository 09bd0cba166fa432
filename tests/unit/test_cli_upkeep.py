"""The home as a whole at the command line: backup, restore, forget, doctor, sql."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cli_answers import answers
from cli_fakes import FakeClient, Ran, mcai
from mcai.client import lifecycle, maintenance
from mcai.errors import BackupDamagedError, SqlError
from mcai.paths import Home, find_home
from mcai.records import (
    Check,
    DoctorReport,
    Place,
    RestoreResult,
    SqlColumn,
    SqlResult,
)

RESTORED = RestoreResult(home="/h", epoch=3, rows=9, timeline="t", replaced="/h/backups/before")
SICK = DoctorReport(
    ok=False,
    checks=[
        Check(name="catalog", ok=True, fixed=False),
        Check(name="index", ok=False, fixed=False, cause="two [files] are missing", remedy="mcai doctor --fix"),
    ],
)


def client(**other: Any) -> FakeClient:
    """A daemon; ``other`` are answers in the place of the usual ones."""
    fake = FakeClient()
    fake.answers |= other
    return fake


def sent(ran: Ran) -> dict[str, Any]:
    """What the command asked of the daemon."""
    [(_, given)] = ran.client.calls
    return given


class Child:
    """Stands in for the maintenance child: notes what it was asked for, and answers or fails."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.report: DoctorReport = answers()["doctor"]
        self.error: Exception | None = None

    def restore(self, home: Home, source: Path, *, tell: maintenance.Tell, **to: Any) -> RestoreResult:
        tell("copying [rows]")
        self.asked.append(("restore", {"home": home, "source": source, **to}))
        if self.error:
            raise self.error
        return RESTORED

    def doctor(self, home: Home, *, fix: bool, tell: maintenance.Tell) -> DoctorReport:
        self.asked.append(("doctor", {"home": home, "fix": fix}))
        return self.report


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Child:
    played = Child()
    monkeypatch.setenv("MCAI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(maintenance, "restore", played.restore)
    monkeypatch.setattr(maintenance, "doctor", played.doctor)
    return played


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("backup /b", {"path", "epoch", "rows", "files", "bytes"}),
        ("forget --id 1", {"dry_run", "epoch", "forgotten", "places"}),
        ("sql VALUES(1)", {"columns", "rows", "truncated", "took_ms"}),
        ("doctor", {"ok", "checks"}),
        ("doctor --fix", {"ok", "checks"}),
        ("restore .", {"home", "epoch", "rows", "timeline", "replaced"}),
    ],
)
def test_documents_are_the_contract_s(child: Child, words: str, keys: set[str]) -> None:
    """--json prints the record whole, alone on stdout."""
    ran = mcai(*words.split(), "--json")
    assert ran.code == 0 and ran.stderr == "" and ran.document.keys() == keys


def test_backup_for_people() -> None:
    """What was saved, how much it is and where it lies; --all reaches the daemon."""
    ran = mcai("backup", "monday", "--all")
    assert sent(ran) == {"dest": Path("monday"), "everything": True}
    assert all(part in ran.stdout for part in ("4,070 examples", "epoch 7", "3 files", "5.0 MiB", "/backups/monday"))


def test_restore_hands_on_what_was_typed(child: Child, tmp_path: Path) -> None:
    """The daemon is not asked: it may be unable to start. Moments are UTC, whatever zone was typed."""
    ran = mcai("restore", str(tmp_path), "--to-time", "2026-11-23 10:00+02:00")
    moment = {"to_epoch": None, "to_time": "2026-11-23T08:00:00Z"}
    assert child.asked == [("restore", {"home": find_home(), "source": tmp_path, **moment})]
    assert not ran.client.calls and not ran.client.started_with
    assert "restored 9 examples, epoch 3, into /h" in ran.stdout and "/h/backups/before" in ran.stdout
    mcai("restore", str(tmp_path), "--to-epoch", "0")
    assert child.asked[-1][1]["to_epoch"] == 0


def test_a_refused_backup_is_told(child: Child, tmp_path: Path) -> None:
    """A damaged backup exits 1 with its reason, as a document with --json."""
    child.error = BackupDamagedError("rows.parquet has another checksum")
    ran = mcai("restore", str(tmp_path), "--json")
    assert ran.code == 1 and ran.document["error"]["code"] == "backup_damaged"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("restore", 2, "Missing argument"),
        ("restore /nowhere", 2, "no backup at /nowhere"),
        ("restore . --to-epoch -1", 2, "-1 is negative"),
        ("restore . --to-time monday", 2, "no ISO 8601 date"),
        ("restore . --to-time 2026-01-01 --to-epoch 3", 2, "together with --to-epoch"),
        ("backup", 2, "Missing argument"),
        ("forget", 2, "name what to forget"),
        ("forget --dry-run", 2, "name what to forget"),
        ("forget --id 1 --domain d", 2, "not both"),
        ("forget --id one", 2, "not a whole number"),
        ("sql", 2, "Missing argument"),
    ],
)
def test_usage_errors_change_nothing(child: Child, words: str, code: int, said: str) -> None:
    """What is mistyped ends before anything is stopped, changed or asked."""
    ran = mcai(*words.split(), "--json")
    assert ran.code == code and said in ran.document["error"]["message"]
    assert not ran.client.calls and not child.asked


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("--id 1 --id 2", {"ids": [1, 2], "dry_run": False}),
        ("--source /x --dry-run", {"ids": None, "dry_run": True, "source": "/x"}),
        ("--domain d --until 2020-01-01", {"ids": None, "dry_run": False, "domain": ["d"], "until": "2020-01-01"}),
        ("--source=", {"ids": None, "dry_run": False, "source": ""}),
    ],
)
def test_forget_hands_on_what_was_typed(words: str, given: dict[str, Any]) -> None:
    """Ids or filters, and never more; an empty one is the daemon's to refuse."""
    assert sent(mcai("forget", *words.split())) == given


def test_the_receipt_for_people() -> None:
    """Every place with what was scanned, found and left; a dry run says `would`."""
    text = mcai("forget", "--id", "1").stdout
    assert all(part in text for part in ("catalog", "4,070", "backups", "forgot 2 examples for good, epoch 8"))
    dry = mcai("forget", "--id", "1", "--dry-run").stdout
    assert "would forget 2 examples" in dry and "nothing was changed" in dry
    nothing = structs.replace(answers()["forget"], forgotten=0, places=[])
    assert "nothing to forget" in mcai("forget", "--id", "9", client=client(forget=nothing)).stdout


def test_what_could_not_be_forgotten_is_a_failure() -> None:
    """A copy that is left somewhere exits 1, with the receipt; in a dry run it is only what would be left."""
    left = structs.replace(answers()["forget"], places=[Place(place="archive", scanned=9, found=2, left=2)])
    ran = mcai("forget", "--id", "1", client=client(forget=left))
    assert ran.code == 1 and "2 could not be removed" in ran.stdout
    as_json = mcai("forget", "--id", "1", "--json", client=client(forget=left))
    assert as_json.code == 1 and as_json.document["places"][0]["left"] == 2
    assert mcai("forget", "--id", "1", "--dry-run", client=client(forget=left)).code == 0


def test_doctor_asks_the_daemon_that_runs(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running daemon examines itself; with --fix the home is needed alone; none is ever started."""
    monkeypatch.setattr(lifecycle, "running", lambda home: lifecycle.Owner(pid=1, version="0", started_at=""))
    ran = mcai("doctor")
    assert ran.client.calls == [("doctor", {})] and ran.client.started_with == {"start": False}
    assert not child.asked
    ran = mcai("doctor", "--fix")
    assert child.asked == [("doctor", {"home": find_home(), "fix": True})] and not ran.client.calls


def test_doctor_without_a_daemon(child: Child) -> None:
    """Without a daemon the home is examined beside it: that is when a doctor is needed most."""
    ran = mcai("doctor")
    assert child.asked == [("doctor", {"home": find_home(), "fix": False})] and not ran.client.calls


def test_doctor_for_people(child: Child) -> None:
    """What is well in a line, what was mended and what failed with its cause; exit 1 unless all is well."""
    ran = mcai("doctor")
    assert ran.code == 0 and "2 checks, all is well" in ran.stdout
    assert "fixed  snapshot" in ran.stdout and "a block is damaged" in ran.stdout
    child.report = SICK
    ran = mcai("doctor")
    assert ran.code == 1 and "failed index" in ran.stdout and "two [files] are missing" in ran.stdout
    assert "1 failed; what can be mended: mcai doctor --fix" in ran.stdout
    assert "what can be mended" not in mcai("doctor", "--fix").stdout
    as_json = mcai("doctor", "--json")
    assert as_json.code == 1 and as_json.document["checks"][1]["remedy"] == "mcai doctor --fix"


@pytest.mark.parametrize("stdin", [b"SELECT 1\n", b"\xef\xbb\xbfSELECT 1\n"])
def test_a_query_comes_from_the_line_or_from_stdin(stdin: bytes) -> None:
    """`-` is stdin; a byte order mark is no part of a query."""
    assert sent(mcai("sql", "SELECT 1")) == {"query": "SELECT 1"}
    assert sent(mcai("sql", "-", stdin=stdin)) == {"query": "SELECT 1\n"}


@pytest.mark.parametrize("query", ["", " ", "-"])
def test_a_blank_query_is_a_usage_error(query: str) -> None:
    """Nothing is sent when there is nothing to ask."""
    ran = mcai("sql", query)
    assert ran.code == 2 and "blank" in ran.stderr and not ran.client.calls


def test_a_failed_query_exits_1() -> None:
    """The engine's reason is the message; the command was well formed."""
    fake = client()

    def fail(verb: str) -> None:
        raise SqlError("Catalog Error: Table with name exampels does not exist!")

    fake.fail = fail
    ran = mcai("sql", "FROM exampels", client=fake)
    assert ran.code == 1 and "exampels does not exist" in ran.stderr and ran.stdout == ""


def test_an_answer_of_sql_for_people() -> None:
    """Names, rows and time; NULL is told from an empty text; numbers are not grouped, so they can be used again."""
    text = mcai("sql", "q").stdout
    assert all(part in text for part in ("domain", "coding", "4070", "NULL", "2 rows, 3.5 ms"))


def test_a_long_answer_of_sql_is_cut_for_people() -> None:
    """The screen gets some hundred rows and is told of the others; --json gets them all."""
    rows = [[number, {"a": [1, None]}, 1.5, True, ""] for number in range(600)]
    kinds = ["BIGINT", "STRUCT(a INTEGER[])", "DECIMAL(4,1)", "BOOLEAN", "VARCHAR"]
    columns = [SqlColumn(name=f"c{at}", type=kind) for at, kind in enumerate(kinds)]
    answer = SqlResult(columns=columns, rows=rows, truncated=True, took_ms=1.0)
    ran = mcai("sql", "q", client=client(sql=answer))
    assert len(ran.stdout.splitlines()) == 503 and "100 rows more" in ran.stderr and "LIMIT" in ran.stderr
    assert '{"a": [1, null]}' in ran.stdout and "true" in ran.stdout
    assert len(mcai("sql", "q", "--json", client=client(sql=answer)).document["rows"]) == 600


def test_one_column_of_text_is_shown_whole() -> None:
    """A plan of EXPLAIN is wider than a terminal and has lines of its own."""
    plan = SqlResult(columns=[SqlColumn(name="plan", type="VARCHAR")], rows=[["x" * 200]], truncated=False, took_ms=1.0)
    assert mcai("sql", "q", client=client(sql=plan)).stdout.count("x") == 200


@pytest.mark.parametrize("words", ["backup /b", "forget --id 1", "doctor", "restore ."])
def test_long_work_shows_a_sign_of_life_on_a_terminal_only(child: Child, words: str) -> None:
    """A spinner on stderr for a person; nothing for a program, and stdout is the result's alone either way."""
    seen, quiet = mcai(*words.split(), "--json", tty=True), mcai(*words.split(), "--json")
    assert seen.code == 0 and "0:00:0" in seen.stderr and seen.document == quiet.document
    assert quiet.stderr == ""


def test_the_sign_of_life_shows_words_as_they_are(child: Child) -> None:
    """What the child tells is no markup."""
    assert "copying [rows]" in mcai("restore", ".", tty=True).stderr
