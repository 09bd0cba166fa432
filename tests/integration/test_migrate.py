"""`mcai migrate` end to end: real files, the real command in a process of its own, a real daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from helpers import all_ids, contents, kill, wait_until
from mcai.catalogs import sample_dir
from mcai.client import Client, lifecycle
from mcai.paths import Home

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"LOUD: the legacy corpus is not at {CORPUS}")


def _mcai(home: Home, *arguments: str | Path, code: int = 0, stdin: str | None = None) -> Any:
    """Run a command with --json; return the document that it printed."""
    command = [sys.executable, "-m", "mcai_cli", *map(str, arguments), "--json"]
    environment = {**os.environ, "MCAI_HOME": str(home.dir)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, input=stdin, timeout=110)
    assert ended.returncode == code and "Traceback" not in ended.stderr, (ended.returncode, ended.stdout, ended.stderr)
    return json.loads(ended.stdout)


def _counts(report: Any) -> tuple[int, int, int, int]:
    """Return (found, imported, duplicate, rejected), after holding every file's sum and the total's."""
    for each in (*report["files"], report["totals"]):
        assert each["found"] == each["imported"] + each["duplicate"] + each["rejected"], each
    found, imported, duplicate, rejected = (
        sum(each[name] for each in report["files"]) for name in ("found", "imported", "duplicate", "rejected")
    )
    totals = report["totals"]
    assert totals == {**totals, "found": found, "imported": imported, "duplicate": duplicate, "rejected": rejected}
    return found, imported, duplicate, rejected


def test_sample_corpus_is_imported_once_and_found(fresh_home: Home) -> None:
    """A dry run writes nothing, the import takes every record, a second one meets duplicates, search finds them."""
    dry = _mcai(fresh_home, "migrate", sample_dir(), "--dry-run")
    assert dry["dry_run"] and dry["epoch"] == 0

    first = _mcai(fresh_home, "migrate", sample_dir())
    found, imported, duplicate, rejected = _counts(first)
    assert found >= 200 and (duplicate, rejected) == (0, 0) and _counts(dry) == _counts(first)
    assert _counts(_mcai(fresh_home, "migrate", sample_dir())) == (found, 0, imported, 0)
    hits = _mcai(fresh_home, "query", "how do alpha waves relate to calm", "--domain", "neuroscience")["hits"]
    assert all("alpha" in (hit["content"] + (hit["response"] or "")).lower() for hit in hits[:1])
    assert _mcai(fresh_home, "status")["examples"] == imported


@needs_corpus
def test_legacy_corpus_is_imported_to_the_last_record(fresh_home: Home) -> None:
    """4,070 records, each counted, per file as many as in the manifest; the excerpts add 17; search finds them."""
    report = _mcai(fresh_home, "migrate", CORPUS / "legacy")
    manifest = json.loads((CORPUS / "legacy.MANIFEST.json").read_text("utf-8"))

    assert _counts(report) == (4_070, 3_726, 344, 0)
    by_path = {str(Path(each["path"]).relative_to(CORPUS / "legacy")): each["found"] for each in report["files"]}
    assert by_path == {each["path"]: each["records"] for each in manifest["files"]}
    assert _counts(_mcai(fresh_home, "migrate", CORPUS / "legacy")) == (4_070, 0, 4_070, 0)
    assert _counts(_mcai(fresh_home, "migrate", CORPUS / "legacy-excerpts"))[1] == 17

    top = _mcai(fresh_home, "query", "how do alpha waves relate to calm", "--domain", "neuroscience")["hits"][:3]
    assert all("alpha" in hit["content"].lower() for hit in top)
    code = _mcai(fresh_home, "query", "write code to sort a list")["hits"]
    assert len(code) == 10 and max(len(hit["content"]) for hit in code) < 11_000
    with Client(fresh_home.dir, start=False) as client:
        for dataset in client.datasets().datasets:
            ids = all_ids(client, domain=dataset.domain, limit=7 if dataset.examples < 50 else 100)
            assert len(ids) == len(set(ids)) == dataset.examples


def test_daemon_that_dies_in_the_middle_loses_and_doubles_nothing(fresh_home: Home, tmp_path: Path) -> None:
    """Killed while an import runs: it goes on by itself or says so, and running it again completes it (I1, I2)."""
    lines = [json.dumps({"prompt": f"question {number}", "completion": "answer " * 20}) for number in range(12_000)]
    source = tmp_path / "many" / "rows.jsonl"
    source.parent.mkdir()
    source.write_text("\n".join(lines))
    lifecycle.start(fresh_home)

    def kill_soon() -> None:
        with Client(fresh_home.dir, start=False) as client:
            wait_until(lambda: client.status().examples > 0, "rows are coming in")
        kill(fresh_home)

    killer = threading.Thread(target=kill_soon)
    killer.start()
    command = [sys.executable, "-m", "mcai_cli", "migrate", str(source), "--json", "--no-wait"]
    environment = {**os.environ, "MCAI_HOME": str(fresh_home.dir)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=110)
    killer.join()

    assert ended.returncode in (0, 1, 3) and "Traceback" not in ended.stderr, ended.stderr
    told = json.loads(ended.stdout)
    if ended.returncode == 0:
        assert _counts(told) == (12_000, 12_000, 0, 0)
    else:
        assert told["error"]["hint"]
    again = _mcai(fresh_home, "migrate", source, "--no-wait")
    assert _counts(again)[0] == 12_000
    with Client(fresh_home.dir) as client:
        assert sorted(contents(client)) == sorted(f"question {number}" for number in range(12_000))


def test_good_records_around_bad_ones_are_kept(fresh_home: Home, tmp_path: Path) -> None:
    """What cannot be taken lands in quarantine with its reason; mended there, it can be migrated itself."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "rows.jsonl").write_text(
        '{"prompt": "good", "completion": "yes"}\n{"prompt": "torn\n{"prompt": "also good"}\n'
    )

    report = _mcai(fresh_home, "migrate", folder, "--no-wait")
    found, imported, _, rejected = _counts(report)

    assert (imported, rejected) == (2, 1) and found == 3
    with Client(fresh_home.dir) as client:
        assert contents(client) == ["good", "also good"]
    [line] = [json.loads(each) for each in Path(report["quarantine"]).read_text("utf-8").splitlines()]
    assert line["domain"] == "mixed" and line["reason"] and str(folder / "rows.jsonl") in line["source"]


def test_strict_import_writes_nothing(fresh_home: Home, tmp_path: Path) -> None:
    """--strict: one record that would be rejected keeps everything out, exit 1."""
    path = tmp_path / "strict" / "rows.jsonl"
    path.parent.mkdir()
    path.write_text('{"prompt": "good", "completion": "yes"}\nnot json\n')

    report = _mcai(fresh_home, "migrate", path, "--strict", code=1)

    assert report["refused"] and _counts(report) == (2, 0, 0, 2)
    assert _mcai(fresh_home, "status")["examples"] == 0


def test_stdin_is_imported_as_general(fresh_home: Home) -> None:
    """`-` reads records from a pipe; their source says so."""
    report = _mcai(fresh_home, "migrate", "-", "--no-wait", stdin='[{"prompt": "from a pipe", "completion": "yes"}]')

    assert _counts(report) == (1, 1, 0, 0)
    [example] = _mcai(fresh_home, "query", "--domain", "general")["examples"]
    assert example["content"] == "from a pipe" and example["source"].startswith("-#")


def test_missing_path_is_a_usage_error(fresh_home: Home, tmp_path: Path) -> None:
    """Exit 2, the path by name, and nothing was started for it or written."""
    told = _mcai(fresh_home, "migrate", tmp_path / "nowhere", code=2)

    assert str(tmp_path / "nowhere") in told["error"]["message"]


def test_export_can_be_migrated_into_another_home(fresh_home: Home, tmp_path: Path) -> None:
    """Every row of an export is a record: nothing but the id changes, domains and sources too."""
    _mcai(fresh_home, "migrate", sample_dir(), "--no-wait")
    path = tmp_path / "out" / "all.jsonl"
    path.parent.mkdir()
    exported = _mcai(fresh_home, "export", "-o", path)
    other = Home(fresh_home.dir.parent / "other")
    try:
        assert _counts(_mcai(other, "migrate", path, "--no-wait"))[1] == exported["rows"]
        copied = tmp_path / "copied.jsonl"
        _mcai(other, "export", "-o", copied)
    finally:
        kill(other)

    def without_id(file: Path) -> list[dict[str, Any]]:
        return [{**json.loads(line), "id": None} for line in file.read_text("utf-8").splitlines()]

    assert without_id(copied) == without_id(path)
