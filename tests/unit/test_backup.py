"""Backups and base copies: what they hold, what they refuse, and what a damaged catalog is repaired from."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from catalog_contract import numbered
from mcai import failpoints
from mcai.errors import (
    BackupDamagedError,
    ConflictError,
    InvalidRequestError,
    McaiError,
    NotFoundError,
    SchemaVersionError,
    StoreFullError,
)
from mcai.filters import Filters
from mcai.paths import Home
from mcai.store import backup as folders
from mcai.store import journal
from mcai.store.duck import DuckCatalog
from mcai.upkeep import backup, bases
from mcai.upkeep.restore import restore
from upkeep_kit import digests, fill, flip, opened, silent, state_in

NEVER = timedelta(days=1_000)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def catalog(home: Home) -> Iterator[DuckCatalog]:
    with opened(home) as catalog:
        yield catalog


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path]:
    """A home with a history, and a backup of it."""
    folder = tmp_path_factory.mktemp("made")
    home = Home(folder / "home")
    fill(home)
    with opened(home) as catalog:
        backup.write(home, catalog, folder / "backup", everything=False)
    return home, folder / "backup"


def rows_at(catalog: DuckCatalog, epoch: int) -> bytes:
    return msgspec.json.encode(catalog.page(Filters(), after_id=0, limit=100_000, epoch=epoch))


def test_backup_while_others_write_is_one_epoch(home: Home, catalog: DuckCatalog, tmp_path: Path) -> None:
    """What is written meanwhile is in the backup whole or not at all, and nothing that came before is missing."""
    catalog.add(numbered(2_000))
    before, done = catalog.epoch, threading.Event()

    def write() -> None:
        first = 10_000
        while not done.is_set():
            catalog.add(numbered(3, first=first))
            first += 3

    writer = threading.Thread(target=write)
    writer.start()
    try:
        results = [backup.write(home, catalog, tmp_path / name, everything=False) for name in ("one", "two")]
    finally:
        done.set()
        writer.join()
    assert before <= results[0].epoch < results[1].epoch <= catalog.epoch

    for result in results:
        other = Home(tmp_path / f"from {Path(result.path).name}")
        other.dir.mkdir()
        restored = restore(other, Path(result.path), tell=silent)
        with opened(other) as copy:
            assert (restored.epoch, restored.rows) == (copy.epoch, copy.count()) == (result.epoch, result.rows)
            assert rows_at(copy, copy.epoch) == rows_at(catalog, result.epoch)


def _rewritten(**fields: int | str) -> Callable[[Path], object]:
    def rewrite(folder: Path) -> None:
        told = msgspec.json.decode((folder / folders.MANIFEST).read_bytes())
        (folder / folders.MANIFEST).write_bytes(msgspec.json.encode({**told, **fields}))

    return rewrite


def _name_file(folder: Path, path: str) -> None:
    """Have the manifest name one file more, which is there beside the backup if the path leads there."""
    told = msgspec.json.decode((folder / folders.MANIFEST).read_bytes())
    (folder.parent / "secret").write_text("x")
    told["files"].append({"path": path, "bytes": 1, "sha256": "0" * 64})
    (folder / folders.MANIFEST).write_bytes(msgspec.json.encode(told))


SPOILED: dict[str, tuple[Callable[[Path], object], type[McaiError]]] = {
    "a byte of the catalog": (lambda folder: flip(folder / folders.CATALOG, 20_000), BackupDamagedError),
    "a byte of the journal": (lambda folder: flip(next((folder / "journal").iterdir()), 99), BackupDamagedError),
    "a file cut short": (lambda folder: os.truncate(folder / folders.CATALOG, 5_000), BackupDamagedError),
    "a file missing": (lambda folder: (folder / folders.CATALOG).unlink(), BackupDamagedError),
    "a folder in a file's place": (
        lambda folder: [make(folder / folders.CATALOG) for make in (Path.unlink, Path.mkdir)],
        BackupDamagedError,
    ),
    "manifest missing": (lambda folder: (folder / folders.MANIFEST).unlink(), BackupDamagedError),
    "odd chain": (_rewritten(chain="abc"), BackupDamagedError),
    "NUL in a path": (lambda folder: _name_file(folder, "a\0b"), BackupDamagedError),
    "epoch below 0": (_rewritten(epoch=-5), BackupDamagedError),
    "format below 0": (_rewritten(mcai_backup=-7), BackupDamagedError),
    "manifest is a FIFO": (
        lambda folder: [make(folder / folders.MANIFEST) for make in (Path.unlink, os.mkfifo)],
        BackupDamagedError,
    ),
    "manifest is no JSON": (lambda folder: (folder / folders.MANIFEST).write_bytes(b"\xff{"), BackupDamagedError),
    "manifest of something else": (lambda folder: (folder / folders.MANIFEST).write_text("[1]"), BackupDamagedError),
    "manifest with other counts": (_rewritten(rows=99), McaiError),
    "manifest of another history": (_rewritten(chain="00" * 16), McaiError),
    "a file outside": (lambda folder: _name_file(folder, "../secret"), BackupDamagedError),
    "newer format": (_rewritten(mcai_backup=99), SchemaVersionError),
    "newer schema": (_rewritten(schema_version=99), SchemaVersionError),
    "not there": (shutil.rmtree, NotFoundError),
}


@pytest.mark.parametrize("how", SPOILED)
def test_spoiled_backup_is_refused_and_changes_nothing(made: tuple[Home, Path], tmp_path: Path, how: str) -> None:
    """A backup that is damaged, newer or none at all is refused; the home is byte for byte what it was."""
    home, sound = made
    spoiled = tmp_path / "spoiled"
    shutil.copytree(sound, spoiled)
    spoil, error = SPOILED[how]
    spoil(spoiled)
    before = digests(home.dir)

    with pytest.raises(error):
        restore(home, spoiled, tell=silent)

    assert digests(home.dir) == before


def test_destination_among_the_homes_own_files_is_refused(home: Home, catalog: DuckCatalog, tmp_path: Path) -> None:
    """A backup goes outside the home, or right below its folder of backups under a name of one's own."""
    catalog.add(numbered(1))
    link = tmp_path / "link"
    link.symlink_to(home.journal_dir)
    refused = [home.dir, tmp_path, home.journal_dir / "x", home.vectors_dir, link / "x", home.backups_dir]
    refused += [home.backups_dir / name for name in ("base-1", "replaced-1", "mine/deeper")]
    before = digests(home.dir)
    for dest in refused:
        with pytest.raises((InvalidRequestError, ConflictError)):
            backup.write(home, catalog, dest, everything=False)
    assert digests(home.dir) == before

    backup.write(home, catalog, home.backups_dir / "mine", everything=False)
    assert [each.path for each in backup.found(home).backups] == [str(home.backups_dir / "mine")]
    with pytest.raises(ConflictError):
        backup.write(home, catalog, home.backups_dir / "mine", everything=False)


@pytest.mark.parametrize("place", ["backup.copied", "backup.manifest"])
def test_full_disk_leaves_nothing_behind(home: Home, catalog: DuckCatalog, tmp_path: Path, place: str) -> None:
    """A backup that does not fit is refused, removed, and possible again later."""
    catalog.add(numbered(1))
    failpoints.arm({"MCAI_FAILPOINT": f"{place}:enospc"})
    try:
        with pytest.raises(StoreFullError):
            backup.write(home, catalog, tmp_path / "full", everything=False)
    finally:
        failpoints.arm({})
    assert not (tmp_path / "full").exists()
    backup.write(home, catalog, tmp_path / "full", everything=False)


def test_no_room_is_said_before_anything_is_written(
    made: tuple[Home, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a backup nor a restore begins what cannot fit."""
    home, sound = made
    usage = type("Usage", (), {"total": 1 << 30, "free": 1 << 20})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    before = digests(home.dir)
    with pytest.raises(StoreFullError, match="MiB are free"):
        restore(home, sound, tell=silent)
    assert digests(home.dir) == before
    with opened(home) as catalog, pytest.raises(StoreFullError, match="MiB are free"):
        backup.write(home, catalog, tmp_path / "full", everything=False)
    assert not (tmp_path / "full").exists()


def test_backup_of_everything_brings_everything_back(home: Home, catalog: DuckCatalog, tmp_path: Path) -> None:
    """With `everything`, what a home holds beside the data comes along; what the other home has, it keeps."""
    catalog.add(numbered(1))
    home.quarantine_dir.mkdir()
    (home.quarantine_dir / "a.jsonl").write_text("rejected")
    os.mkfifo(home.quarantine_dir / "pipe")
    home.config_path.write_text('log.level = "debug"\n')
    jobs = sqlite3.connect(home.dir / "jobs.db")
    jobs.execute("PRAGMA journal_mode = wal")
    jobs.execute("CREATE TABLE jobs AS SELECT 7 AS id")
    jobs.commit()  # it lies in the log beside the file
    backup.write(home, catalog, tmp_path / "all", everything=True)
    jobs.close()
    backup.write(home, catalog, tmp_path / "few", everything=False)
    other = Home(tmp_path / "other")
    other.dir.mkdir()
    other.config_path.write_text("mine")

    restore(other, tmp_path / "all", tell=silent)

    assert (other.quarantine_dir / "a.jsonl").read_text() == "rejected"
    assert other.config_path.read_text() == "mine"
    with sqlite3.connect(other.dir / "jobs.db") as copy:
        assert copy.execute("SELECT id FROM jobs").fetchall() == [(7,)]
    copy.close()
    names = {path.name for path in (tmp_path / "few").iterdir()}
    assert names == {folders.CATALOG, "journal", folders.MANIFEST}


def test_two_good_base_copies_are_kept_and_the_journal_from_there(home: Home, catalog: DuckCatalog) -> None:
    """Old base copies and the journal before them go; a damaged copy does not count as one of the two."""
    for number in range(4):
        catalog.add(numbered(5, first=10 * number))
        path = bases.make(home, catalog)
        if number == 2:
            flip(path / folders.CATALOG, 9_000)
    kept = [manifest.epoch for _, manifest in folders.found_in(home.backups_dir)]

    assert kept == [4, 2], "the third is damaged"
    assert 1 < journal.begins_at(home.journal_dir, default=0) <= 2
    catalog.add(numbered(5, first=90))
    assert bases.look(home, catalog.engine.timeline, catalog.epoch).repairable


@pytest.mark.parametrize("lost", ["catalog", "catalog and newest base"])
def test_lost_catalog_is_made_again_from_base_and_journal(home: Home, lost: str) -> None:
    """Everything that was acknowledged comes back, from the newest base copy or the one before."""
    with opened(home) as catalog:
        for number in range(3):
            catalog.add(numbered(5, first=10 * number))
            path = bases.make(home, catalog)
        catalog.add(numbered(5, first=90))
    before = state_in(home)
    home.catalog_path.unlink()
    if lost != "catalog":
        flip(path / folders.CATALOG, 9_000)

    assert state_in(home) == before


def test_base_copy_is_due_when_it_is_wanted(home: Home, catalog: DuckCatalog) -> None:
    """A base copy is due when the last one is old and something was written since, or nothing could repair the home."""
    now = timedelta(0)
    assert not bases.is_due(home, catalog, now), "there is nothing yet"
    catalog.add(numbered(1))
    assert bases.is_due(home, catalog, now) and not bases.is_due(home, catalog, NEVER)
    bases.make(home, catalog)
    assert not bases.is_due(home, catalog, now), "nothing was written since"
    catalog.add(numbered(1, first=2))
    assert bases.is_due(home, catalog, now) and not bases.is_due(home, catalog, NEVER)


def test_history_that_nothing_could_repair_wants_a_base_copy_at_once(made: tuple[Home, Path], tmp_path: Path) -> None:
    """After a restore the journal is new: it makes a base copy itself, and where there is none, one is due."""
    home = Home(tmp_path / "other")
    home.dir.mkdir()
    restore(home, made[1], tell=silent)
    with opened(home) as catalog:
        assert not bases.is_due(home, catalog, NEVER)
        catalog.add(numbered(1, first=999))
    before = state_in(home)
    flip(home.catalog_path, 100)
    assert state_in(home) == before, "made again from that base copy"
    shutil.rmtree(home.backups_dir)
    with opened(home) as catalog:
        assert bases.is_due(home, catalog, NEVER)
        catalog.add(numbered(1, first=1_000))
        assert bases.is_due(home, catalog, NEVER)
        bases.make(home, catalog)
        assert not bases.is_due(home, catalog, NEVER)


def test_base_copy_that_cannot_be_read_back_does_not_count(
    home: Home, catalog: DuckCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy is read before it counts: one that is damaged leaves no base copy and no rubbish."""
    catalog.add(numbered(5))
    seal = folders.seal

    def damage(target: Path, *arguments: object, **options: object) -> object:
        flip(target / folders.CATALOG, 12_300)
        return seal(target, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(folders, "seal", damage)
    with pytest.raises(McaiError):
        bases.make(home, catalog)
    assert list(home.backups_dir.iterdir()) == []
