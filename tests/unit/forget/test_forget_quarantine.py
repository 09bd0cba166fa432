"""Forgetting in quarantine: the lines of what is forgotten go, all others stay byte for byte."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from forget_kit import LIVE, Marked, files_with, forget, told
from mcai.filters import Filters
from mcai.paths import Home
from mcai.store import backup
from mcai.store.duck import DuckCatalog
from mcai.upkeep import forget_quarantine
from mcai.upkeep.forget_quarantine import Wanted, wanted

SECRET = "words that nobody may read any more"


def _line(source: str, domain: str | None = "d", **record: Any) -> str:
    told = {"domain": domain, "source": source, "reason": "'prompt' is blank"}
    return json.dumps(told | (record or {"record": {"prompt": "", "completion": SECRET}})) + "\n"


def _write(home: Home, *lines: str) -> Path:
    home.quarantine_dir.mkdir(exist_ok=True)
    path = home.quarantine_dir / "migrate-1.jsonl"
    path.write_text("".join(lines))
    return path


def test_lines_of_a_source_go_and_others_stay(home: Home, catalog: DuckCatalog) -> None:
    """However short the source is, by whole components, on a run that finds no example any more, too."""
    others = [_line("/dx/a.json#1"), "no line at all\n", _line("/e#1", raw_base64="AA=="), '{"source": 5}\n']
    path = _write(home, _line("/d/a.json#1"), *others, _line("/d#/2", raw_base64="AA=="))

    planned = forget(home, catalog, dry_run=True, source="/d/")
    assert told(planned) == {"quarantine": (2, 2)} and SECRET in path.read_text()
    result = forget(home, catalog, source="/d")

    assert told(result) == {"quarantine": (2, 0)} and result.epoch == 3
    assert path.read_text() == "".join(others)


def test_file_that_holds_nothing_else_goes(home: Home, catalog: DuckCatalog) -> None:
    """An empty file would be left."""
    path = _write(home, _line("/d/a.json#1"), _line("/d/a.json#2"))
    forget(home, catalog, source="/d/a.json")
    assert not path.exists()


def test_record_that_an_example_was_mended_from_goes(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """It lies at the very place that the example names; its neighbours stay."""
    path = _write(home, _line(marked[0].source), stays := _line(marked[0].source + "0"))
    forget(home, catalog, [LIVE])
    assert path.read_text() == stays


def test_quarantine_of_a_backup_is_cleaned(home: Home, catalog: DuckCatalog) -> None:
    """A backup of everything has one, too, and is sound afterwards."""
    _write(home, _line("/d/a.json#1"), _line("/e/a.json#1", raw_base64="AA=="))
    backup.make(catalog, home.backups_dir / "all", [home.quarantine_dir])

    result = forget(home, catalog, source="/d")

    assert told(result) == {"backups": (1, 0), "quarantine": (1, 0)}
    assert files_with(home.dir, [SECRET]) == {} and backup.is_sound(home.backups_dir / "all")


def test_file_that_an_import_is_writing_is_left_and_named(home: Home, catalog: DuckCatalog) -> None:
    """What the import would still write to it would be lost."""
    path = _write(home, _line("/d/a.json#1"))
    with path.open("ab") as writing:
        fcntl.flock(writing, fcntl.LOCK_SH)
        result = forget(home, catalog, source="/d")

    assert told(result) == {"quarantine": (1, 1)} and any(path.name in note for note in result.notes)
    assert told(forget(home, catalog, source="/d")) == {"quarantine": (1, 0)}


def test_line_that_is_added_just_before_the_lock_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is looked at once nobody can write to it any more."""
    path = tmp_path / "q.jsonl"
    path.write_text(_line("/d/a.json#1"))
    lock = forget_quarantine._lock

    def add_and_lock(file: BinaryIO) -> bool:
        with path.open("a") as writing:
            writing.write(_line("/e/a.json#1"))
        return lock(file)

    monkeypatch.setattr(forget_quarantine, "_lock", add_and_lock)
    assert forget_quarantine.drop(tmp_path, Wanted((Filters(source="/d"),))) == []
    assert path.read_text() == _line("/e/a.json#1")


def test_what_is_left_is_told_on_every_run(home: Home, catalog: DuckCatalog) -> None:
    """A note of a person that names the source is found and named, and not touched, as often as one looks."""
    (home.dir / "mine.txt").write_text("see /d/a.json, not /dx or /home/d/x")

    for dry_run in (True, False, False):
        result = forget(home, catalog, dry_run=dry_run, source="/d")
        assert told(result) == {"other files": (1, 1)} and any("mine.txt" in note for note in result.notes)
    assert told(forget(home, catalog, source="/home/d/x/y")) == {}


@pytest.mark.parametrize(
    ("filters", "takes"),
    [
        (Filters(domains=("d",)), True),
        (Filters(domains=("other",)), False),
        (Filters(domains=("d",), source="/s"), True),
        (Filters(domains=("d",), source="/t"), False),
        (Filters(source="/s/a.json"), True),
        (Filters(source="/s", emotion="joy"), False),
        (Filters(), False),
    ],
)
def test_filters_that_a_refused_record_can_meet(filters: Filters, takes: bool) -> None:
    """Nothing but its source and domain is known; asked for more, it stays."""
    assert wanted(filters, set()).takes(_line("/s/a.json#1").encode()) is takes
    assert not wanted(filters, set()).takes(b'{"source": "/s/a.json#1", "domain"')


def test_what_came_from_stdin_is_no_place() -> None:
    """Every import counts it anew, so that it is another record each time."""
    assert not wanted(Filters(), {"-#1"}).takes(_line("-#1").encode())
    assert wanted(Filters(source="-"), set()).takes(_line("-#1").encode())


def test_line_longer_than_a_piece_goes_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its head says whose it is; what follows in the same line goes or stays with it. Half characters do no harm."""
    monkeypatch.setattr(forget_quarantine, "_PIECE_BYTES", 200)
    lone = _line("/d/lone#1", record={"prompt": "\ud800"})
    stays = _line("/e/a#1", record={"prompt": "y" * 1000}).replace(", ", ",").replace(": ", ":")
    goes = _line("/d/a#1", record={"prompt": "x" * 1000}).replace(", ", ",").replace(": ", ":")
    (tmp_path / "q.jsonl").write_text(goes + stays + lone)

    forget_quarantine.drop(tmp_path, Wanted((Filters(source="/d"),)))

    assert (tmp_path / "q.jsonl").read_text() == stays
