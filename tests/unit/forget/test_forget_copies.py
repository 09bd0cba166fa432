"""Forgetting in copies: base copies, backups, whatever lies among them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from catalog_contract import ids_of
from forget_kit import ARCHIVED, LIVE, Marked, files_with, forget, forgetting_of, opened, told
from mcai.paths import Home
from mcai.store import backup
from mcai.store.duck import DuckCatalog, forgetting, scrub


def test_copies_stay_whole_and_hold_the_rest(home: Home, catalog: DuckCatalog) -> None:
    """What was rewritten can be restored, and its journal still follows from its catalog."""
    forget(home, catalog, [LIVE, ARCHIVED])

    copies = [path for path, _ in backup.found_in(home.backups_dir)]
    assert len(copies) == 2
    for path in copies:
        assert backup.is_sound(path)
    mine = Home(home.backups_dir / "mine")
    with opened(mine) as copy:
        assert ids_of(copy) == [3, 4, 5] and copy.count() == 3 and copy.epoch == 3
        assert copy.get(3) is not None and ids_of(copy, epoch=1) == [3, 4, 5]
    assert not any(mine.archive_dir.iterdir())


def test_example_that_only_a_backup_has_is_forgotten_there(
    home: Home, catalog: DuckCatalog, marked: list[Marked]
) -> None:
    """A restore can leave a row nowhere but in what it replaced; a filter finds it."""
    (home.backups_dir / "mine").rename(home.backups_dir / "replaced-1")
    catalog.forget([LIVE])

    result = forget(home, catalog, source=marked[0].source)

    assert files_with(home.backups_dir, marked[0].texts) == {} and told(result)["backups"][1] == 0


def test_damaged_copies_go(home: Home, catalog: DuckCatalog) -> None:
    """What cannot be read cannot be cleaned; what certainly has none of it stays."""
    mine = home.backups_dir / "mine" / backup.CATALOG
    content = mine.read_bytes()
    mine.write_bytes(content[:5000] + b"\xff" * 60_000 + content[65_000:])
    home.damaged_dir.mkdir()
    (home.damaged_dir / "catalog.duckdb.wal-1").write_bytes(b"who knows")
    (home.damaged_dir / "journal-1-from-2.jsonl").write_bytes(b"")

    result = forget(home, catalog, [LIVE])

    assert not mine.parent.exists() and len(backup.found_in(home.backups_dir)) == 1
    assert [path.name for path in home.damaged_dir.iterdir()] == ["journal-1-from-2.jsonl"]
    assert told(result)["damaged files"] == (1, 0)


def test_copy_that_an_upgrade_made_is_written_anew(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """It has an older schema, and is a copy like any other."""
    catalog.copy_to(home.dir / "catalog.before-3.duckdb")

    result = forget(home, catalog, [LIVE])

    assert told(result)["base copies"] == (2, 0) and files_with(home.dir, marked[0].texts) == {}
    with scrub.opened(home.dir / "catalog.before-3.duckdb", home.temp_dir) as copy:
        assert copy.rows_of([LIVE]) == (6, 0)


def test_journal_without_a_catalog_is_cleaned(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """Whatever lies among the backups is looked at, finished or not; a source is found there alone, too."""
    rest = home.backups_dir / "rest"
    (home.backups_dir / "mine").rename(rest)
    (rest / backup.CATALOG).unlink()
    (rest / backup.MANIFEST).unlink()
    catalog.forget([LIVE])

    result = forget(home, catalog, source=marked[0].source)

    assert files_with(home.backups_dir, marked[0].texts) == {} and files_with(rest, marked[1].texts)
    assert told(result)["backups"][1] == 0


def test_what_is_no_backup_holds_nothing_up(home: Home, catalog: DuckCatalog, tmp_path: Path) -> None:
    """A link is neither followed nor removed, a FIFO not waited for; both are named."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("aa.forgotten", "link"):
        (home.backups_dir / name).symlink_to(outside)
    os.mkfifo(home.backups_dir / "fifo")

    for dry_run in (True, False):
        result = forget(home, catalog, [LIVE], dry_run=dry_run)
        assert all(any(name in note for note in result.notes) for name in ("aa.forgotten", "backups/link", "fifo"))

    assert result.forgotten == 1 and (home.backups_dir / "link").is_symlink() and outside.exists()


def test_backup_of_any_name_stays(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """Names that look like those of something unfinished are names like any other."""
    names = ["one", "one.forgotten", "one.rewritten", "n" * 255]
    for name in names:
        backup.make(catalog, home.backups_dir / name, [home.journal_dir])

    forget(home, catalog, [LIVE])

    assert all(backup.is_sound(home.backups_dir / name) for name in names)
    assert files_with(home.dir, marked[0].texts) == {}
    assert not (home.backups_dir / backup.REWRITING).exists()


def test_copy_of_a_newer_version_stays(home: Home, catalog: DuckCatalog) -> None:
    """It is sound, and this mcai cannot clean it: it is named until one that can has looked at it."""
    newer = home.backups_dir / "newer"
    backup.make(catalog, newer)
    manifest = (newer / backup.MANIFEST).read_text()
    (newer / backup.MANIFEST).write_text(manifest.replace('"mcai_backup": 1', '"mcai_backup": 99'))
    for dry_run in (True, False):
        result = forget(home, catalog, [LIVE], dry_run=dry_run)
        assert any(note.startswith("backups/newer could not be looked at: ") for note in result.notes)
        assert told(result)["backups"][1]

    assert (newer / backup.CATALOG).exists() and forgetting.pending(catalog.engine) == [LIVE]


def test_copy_that_will_go_is_announced_and_named(home: Home, catalog: DuckCatalog) -> None:
    """Damaged: a dry run says that it would be removed, and why; the receipt that it was."""
    (home.backups_dir / "mine" / backup.CATALOG).write_bytes(b"no catalog")

    planned = forget(home, catalog, [LIVE], dry_run=True)

    assert (home.backups_dir / "mine").exists()
    done = forget(home, catalog, [LIVE])
    assert any(note.startswith("backups/mine goes as a whole: ") for note in planned.notes)
    assert any(note.startswith("backups/mine was removed: ") for note in done.notes)
    assert not (home.backups_dir / "mine").exists()


@pytest.mark.parametrize("fresh_is_whole", [True, False])
def test_exchange_that_was_cut_off_is_finished(home: Home, catalog: DuckCatalog, fresh_is_whole: bool) -> None:
    """Between two renames a crash leaves no folder of that name: the new one takes it, else the old one."""
    work, mine = home.backups_dir / backup.REWRITING, home.backups_dir / "mine"
    for parent in ("old", "fresh"):
        (work / parent).mkdir(parents=True)
    mine.rename(work / "old" / "mine")
    if fresh_is_whole:
        backup.make(catalog, work / "fresh" / "mine", [home.journal_dir])

    asyncio.run(forgetting_of(home, catalog).finish_pending())

    assert backup.is_sound(mine) and not work.exists()
    assert (mine / home.archive_dir.name).exists() is not fresh_is_whole


def test_copy_that_cannot_be_cleaned_does_not_hold_up_the_others(
    home: Home, catalog: DuckCatalog, marked: list[Marked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with the reason, what is left is counted, and the rows are gone everywhere else."""
    backup.make(catalog, home.backups_dir / "another", [home.journal_dir])
    seal = backup.seal

    def refused(target: Path, *facts: Any, **more: Any) -> backup.Manifest:
        if target.name == "another":
            raise PermissionError(1, "not permitted", str(target))
        return seal(target, *facts, **more)

    monkeypatch.setattr(backup, "seal", refused)
    result = forget(home, catalog, [LIVE])

    assert any(note.startswith("backups/another could not be cleaned: ") for note in result.notes)
    assert told(result)["backups"][1] > 0
    assert {path.split("/")[1] for path in files_with(home.dir, marked[0].texts)} == {"another"}
    monkeypatch.undo()
    assert told(forget(home, catalog, [LIVE]))["backups"][1] == 0 and files_with(home.dir, marked[0].texts) == {}
