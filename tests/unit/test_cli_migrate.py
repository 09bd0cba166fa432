"""`mcai migrate`: every record is accounted for, and what is not taken is kept with its reason."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_fakes import FakeClient, Ran, mcai, sums, write_json
from mcai.wire.calls import adding


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MCAI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "waves"
    made.mkdir()
    return made


def quarantined(home: Path) -> list[dict[str, Any]]:
    """The records in all quarantine files."""
    files = sorted((home / "quarantine").glob("*")) if (home / "quarantine").exists() else []
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def batches(ran: Ran) -> list[dict[str, Any]]:
    return ran.client.batches


def test_document_is_the_contract_s(home: Path, folder: Path) -> None:
    """The result names every file with its counts, the totals, the epoch and the quarantine file."""
    write_json(folder / "a.json", ["one", "two", "one"])
    (folder / "b.jsonl").write_text('{"prompt": "three", "completion": "x"}\n{"nothing": "known"}\n')
    ran = mcai("migrate", str(folder), "--json")
    assert ran.code == 0 and ran.stderr == ""
    document = ran.document
    assert {"dry_run", "files", "totals", "epoch", "quarantine"} <= document.keys()
    assert sums(document) == [5, 3, 1, 1]
    assert not document["dry_run"] and document["epoch"] == 8 and document["index_epoch"] == 8
    first, second = document["files"]
    assert first == {
        **{"path": str(folder / "a.json"), "shape": "json list"},
        **{"found": 3, "imported": 2, "duplicate": 1, "rejected": 0},
    }
    assert second["rejected"] == 1
    [rejection] = document["rejections"]
    assert rejection.keys() == {"source", "reason", "keys", "hint"} and rejection["keys"] == ["nothing"]


def test_a_second_run_meets_duplicates(home: Path, folder: Path) -> None:
    """Importing again imports nothing, under another run id."""
    write_json(folder / "a.json", ["one", "two"])
    client = FakeClient()
    assert sums(mcai("migrate", str(folder), "--json", client=client).document) == [2, 2, 0, 0]
    assert sums(mcai("migrate", str(folder), "--json", client=client).document) == [2, 0, 2, 0]
    first, second = (batch["key"].split("/")[0] for batch in client.batches)
    assert first != second


def test_batches_span_files_and_are_keyed_by_number(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files share batches; keys are run id and batch number; each file still gets its own counts."""
    monkeypatch.setattr(adding, "BATCH_RECORDS", 10)
    for number in range(7):
        write_json(folder / f"{number}.json", [f"{number}-{each}" for each in range(5)])
    ran = mcai("migrate", str(folder), "--json")
    assert [batch["size"] for batch in batches(ran)] == [10, 10, 10, 5]
    run_ids, numbers = zip(*(batch["key"].split("/") for batch in batches(ran)), strict=True)
    assert len(set(run_ids)) == 1 and numbers == ("1", "2", "3", "4")
    assert [file["imported"] for file in ran.document["files"]] == [5] * 7


def test_container_fields_travel_with_the_records(home: Path, folder: Path) -> None:
    """What an object says about its records goes to the daemon as metadata of their domain."""
    text = {"domain": "brain", "description": "waves", "examples": [{"query": "a", "response": "b"}]}
    (folder / "a.json").write_text(json.dumps(text))
    [batch] = batches(mcai("migrate", str(folder)))
    assert batch["containers"]["brain"][0]["description"] == "waves"


def test_rejected_records_are_kept_for_their_owner_alone(home: Path, folder: Path) -> None:
    """The quarantine file holds each record with place and reason, in a private folder; none is made without need."""
    good = write_json(folder / "good.json", ["one"])
    assert mcai("migrate", str(good), "--json").document["quarantine"] is None
    assert not (home / "quarantine").exists()
    (folder / "bad.json").write_text('[{"nothing": "known"}]')
    path = Path(mcai("migrate", str(folder), "--json").document["quarantine"])
    assert path.parent == home / "quarantine" and path.name.startswith("migrate-2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    [line] = quarantined(home)
    assert line["record"] == {"nothing": "known"} and line["reason"]
    assert line["source"].startswith(str(folder / "bad.json")) and line["domain"] == "waves"


def test_what_the_daemon_rejects_is_quarantined_too(home: Path, folder: Path) -> None:
    """A record that passes the reader and not the daemon is rejected, with the daemon's reason, and can be mended."""
    write_json(folder / "a.json", ["one", "two", "three"], topic="t")
    client = FakeClient()
    client.reject = lambda example: "no twos here" if example.content == "two" else None
    document = mcai("migrate", str(folder), "--json", client=client).document
    assert sums(document) == [3, 2, 0, 1]
    [line] = quarantined(home)
    assert line["reason"] == "no twos here" and line["source"].startswith(f"{folder}/a.json#")
    client.reject = lambda example: None
    assert sums(mcai("migrate", document["quarantine"], "--json", client=client).document) == [1, 1, 0, 0]
    mended = client.rows[3]
    assert (mended.content, mended.domain, mended.source) == ("two", "waves", line["source"])
    assert mended.metadata == {"topic": "t"}


def test_dry_run_foretells_everything_and_changes_nothing(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts are those of the real run, duplicates between batches and files included; nothing is written."""
    monkeypatch.setattr(adding, "BATCH_RECORDS", 2)
    client = FakeClient()
    mcai("add", "--content", "known", "--response", "answer", "--domain", "waves", client=client)
    write_json(folder / "a.json", ["one", "two", "one", "known"])
    write_json(folder / "b.json", ["two", "three", "bad", "bad"])
    client.reject = lambda example: "bad" if example.content == "bad" else None
    ran = mcai("migrate", str(folder), "--dry-run", "--json", client=client)
    assert ran.code == 0 and ran.document["dry_run"]
    foretold = sums(ran.document)
    assert foretold == [8, 3, 3, 2]
    assert len(client.rows) == 1 and all(batch["dry_run"] and not batch["containers"] for batch in client.batches[1:])
    assert ran.document["quarantine"] is None and not home.exists()
    real = mcai("migrate", str(folder), "--json", client=client).document
    assert sums(real) == foretold
    assert [f["imported"] for f in real["files"]] == [f["imported"] for f in ran.document["files"]]


def test_strict_writes_nothing_when_one_record_is_bad(home: Path, folder: Path) -> None:
    """One bad record refuses all: exit 1, no batch sent, no quarantine file, and the report says which."""
    write_json(folder / "a.json", ["one", "two"])
    (folder / "b.json").write_text('[{"nothing": "known"}, {"prompt": "x", "completion": "y"}]')
    ran = mcai("migrate", str(folder), "--strict", "--json")
    assert ran.code == 1 and batches(ran) == [] and not home.exists()
    assert sums(ran.document) == [4, 0, 0, 4]
    assert "nothing was written because of 1 bad record" in ran.document["refused"]
    assert [each["keys"] for each in ran.document["rejections"]] == [["nothing"]]
    assert "reason" not in ran.document["files"][0] and ran.document["files"][1]["reason"] == "1 bad record"


def test_strict_refuses_for_a_file_that_cannot_be_read(home: Path, folder: Path) -> None:
    """What cannot be read might have been rejected: nothing is written either."""
    write_json(folder / "a.json", ["one"])
    (folder / "b.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    ran = mcai("migrate", str(folder), "--strict", "--json")
    assert ran.code == 1 and batches(ran) == [] and ran.document["unreadable"] == 1


def test_strict_imports_what_is_clean(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing to object to, --strict imports as usual, each record once, from stdin too."""
    monkeypatch.setattr(adding, "BATCH_RECORDS", 2)
    write_json(folder / "a.json", ["one", "two", "three"])
    ran = mcai("migrate", str(folder), "--strict", "--json")
    assert ran.code == 0 and sums(ran.document) == [3, 3, 0, 0] and ran.document["refused"] is None
    ran = mcai("migrate", "-", "--strict", "--json", stdin=b'{"prompt": "a", "completion": "b"}\n')
    assert sums(ran.document) == [1, 1, 0, 0]


def test_domain_and_map_reach_the_reader(home: Path, folder: Path) -> None:
    """--domain overrides; --map names the keys of a shape that is not known."""
    (folder / "a.json").write_text('[{"zug": "one", "gegenzug": "two"}]')
    ran = mcai("migrate", str(folder), "--domain", "chess", "--map", "content=zug,response=gegenzug", "--json")
    [row] = ran.client.rows.values()
    assert (row.domain, row.content, row.response) == ("chess", "one", "two")


def test_ten_thousand_files_fit_a_screen(home: Path, folder: Path) -> None:
    """However many files and faults, a person gets a screenful within 80 columns."""
    for number in range(300):
        write_json(folder / f"{number}.json", [f"row {number}"])
        (folder / f"{number}.jsonl").write_text('{"nothing": "known"}\n')
        (folder / f"{number}.csv").write_text("")
    ran = mcai("migrate", str(folder))
    lines = ran.stdout.splitlines()
    assert len(lines) < 100
    assert max(len(line) for line in lines if not line.endswith(".jsonl") or " " in line) <= 80
    assert "json list" in ran.stdout and "900" in ran.stdout and "--map content=" in ran.stdout
    assert "in quarantine" in ran.stdout and any("/quarantine/migrate-" in line for line in lines)


def test_a_terminal_gets_a_bar_and_a_pipe_does_not(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The progress bar is for a terminal's stderr; stdout keeps its one document."""
    monkeypatch.setenv("TERM", "xterm")
    write_json(folder / "a.json", ["one"])
    ran = mcai("migrate", str(folder), "--json", tty=True)
    assert "importing" in ran.stderr and ran.document["totals"]["imported"] == 1
    assert mcai("migrate", str(folder), "--json").stderr == ""


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), max_size=40), st.integers(1, 7), st.sets(st.sampled_from("abcdefgh")))
def test_counts_add_up_and_dry_runs_agree(
    tmp_path_factory: pytest.TempPathFactory, contents: list[str], size: int, refused: set[str]
) -> None:
    """For any records, cut into any batches, the dry run's counts are the real run's, and both add up."""
    folder = tmp_path_factory.mktemp("any")
    write_json(folder / "a.json", contents[::2])
    write_json(folder / "b.json", contents[1::2])
    client = FakeClient()
    client.reject = lambda example: "refused" if example.content in refused else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MCAI_HOME", str(folder / "home"))
        patch.setattr(adding, "BATCH_RECORDS", size)
        dry = sums(mcai("migrate", str(folder), "--dry-run", "--json", client=client).document)
        real = sums(mcai("migrate", str(folder), "--json", client=client).document)
    taken = [content for content in contents if content not in refused]
    assert (
        dry
        == real
        == [
            *(len(contents), len(set(taken))),
            *(len(taken) - len(set(taken)), len(contents) - len(taken)),
        ]
    )
