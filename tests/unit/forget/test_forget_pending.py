"""What is still to be forgotten: it goes in the end, and nothing else goes with it."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from catalog_contract import ids_of, numbered, row
from forget_kit import ARCHIVED, LIVE, Marked, files_with, forget, forgetting_of, nothing_derived, opened, told
from mcai import failpoints
from mcai.errors import IndexUnavailableError, StoreError, StoreUnavailableError
from mcai.filters import Filters
from mcai.paths import Home
from mcai.records import Place
from mcai.store import backup
from mcai.store.duck import DuckCatalog, forgetting
from mcai.store.journal import segments
from mcai.upkeep import forget_order, forget_quarantine


def _refuse(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EMFILE, "Too many open files")


def _refuse_below(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, folder: Path) -> None:
    """Let the process have too many files open whenever it wants one below a folder."""
    real = getattr(module, name)

    def opened_or_not(path: Any, *args: Any, **options: Any) -> Any:
        is_below = not isinstance(path, int) and Path(path).is_relative_to(folder)
        return _refuse() if is_below else real(path, *args, **options)

    monkeypatch.setattr(module, name, opened_or_not)


async def _not_ready(_: Any) -> list[Place]:
    raise IndexUnavailableError("still loading")


def test_a_number_that_nobody_had_yet_is_free(home: Home, catalog: DuckCatalog) -> None:
    """Whoever gets it while something is being forgotten keeps his example."""
    with pytest.raises(IndexUnavailableError):
        asyncio.run(forgetting_of(home, catalog, _not_ready).forget([LIVE, 6], Filters(), dry_run=False))
    assert [each.id for each in catalog.add([row("mine")]).results] == [6]

    assert asyncio.run(forgetting_of(home, catalog).finish_pending())

    assert 6 in ids_of(catalog) and LIVE not in ids_of(catalog)


def test_what_an_import_is_writing_stays_in_the_journal(
    home: Home, catalog: DuckCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry is there before its rows are: that does not make them rows that only the journal has."""
    journaled, looked = threading.Event(), threading.Event()

    def hit(name: str) -> None:
        if name == "write.journaled":
            journaled.set()
            looked.wait(0.5)

    monkeypatch.setattr("mcai.store.duck.engine.failpoints", type("Slow", (), {"hit": staticmethod(hit)}))
    adding = threading.Thread(target=lambda: catalog.add([row("new", source="/secret/new.json#1")]))
    adding.start()
    journaled.wait()
    forgetting_of(home, catalog)._leave_journal(forget_order.Order([], filters=(Filters(source="/secret"),)))
    looked.set()
    adding.join()

    assert files_with(home.journal_dir, ["/secret/new.json#1"])


def test_rows_go_even_when_the_quarantine_could_not_be_cleaned(
    home: Home, catalog: DuckCatalog, marked: list[Marked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was begun is finished: the rows, too, that were asked for in words."""
    with monkeypatch.context() as patch:
        patch.setattr(forget_quarantine, "drop", _refuse)
        with pytest.raises(StoreError):
            forget(home, catalog, source="/secret")

    assert asyncio.run(forgetting_of(home, catalog).finish_pending())

    assert files_with(home.dir, [text for each in marked for text in each.texts]) == {}


def test_lines_of_a_later_import_stay(home: Home, catalog: DuckCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a copy waits to be looked at, somebody mends the file and imports it again."""
    _refuse_below(monkeypatch, segments, "open_regular", home.backups_dir / "mine")
    assert told(forget(home, catalog, source="/secret"))["backups"][1]
    home.quarantine_dir.mkdir()
    later = home.quarantine_dir / "migrate-2.jsonl"
    later.write_text('{"domain":"d","source":"/secret/x.json#1","reason":"blank","record":{}}\n')

    assert not asyncio.run(forgetting_of(home, catalog).finish_pending())

    assert later.exists()


def test_another_order_counts_its_own_and_the_catalog_is_written_anew_once(
    home: Home, catalog: DuckCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a copy waits, neither does a receipt tell of others' examples nor does every round write the catalog."""
    _refuse_below(monkeypatch, segments, "open_regular", home.backups_dir / "mine")
    forgets = forgetting_of(home, catalog, nothing_derived)
    assert asyncio.run(forgets.forget([LIVE], Filters(), dry_run=False)).forgotten == 1
    assert asyncio.run(forgets.forget([ARCHIVED], Filters(), dry_run=False)).forgotten == 1
    written = home.catalog_path.stat().st_ino

    assert not asyncio.run(forgets.finish_pending())

    assert home.catalog_path.stat().st_ino == written


def test_note_that_cannot_be_read_now_is_not_to_be_removed(
    home: Home, catalog: DuckCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who removed it would drop what is left to be forgotten."""
    failpoints.arm({"MCAI_FAILPOINT": "forget.journal:enospc"})
    try:
        with pytest.raises(StoreError):
            forget(home, catalog, source="/secret")
    finally:
        failpoints.arm({})
    monkeypatch.setattr(forget_order, "read_small", _refuse)

    with pytest.raises(StoreUnavailableError) as caught:
        asyncio.run(forgetting_of(home, catalog).finish_pending())

    assert "Remove" not in (caught.value.hint or "")


@pytest.mark.parametrize("part", ["archive", "quarantine", "journal"])
def test_part_of_a_backup_that_cannot_be_read_now_stays(
    home: Home, catalog: DuckCatalog, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looked, so nobody says that nothing is there, and nothing sound is removed."""
    home.quarantine_dir.mkdir()
    (home.quarantine_dir / "migrate-1.jsonl").write_text('{"domain":"d","source":"/x","reason":"blank","record":{}}\n')
    others = [home.journal_dir, home.archive_dir, home.quarantine_dir]
    backup.make(catalog, home.backups_dir / "all", others)
    folder = home.backups_dir / "all" / part
    count = len(list(folder.iterdir()))
    with monkeypatch.context() as patch:
        if part == "archive":
            _refuse_below(patch, pq, "read_table", folder)
        elif part == "quarantine":
            _refuse_below(patch, forget_quarantine, "open_regular", folder)
        else:
            _refuse_below(patch, os, "scandir", folder)
        result = forget(home, catalog, [LIVE])

    assert any(note.startswith("backups/all could not be looked at: ") for note in result.notes)
    assert len(list(folder.iterdir())) == count and forgetting.pending(catalog.engine) == [LIVE]
    assert asyncio.run(forgetting_of(home, catalog).finish_pending())


def test_damaged_file_of_an_archive_that_was_put_aside_goes(home: Home, catalog: DuckCatalog) -> None:
    """It is why it was put aside: that nobody can read it keeps nothing from being finished."""
    [sound] = home.archive_dir.glob("*.parquet")
    raw = bytearray(sound.read_bytes())
    raw[4:200] = bytes(each ^ 0x5A for each in raw[4:200])
    aside = home.damaged_dir / "archive-20261124T101010.000001" / sound.name
    aside.parent.mkdir(parents=True)
    aside.write_bytes(raw)

    result = forget(home, catalog, [ARCHIVED])

    assert not aside.exists() and told(result)["damaged files"] == (1, 0)
    assert forgetting.pending(catalog.engine) == []


def test_folder_without_a_catalog_of_ours_is_cleaned_beside_it(home: Home, catalog: DuckCatalog) -> None:
    """A file in which no schema was made yet stays as it is, and its journal is cleaned."""
    other = home.backups_dir / "other"
    other.mkdir()
    (home.backups_dir / "mine" / backup.JOURNAL).rename(other / backup.JOURNAL)
    import duckdb

    duckdb.connect(str(other / backup.CATALOG)).close()

    assert told(forget(home, catalog, [LIVE]))["backups"][1] == 0
    assert (other / backup.CATALOG).exists() and forgetting.pending(catalog.engine) == []


def test_reopened_home_goes_on(home: Home, catalog: DuckCatalog) -> None:
    """An order that a start finds is one: numbers that were not given out are not in it."""
    with pytest.raises(IndexUnavailableError):
        asyncio.run(forgetting_of(home, catalog, _not_ready).forget([LIVE, 99], Filters(), dry_run=False))
    catalog.close()
    with opened(home) as again:
        assert forgetting.pending(again.engine) == [LIVE]
        again.add(numbered(1, first=50))
        assert asyncio.run(forgetting_of(home, again).finish_pending())
