"""`mcai migrate` in trouble: unreadable files, a daemon that fails, an index that lags, a user who has enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli_fakes import FakeClient, mcai, sums, write_json
from mcai.errors import DaemonNotRunningError, StoreFullError
from mcai.wire.calls import adding
from mcai_cli.importing import waiting


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MCAI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "waves"
    made.mkdir()
    return made


def test_an_unreadable_file_exits_1_and_costs_no_neighbour(home: Path, folder: Path) -> None:
    """The good files are imported, the bad one is named with its reason."""
    write_json(folder / "a.json", ["one"])
    (folder / "b.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    ran = mcai("migrate", str(folder), "--json")
    assert ran.code == 1 and sums(ran.document)[1] == 1
    assert ran.document["files"][1]["reason"] and ran.document["unreadable"] == 1


def test_a_missing_path_exits_2_and_asks_nothing(home: Path, folder: Path) -> None:
    """A mistyped path is named before anything is read or the daemon is started."""
    write_json(folder / "a.json", ["one"])
    ran = mcai("migrate", str(folder), str(folder / "nowhere"), "--json")
    assert ran.code == 2 and "nowhere" in ran.document["error"]["message"]
    assert ran.client.calls == []


def test_files_that_are_no_datasets_are_counted(home: Path, folder: Path) -> None:
    """A picture among datasets is no error and not in the list of files."""
    write_json(folder / "a.json", ["one"])
    (folder / "picture.png").write_bytes(b"\x89PNG")
    ran = mcai("migrate", str(folder), "--json")
    assert ran.code == 0 and ran.document["skipped"] == 1 and len(ran.document["files"]) == 1


@pytest.mark.parametrize(("error", "code"), [(StoreFullError(), 1), (DaemonNotRunningError(), 3)])
def test_a_daemon_that_fails_midway_leaves_an_account(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, error: Any, code: int
) -> None:
    """The error says what had been taken by then, and that running it again is safe; the exit code is the error's."""
    monkeypatch.setattr(adding, "BATCH_RECORDS", 10)
    write_json(folder / "a.json", [str(number) for number in range(100)])
    client = FakeClient()

    def fail(verb: str) -> None:
        if verb == "add_batch" and len(client.batches) == 5:
            raise error

    client.fail = fail
    ran = mcai("migrate", str(folder), "--json", client=client)
    told = ran.document["error"]
    assert ran.code == code and told["code"] == error.code
    assert "imported 50, duplicate 0, rejected 0" in told["message"] and "Run the same command again" in told["hint"]
    client.fail = lambda verb: None
    assert sums(mcai("migrate", str(folder), "--json", client=client).document) == [100, 50, 50, 0]


def test_interruption_says_what_was_taken(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with 130, and stderr says how far it was."""
    monkeypatch.setattr(adding, "BATCH_RECORDS", 10)
    write_json(folder / "a.json", [str(number) for number in range(100)])
    client = FakeClient()

    def interrupt(verb: str) -> None:
        if verb == "add_batch" and len(client.batches) == 3:
            raise KeyboardInterrupt

    client.fail = interrupt
    ran = mcai("migrate", str(folder), client=client)
    assert ran.code == 130 and "imported 30" in ran.stderr


def test_it_waits_until_everything_can_be_found(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ends when the index has the last row; --no-wait ends at once and shows the lag."""
    monkeypatch.setattr(waiting, "FIRST_POLL_S", 0.001)
    write_json(folder / "a.json", ["one"])
    client = FakeClient()

    def lag(verb: str) -> None:
        seen = sum(name == "status" for name, _ in client.calls)
        client.index_epoch = 7 if seen < 5 else client.epoch

    client.fail = lag
    assert mcai("migrate", str(folder), "--json", client=client).document["index_epoch"] == 8
    assert sum(name == "status" for name, _ in client.calls) == 5
    write_json(folder / "b.json", ["two"])
    client.fail = lambda verb: setattr(client, "index_epoch", 8)
    document = mcai("migrate", str(folder), "--no-wait", "--json", client=client).document
    assert (document["epoch"], document["index_epoch"]) == (9, 8)


def test_an_index_that_makes_no_headway_is_left(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stalled index is no reason to hang: the data is stored, stderr says what is missing, the exit code is 0."""
    monkeypatch.setattr(waiting, "FIRST_POLL_S", 0.001)
    monkeypatch.setattr(waiting, "STALLED_S", 0.01)
    write_json(folder / "a.json", ["one"])
    client = FakeClient()
    client.fail = lambda verb: setattr(client, "index_epoch", 7)
    ran = mcai("migrate", str(folder), "--json", client=client)
    assert ran.code == 0 and ran.document["index_epoch"] == 7
    assert "makes no headway (1 row to go)" in ran.stderr


def test_trouble_after_the_import_does_not_hide_its_result(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the daemon goes away or the user has enough while the index is waited for, the account is printed."""
    write_json(folder / "a.json", ["one"])
    for trouble in (DaemonNotRunningError(), KeyboardInterrupt()):
        client = FakeClient()

        def fail(verb: str, client: FakeClient = client, trouble: BaseException = trouble) -> None:
            if verb == "status" and client.batches:
                raise trouble

        client.fail = fail
        ran = mcai("migrate", str(folder), "--json", client=client)
        assert ran.code == 0 and sums(ran.document) == [1, 1, 0, 0] and ran.document["index_epoch"] is None
        assert "everything is stored" in ran.stderr
