"""Forgetting where something cannot be read: what is damaged may go, what cannot be read just now stays."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from forget_kit import ARCHIVED, EDITED, LIVE, Marked, files_with, forget, forgetting_of, opened, told
from mcai import failpoints
from mcai.errors import FatalStoreError, StoreUnavailableError
from mcai.paths import Home
from mcai.store import backup
from mcai.store.duck import DuckCatalog, forgetting
from mcai.store.journal.segments import opened as opened_segment
from mcai.upkeep import forget_order
from upkeep_kit import digests

_HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Let another process have a catalog file open."""
    command = [sys.executable, "-c", _HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield
        process.communicate()


def test_backup_that_is_open_elsewhere_stays_and_is_cleaned_later(
    home: Home, catalog: DuckCatalog, marked: list[Marked]
) -> None:
    """It may be sound: it is named, counted as left, and looked at again."""
    with held_open(home.backups_dir / "mine" / backup.CATALOG):
        for dry_run in (True, False):
            result = forget(home, catalog, [LIVE], dry_run=dry_run)
            assert told(result)["backups"][1] > 0
            assert any(note.startswith("backups/mine could not be looked at: ") for note in result.notes)
        assert not asyncio.run(forgetting_of(home, catalog).finish_pending())
    assert backup.is_sound(home.backups_dir / "mine") and forgetting.pending(catalog.engine) == [LIVE]

    assert asyncio.run(forgetting_of(home, catalog).finish_pending())

    assert backup.is_sound(home.backups_dir / "mine") and forgetting.pending(catalog.engine) == []
    assert files_with(home.dir, marked[0].texts) == {} and not forget_order.is_noted(home)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_journal_that_cannot_be_opened_now_dooms_no_backup(
    home: Home, catalog: DuckCatalog, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """What the system refuses at this moment says nothing of the file."""

    def refused(segment: Path) -> Any:
        if "mine" in segment.parts:
            raise OSError(number, "refused", str(segment))
        return opened_segment(segment)

    monkeypatch.setattr("mcai.store.duck.redaction.opened", refused)
    result = forget(home, catalog, [LIVE])

    assert told(result)["backups"][1] > 0 and backup.is_sound(home.backups_dir / "mine")


def test_own_journal_that_cannot_be_opened_is_an_error_with_a_reason(
    home: Home, catalog: DuckCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one of the system, which nobody expects."""

    def refused(segment: Path) -> Any:
        raise OSError(errno.EMFILE, "Too many open files", str(segment))

    monkeypatch.setattr("mcai.store.duck.redaction.opened", refused)
    for dry_run in (True, False):
        choices: list[dict[str, Any]] = [{"ids": [LIVE]}, {"source": "/secret"}]
        for chosen in choices:
            with pytest.raises(StoreUnavailableError, match="Too many open files"):
                forget(home, catalog, dry_run=dry_run, **chosen)


@pytest.mark.parametrize("chosen", [{"ids": [77]}, {"source": "/nowhere"}])
def test_what_nobody_knows_dooms_nothing(home: Home, catalog: DuckCatalog, chosen: dict[str, Any]) -> None:
    """Neither a damaged backup nor what was put aside goes for an example or a source that no place has."""
    (home.backups_dir / "mine" / backup.CATALOG).write_bytes(b"no catalog")
    home.damaged_dir.mkdir()
    (home.damaged_dir / "catalog.duckdb.wal-1").write_bytes(b"who knows")
    (home.damaged_dir / "journal-1-from-2.jsonl").write_bytes(b"who knows")
    (home.backups_dir / "rest").mkdir()
    (home.backups_dir / "rest" / "catalog.duckdb.wal").write_bytes(b"who knows")
    before = digests(home.backups_dir) | digests(home.damaged_dir)

    for dry_run in (True, False):
        result = forget(home, catalog, dry_run=dry_run, **chosen)
        assert told(result) == {} and any(
            note.startswith("backups/mine cannot be read, and stays") for note in result.notes
        )

    assert digests(home.backups_dir) | digests(home.damaged_dir) == before


def test_only_parts_of_a_catalog_go_from_what_was_put_aside(
    home: Home, catalog: DuckCatalog, marked: list[Marked]
) -> None:
    """In folders of folders, too. A text of a person stays, and is told of when it has a forgotten text in it."""
    aside = home.damaged_dir / "mine-20261124T101010.000001"
    home.damaged_dir.mkdir()
    (home.backups_dir / "mine").rename(aside)
    (aside / "notes.txt").write_text("nothing of interest")
    (aside / "quote.txt").write_text(marked[0].content)
    (aside / "catalog.duckdb-20261124T101010.000002").write_bytes(b"no catalog")
    (aside / "0000000000000009.jsonl-20261124T101010.000003").write_bytes(b"")

    result = forget(home, catalog, [LIVE, ARCHIVED])

    left = {str(path.relative_to(aside)) for path in aside.rglob("*") if path.is_file()}
    others = {"journal/0000000000000002.jsonl", "0000000000000009.jsonl-20261124T101010.000003"}
    assert left == {"notes.txt", "quote.txt", backup.MANIFEST, *others}
    assert told(result)["damaged files"][1] == 1 and any("quote.txt" in note for note in result.notes)


def test_what_was_asked_in_words_is_finished_after_a_crash(
    home: Home, catalog: DuckCatalog, marked: list[Marked]
) -> None:
    """Lines of quarantine in a backup go; a file that still names the source is told of. The note itself goes."""
    source = "/secret/of-nobody.json"
    home.quarantine_dir.mkdir()
    (home.quarantine_dir / "migrate-1.jsonl").write_text(
        f'{{"domain": "d", "source": "{source}#1", "reason": "blank", "record": {{}}}}\n'
    )
    backup.make(catalog, home.backups_dir / "all", [home.quarantine_dir])
    failpoints.arm({"MCAI_FAILPOINT": "forget.journal:fatal"})
    try:
        with pytest.raises(FatalStoreError):
            forget(home, catalog, source="/secret")
    finally:
        failpoints.arm({})
    catalog.close()

    with opened(home) as again:
        assert forgetting.pending(again.engine) == [LIVE, ARCHIVED, EDITED] and forget_order.is_noted(home)
        assert asyncio.run(forgetting_of(home, again).finish_pending())

        assert files_with(home.dir, [source, *(text for each in marked for text in each.texts)]) == {}
        assert not forget_order.is_noted(home) and backup.is_sound(home.backups_dir / "all")


def test_note_names_no_source_of_what_was_asked_for_by_id(
    home: Home, catalog: DuckCatalog, marked: list[Marked]
) -> None:
    """While something is left to be done, nothing of an example stands in the note of it."""
    with held_open(home.backups_dir / "mine" / backup.CATALOG):
        forget(home, catalog, [LIVE])
    noted = home.forgetting_path.read_bytes()
    assert files_with(home.dir, marked[0].texts)
    assert not any(text.encode() in noted for text in marked[0].texts)
