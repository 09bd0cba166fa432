"""Opening a home after damage: everything acknowledged is there again, or the home is refused and left as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from catalog_contract import edit, numbered, row
from mcai.errors import DamagedError
from mcai.filters import Filters
from mcai.paths import Home
from mcai.store import backup
from mcai.store.base import Key, RotationPolicy
from mcai.store.duck import DuckCatalog, recovery
from mcai.upkeep import bases

LARGE = 1_000_000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


@contextmanager
def opened(home: Home, **options: Any) -> Iterator[recovery.Opened]:
    found = recovery.open_catalog(home, [], **options)
    try:
        yield found
    finally:
        found.catalog.close()


def state(catalog: DuckCatalog) -> bytes:
    """Return everything that a repair must bring back."""
    pages = [
        catalog.page(Filters(), after_id=0, limit=LARGE, epoch=catalog.epoch, archived=archived)
        for archived in (False, True)
    ]
    log = catalog.log(None, before=LARGE, limit=LARGE)
    return msgspec.json.encode([pages, log, catalog.epoch, catalog.engine.chain.hex(), catalog.engine.last_id])


def live_through(catalog: DuckCatalog) -> None:
    """Make epochs of every kind."""
    catalog.add(numbered(10), containers={"physics": [{"title": "About"}]}, key=Key("k", b"h" * 16))
    catalog.add(
        [row("z", domain="b", created_at="2025-01-01"), row("y", domain="b", metadata={"deep": [1, {"a": None}]})]
    )
    edit(catalog, 3, row("edited", domain="c"))
    catalog.delete([5])
    catalog.rotate(RotationPolicy(max_rows=4))
    catalog.rollback(2, "c")
    catalog.restore_archived([1], Filters())
    catalog.forget([2])
    catalog.drop_dataset("b")
    catalog.rollback(2, None)


def _repairable(home: Home, found: recovery.Opened) -> bool:
    return bases.look(home, found.catalog.timeline, found.catalog.epoch).repairable


def lose_catalog(home: Home) -> None:
    home.catalog_path.unlink()


def overwrite_catalog(home: Home) -> None:
    home.catalog_path.write_bytes(b"not a database" * 1_000)


def mark_suspect(home: Home) -> None:
    home.suspect_path.write_text("a block is damaged")


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


def test_epochs_that_the_journal_lost_are_written_again(home: Home) -> None:
    """A power cut takes the journal's last lines: the catalog, which has them, gives them back, for the next repair."""
    with opened(home) as before:
        live_through(before.catalog)
        wanted = state(before.catalog)
    (segment,) = home.journal_dir.iterdir()
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:4]))

    with opened(home) as again:
        assert state(again.catalog) == wanted and again.recovery is None
    lose_catalog(home)
    with opened(home) as third:
        assert state(third.catalog) == wanted


def test_journal_that_is_gone_begins_anew_and_wants_a_base(home: Home) -> None:
    """The catalog serves on; a base copy is asked for, because the new journal cannot repair what came before it."""
    with opened(home) as before:
        before.catalog.add(numbered(5))
        assert _repairable(home, before)
    shutil.rmtree(home.journal_dir)

    with opened(home) as again:
        assert not _repairable(home, again) and again.catalog.count() == 5


def test_journal_of_another_history_is_put_aside(home: Home, tmp_path: Path) -> None:
    """A catalog that was put here by hand is not mixed with the journal of the one that was here before."""
    other = Home(tmp_path / "other")
    other.dir.mkdir()
    with opened(other) as theirs:
        theirs.catalog.add(numbered(3, first=100))
    with opened(home) as ours:
        ours.catalog.add(numbered(5))
        ours.catalog.add(numbered(5, first=6))
    shutil.copyfile(other.catalog_path, home.catalog_path)

    with opened(home) as again:
        assert again.catalog.count() == 3
        assert again.recovery is not None and "another history" in again.recovery.cause
        assert any(Path(kept).name.startswith("journal-") for kept in again.recovery.kept)


def test_damaged_line_of_the_journal_is_reported(home: Home) -> None:
    """A journal that could not repair the catalog any more is put aside while the catalog is whole, and said so."""
    with opened(home) as before:
        live_through(before.catalog)
        wanted = state(before.catalog)
    (segment,) = home.journal_dir.iterdir()
    raw = segment.read_bytes()
    last_line = raw.rstrip(b"\n").rfind(b"\n")
    segment.write_bytes(raw[: last_line + 40] + bytes([raw[last_line + 40] ^ 4]) + raw[last_line + 41 :])

    with opened(home) as again:
        assert state(again.catalog) == wanted
        assert again.recovery is not None and "journal was damaged" in again.recovery.cause
        assert not _repairable(home, again)
