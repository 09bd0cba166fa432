"""Opening a home whose catalog is damaged: all that was acknowledged is there, or it is refused and left as it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog_contract import numbered
from mcai.errors import CatalogDamagedError, DamagedError
from mcai.paths import Home, wal_path
from mcai.store import backup, journal
from mcai.store.base import Key
from mcai.store.duck import DuckCatalog, forgetting, recovery, verify
from mcai.store.duck.redaction import Redactor
from mcai.upkeep import bases
from recovery_kit import LARGE, live_through, lose_catalog, mark_suspect, opened, overwrite_catalog, state


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


@pytest.mark.parametrize("damage", [lose_catalog, overwrite_catalog, mark_suspect])
def test_journal_alone_brings_everything_back(home: Home, damage: Callable[[Home], None]) -> None:
    """Rows, archive, history, ids and hashes are the same after the catalog is gone; what was damaged is kept aside."""
    with opened(home) as before:
        live_through(before.catalog)
        wanted = state(before.catalog)
    damage(home)

    with opened(home) as again:
        assert state(again.catalog) == wanted
        assert again.recovery is not None and again.recovery.lost_epochs == 0
        assert all(Path(kept).exists() for kept in again.recovery.kept)
        # The answer to a key came back too: the retry of an acknowledged batch adds nothing.
        assert again.catalog.add(numbered(10), key=Key("k", b"h" * 16)).epoch == 1
    with opened(home) as third:
        assert third.recovery is None and state(third.catalog) == wanted


def test_base_copy_and_the_journal_after_it_bring_everything_back(home: Home) -> None:
    """With a base copy the journal before it is not needed any more."""
    with opened(home) as before:
        before.catalog.add(numbered(5))
        backup.make(before.catalog, home.backups_dir / f"{backup.BASE_PREFIX}1")
        journal = before.catalog.engine.journal
        assert journal is not None
        old = journal.roll()
        before.catalog.add(numbered(5, first=6))
        wanted = state(before.catalog)
    for segment in old:
        segment.unlink()
    overwrite_catalog(home)

    with opened(home) as again:
        assert state(again.catalog) == wanted
        assert again.recovery is not None and again.recovery.recovered_epochs == 1


def test_damaged_base_copy_is_passed_over(home: Home) -> None:
    """A base copy whose bytes differ from its manifest is not used; the journal from the beginning is."""
    with opened(home) as before:
        live_through(before.catalog)
        base = home.backups_dir / f"{backup.BASE_PREFIX}1"
        backup.make(before.catalog, base)
        wanted = state(before.catalog)
    whole = (base / backup.CATALOG).read_bytes()
    (base / backup.CATALOG).write_bytes(whole[:5_000] + bytes([whole[5_000] ^ 1]) + whole[5_001:])
    lose_catalog(home)

    with opened(home) as again:
        assert state(again.catalog) == wanted


def test_what_cannot_be_repaired_is_refused_and_left_alone(home: Home) -> None:
    """Without a journal a damaged catalog is not replaced by an empty one: the error says what the ways out are."""
    with opened(home) as before:
        before.catalog.add(numbered(5))
    shutil.rmtree(home.journal_dir)
    overwrite_catalog(home)
    held = home.catalog_path.read_bytes()

    with pytest.raises(DamagedError, match="cannot be opened") as refusal:
        recovery.open_catalog(home, [])

    assert "mcai restore" in refusal.value.hint and "doctor --fix" in refusal.value.hint
    assert home.catalog_path.read_bytes() == held


def test_loss_is_accepted_only_when_asked_for(home: Home) -> None:
    """`doctor --fix` begins anew where nothing else is left, keeps the damaged file, and says so."""
    with opened(home) as before:
        before.catalog.add(numbered(5))
    shutil.rmtree(home.journal_dir)
    overwrite_catalog(home)

    with opened(home, accept_loss=True) as again:
        assert again.catalog.count() == 0
        assert again.recovery is not None and "made anew from nothing" in again.recovery.cause
        assert any(Path(kept).read_bytes().startswith(b"not a database") for kept in again.recovery.kept)


def test_what_was_forgotten_is_known_after_a_repair(home: Home) -> None:
    """From a base copy and a journal that were cleaned: those who follow hear of it, a rollback counts it, and it is
    to be made sure that it is gone everywhere."""
    with opened(home) as before:
        before.catalog.add(numbered(4))
        before.catalog.delete([3])
        before.catalog.forget([2, 3])
        before.catalog.add(numbered(1, first=9))
        stubs = _stubs(before.catalog)
        wanted = state(before.catalog)
        assert before.catalog.rollback(1, None, dry_run=True).forgotten == 2
    assert journal.redact(home.journal_dir, Redactor([2, 3])).changed == 1
    lose_catalog(home)

    with opened(home) as again:
        assert state(again.catalog) == wanted and _stubs(again.catalog) == stubs
        assert again.catalog.changes(2, LARGE).gone.count(2) == 1
        assert again.catalog.rollback(1, None, dry_run=True).forgotten == 2
        assert forgetting.pending(again.catalog.engine) == [2, 3]


def _stubs(catalog: DuckCatalog) -> list[tuple[int, ...]]:
    with catalog.engine.reading() as cursor:
        return cursor.execute("FROM forgotten ORDER BY ALL").fetchall()


@pytest.mark.parametrize("part", [0.25, 0.5, 0.75, 0.99])
def test_a_catalog_cut_short_is_made_anew(home: Home, part: float) -> None:
    """Wherever it is noticed, at the opening or by the first reader: the next start has everything, and says so."""
    with opened(home) as before:
        live_through(before.catalog)
        before.catalog.add(numbered(6_000, first=100))
        wanted = state(before.catalog)
    os.truncate(home.catalog_path, int(home.catalog_path.stat().st_size * part))

    try:
        with opened(home) as found:
            verify.read_everything(found.catalog)
            assert found.recovery is not None
    except CatalogDamagedError as error:
        home.suspect_path.write_text(error.message)
    with opened(home) as again:
        assert state(again.catalog) == wanted
    assert [path.name for path in home.damaged_dir.glob("catalog.duckdb-*")] and not home.suspect_path.exists()


def test_damage_that_the_journal_meets_is_mended_in_the_same_start(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What opening did not need may be needed by what follows it: the catalog is put aside then too."""
    with opened(home) as before:
        live_through(before.catalog)
        wanted = state(before.catalog)
    follow = recovery._follow

    def meets_damage(*arguments: Any) -> Any:
        monkeypatch.setattr(recovery, "_follow", follow)
        raise CatalogDamagedError("the catalog is damaged: a block")

    monkeypatch.setattr(recovery, "_follow", meets_damage)
    with opened(home) as again:
        assert state(again.catalog) == wanted
        assert again.recovery is not None and "a block" in again.recovery.cause and again.recovery.kept
    assert not home.suspect_path.exists()


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


@pytest.mark.parametrize("place", [dangling, Path.touch])
def test_a_journal_that_is_no_folder_is_refused(home: Home, place: Callable[[Path], None]) -> None:
    """It is not taken for an empty one: nothing is changed, and the reason and the way out are named."""
    with opened(home) as before:
        before.catalog.add(numbered(5))
    shutil.rmtree(home.journal_dir)
    place(home.journal_dir)
    held = home.catalog_path.read_bytes()

    with pytest.raises(DamagedError, match=r"journal is .*, where a folder must be") as refusal:
        recovery.open_catalog(home, [])

    assert "mcai doctor --fix" in refusal.value.hint
    assert home.catalog_path.read_bytes() == held and os.path.lexists(home.journal_dir)


@pytest.mark.parametrize("place", [dangling, Path.mkdir])
def test_a_catalog_that_is_no_file_is_put_aside(home: Home, place: Callable[[Path], None]) -> None:
    """Where the journal has everything, the catalog is made anew; without it, whatever lies there is left alone."""
    with opened(home) as before:
        live_through(before.catalog)
        wanted = state(before.catalog)
    home.catalog_path.unlink()
    place(home.catalog_path)
    with opened(home) as again:
        assert state(again.catalog) == wanted
        assert again.recovery is not None and len(again.recovery.kept) == 1

    home.catalog_path.unlink()
    shutil.rmtree(home.journal_dir)
    place(home.catalog_path)
    with pytest.raises(DamagedError, match="where a file must be"):
        recovery.open_catalog(home, [])
    assert os.path.lexists(home.catalog_path)


def test_a_log_without_its_catalog_is_put_aside(home: Home) -> None:
    """It is not taken for the log of the base copy that comes in the catalog's place."""
    with opened(home) as before:
        before.catalog.add(numbered(3))
        bases.make(home, before.catalog)
        before.catalog.add(numbered(2, first=4))
        log = wal_path(home.catalog_path).read_bytes()
        wanted = state(before.catalog)
    assert log
    home.catalog_path.unlink()
    wal_path(home.catalog_path).write_bytes(log)

    with opened(home) as again:
        assert state(again.catalog) == wanted
        assert again.recovery and "is missing" in again.recovery.cause
    assert [path.read_bytes() for path in home.damaged_dir.iterdir()] == [log]
