"""The files of the engine when it closes and when it changes them: whole, or as they were, and never silently short."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from catalog_contract import CALM, numbered
from mcai.errors import (
    CatalogDamagedError,
    DamagedError,
    FatalStoreError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from mcai.paths import wal_path
from mcai.store.duck import DuckCatalog, salvage, scrub, verify
from mcai.store.duck.connection import connect, engine_errors, quoted
from upkeep_kit import flip, full_disk

ROWS = 2_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.duckdb"


@pytest.fixture
def catalog(path: Path) -> Iterator[DuckCatalog]:
    """A catalog of which the last rows are in its write-ahead log."""
    catalog = DuckCatalog.open(path, [CALM])
    catalog.add(numbered(ROWS))
    assert wal_path(path).stat().st_size > 100_000
    yield catalog
    catalog.close()


def raw(path: Path) -> tuple[bytes, bytes]:
    return path.read_bytes(), wal_path(path).read_bytes()


def copy_with_log(path: Path, folder: Path) -> Path:
    """Return a copy of a catalog's two files, as a crash leaves them."""
    folder.mkdir()
    for each in (path, wal_path(path)):
        shutil.copy(each, folder)
    return folder / path.name


def count_in(path: Path) -> int:
    again = DuckCatalog.open(path)
    try:
        return again.count()
    finally:
        again.close()


def test_file_is_not_replaced_when_its_log_cannot_be_written_down(
    catalog: DuckCatalog, path: Path, tmp_path: Path
) -> None:
    """The engine gives up before a file is touched: beside a fresh file, the old log would be taken for its own."""
    fresh = tmp_path / "fresh.duckdb"
    catalog.copy_to(fresh)
    before = copy_with_log(path, tmp_path / "before")
    with full_disk(), pytest.raises(FatalStoreError, match="no room"):
        catalog.engine.replace_file(fresh)
    catalog.close()
    assert raw(path) == raw(before) and fresh.exists()
    assert count_in(path) == ROWS


SPOIL: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "no catalog": lambda fresh: fresh.write_bytes(b"x" * 20_000),
    "damaged": lambda fresh: flip(fresh, 4_100),
}


@pytest.mark.parametrize("how", SPOIL)
def test_failed_replacement_ends_the_process(catalog: DuckCatalog, tmp_path: Path, how: str) -> None:
    """Without its connection the engine can serve nothing: the error is one that the daemon ends with."""
    fresh = tmp_path / "fresh.duckdb"
    catalog.copy_to(fresh)
    SPOIL[how](fresh)
    with pytest.raises(FatalStoreError):
        catalog.engine.replace_file(fresh)


def test_replacement_that_has_to_wait_changes_nothing(
    catalog: DuckCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the log cannot be written down just now, the catalog goes on with the file that it has."""
    fresh = tmp_path / "fresh.duckdb"
    catalog.copy_to(fresh)

    def refuse() -> None:
        raise StoreError("not now")

    with monkeypatch.context() as patch:
        patch.setattr(catalog.engine, "checkpoint", refuse)
        with pytest.raises(StoreError, match="not now"):
            catalog.engine.replace_file(fresh)
    assert fresh.exists()
    assert catalog.add(numbered(1, first=9_000)).imported == 1 and catalog.count() == ROWS + 1
    catalog.engine.replace_file(fresh)


def test_closing_on_a_full_disk_keeps_everything(catalog: DuckCatalog, path: Path) -> None:
    """A daemon stops on a full disk too; what it could not write down is in the log."""
    with full_disk():
        catalog.close()
    assert wal_path(path).exists()
    assert count_in(path) == ROWS


def test_closing_whole_says_when_it_is_not(catalog: DuckCatalog, path: Path) -> None:
    """Whoever moves the file alone is told that it does not hold everything."""
    with full_disk(), pytest.raises(FatalStoreError, match="no room"):
        catalog.engine.close_whole()
    assert count_in(path) == ROWS


def test_file_without_room_for_its_log_is_not_vouched_for(catalog: DuckCatalog, path: Path, tmp_path: Path) -> None:
    """What a file holds is told only when it holds it without its log, which stays until then."""
    left = copy_with_log(path, tmp_path / "left")
    before = raw(left)
    with full_disk(), pytest.raises(StoreFullError):
        verify.settled(left)
    assert raw(left) == before

    told = verify.settled(left)

    assert (told.epoch, told.rows) == (1, ROWS) and not wal_path(left).exists()
    verify.check_facts(left, told)


def test_file_that_holds_something_else_is_refused(catalog: DuckCatalog, tmp_path: Path) -> None:
    """A closed file is asked for epoch, rows and history."""
    one, two = tmp_path / "one.duckdb", tmp_path / "two.duckdb"
    catalog.copy_to(one)
    catalog.add(numbered(1, first=9_000))
    told = catalog.copy_to(two)
    verify.check_facts(two, told)
    with pytest.raises(DamagedError, match=rf"epoch 1 and {ROWS} rows, not 2 and {ROWS + 1}"):
        verify.check_facts(one, told)


@pytest.mark.parametrize(
    ("said", "is_damage"),
    [
        (
            'Could not read enough bytes from file "/home/catalog.duckdb": attempted to read 9 bytes from location 7',
            True,
        ),
        ('Could not read from file "/home/catalog.duckdb": Input/output error', True),
        ('The file "/home/catalog.duckdb" exists, but it is not a valid DuckDB database file!', True),
        ("Failed to deserialize: field id mismatch, expected: 100, got: 0", True),
        ("Failed to load metadata pointer (id 3, idx 1, ptr 3)", True),
        ("Corrupt WAL file: entry at byte position 8 computed checksum 1 does not match stored checksum 2", True),
        ("Corrupted database - loaded column with index 1, count 2 did not match count of row group 3", True),
        (
            'Could not read enough bytes from file "/home/tmp/duckdb_temp_storage-0.tmp": attempted to read 9 bytes',
            False,
        ),
        ('Could not read from file "/home/catalog.duckdb": Permission denied', False),
        ('Cannot open file "/home/catalog.duckdb": Too many open files', False),
        ('Could not write file "/home/catalog.duckdb": No space left on device', False),
        ("Corrupt database file: computed checksum 1 does not match stored checksum 2", True),
        ("Corrupted ALP segment: factor 20 exceeds exponent 3", True),
        ("Failed to scan dictionary string. Database file appears to be corrupted.", True),
        ("Restored data doesn't match checksum", True),
        ("Could not convert string 'how corrupt, and what is a checksum?' to INT64", False),
    ],
)
def test_damage_is_what_the_engine_says_not_what_it_quotes(said: str, is_damage: bool) -> None:
    """Every way in which DuckDB tells of a damaged block ends the daemon; a text about damage does not."""
    with pytest.raises(StoreError) as caught, engine_errors():
        raise duckdb.IOException(said)
    assert isinstance(caught.value, CatalogDamagedError) == is_damage


@pytest.mark.parametrize("kind", [duckdb.Error, duckdb.FatalException, duckdb.InternalException])
def test_damage_is_told_by_errors_about_files(kind: type[duckdb.Error]) -> None:
    """DuckDB's own kind of error for damage has no class in Python, and a checkpoint quotes it in a fatal one."""
    with pytest.raises(CatalogDamagedError, match="in block at location 4"), engine_errors():
        raise kind("Corrupt database file: computed checksum 1 does not match stored checksum 2 in block at location 4")
    with pytest.raises(StoreError) as caught, engine_errors():
        raise duckdb.ConversionException("Could not convert 'Corrupt database file: computed checksum' to INT64")
    assert not isinstance(caught.value, FatalStoreError)


@pytest.mark.parametrize("told", ["Permission denied", "Too many open files", "Read-only file system"])
def test_what_the_system_says_no_to_is_not_damaged(path: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """The file is left where it is, and the reason is named: another start may find it sound."""

    def refuse(*arguments: object, **options: object) -> None:
        raise duckdb.IOException(f'Cannot open file "{path}": {told}')

    monkeypatch.setattr(duckdb, "connect", refuse)
    with pytest.raises(StoreUnavailableError, match=told):
        connect(path)


@pytest.mark.parametrize("part", [0.0, 0.004, 0.02, 0.25, 0.5, 0.75, 0.99])
def test_a_file_cut_short_is_damaged_wherever_it_is_read(catalog: DuckCatalog, path: Path, part: float) -> None:
    """At its opening or when its rows are read: no cut is taken for anything but damage."""
    catalog.close()
    os.truncate(path, int(path.stat().st_size * part))
    with pytest.raises((DamagedError, CatalogDamagedError), match=r"damaged|cannot be opened"):
        again = DuckCatalog.open(path)
        try:
            verify.read_everything(again)
        finally:
            again.close()


def test_any_path_can_be_attached(catalog: DuckCatalog, tmp_path: Path) -> None:
    """A quote in the name of a folder ends no statement: copies, scrubbing and salvage work there too."""
    folder = tmp_path / "it's ''here''"
    folder.mkdir()
    facts = catalog.copy_to(folder / "copy.duckdb")
    with scrub.opened(folder / "copy.duckdb", tmp_path / "spill") as closed:
        assert closed.write_without([1], folder / "without.duckdb").rows == facts.rows - 1
    assert salvage.salvage(folder / "copy.duckdb", folder / "kept.duckdb") == 0
    assert count_in(folder / "kept.duckdb") == ROWS
    assert duckdb.execute(f"SELECT {quoted(folder)}").fetchall() == [(str(folder),)]
