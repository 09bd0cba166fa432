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
from mcai.store import backup, journal
from mcai.store.base import Key, RotationPolicy
from mcai.store.duck import DuckCatalog, forgetting, recovery
from mcai.store.duck.redaction import Redactor
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


def take_back(home: Home, to_epoch: int) -> None:
    """Make the catalog what it was some epochs ago, as when its write-ahead log is gone."""
    (base,) = home.backups_dir.iterdir()
    assert backup.read_manifest(base).epoch == to_epoch
    shutil.copyfile(base / backup.CATALOG, home.catalog_path)


def spoil_line(segment: Path, number: int) -> None:
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[number] = b"\xff" * (len(lines[number]) - 1) + b"\n"
    segment.write_bytes(b"".join(lines))


def behind_a_gap(home: Home) -> str:
    """A home whose catalog is at epoch 1, with a journal of 5 epochs of which 3 is damaged; return its timeline."""
    with opened(home) as before:
        before.catalog.add(numbered(5))
        backup.make(before.catalog, home.backups_dir / f"{backup.BASE_PREFIX}1")
        for first in (6, 7, 8, 9):
            before.catalog.add(numbered(1, first=first))
        timeline = before.catalog.timeline
    take_back(home, 1)
    (segment,) = home.journal_dir.iterdir()
    spoil_line(segment, 3)
    return timeline


def test_acknowledged_epochs_are_not_lost_without_consent(home: Home) -> None:
    """A journal that goes on behind its damage tells of epochs that nothing can bring back: the home is refused, every
    time, and the journal stays where it is."""
    behind_a_gap(home)
    (segment,) = home.journal_dir.iterdir()
    held = segment.read_bytes()

    for _ in range(2):
        with pytest.raises(DamagedError, match="ends with epoch 2, those up to 5 cannot") as refusal:
            recovery.open_catalog(home, [])
        assert "mcai restore" in refusal.value.hint and "doctor --fix" in refusal.value.hint

    assert segment.read_bytes() == held and not home.damaged_dir.exists()


def test_epochs_that_only_a_header_tells_of_are_missed_too(home: Home) -> None:
    """The newest segment may have nothing readable but its first line."""
    with opened(home) as before:
        before.catalog.add(numbered(5))
        backup.make(before.catalog, home.backups_dir / f"{backup.BASE_PREFIX}1")
        before.catalog.add(numbered(1, first=6))
        before.catalog.add(numbered(1, first=7))
        assert before.catalog.engine.journal is not None
        before.catalog.engine.journal.roll()
        before.catalog.add(numbered(1, first=8))
    take_back(home, 1)
    older, newest = sorted(home.journal_dir.iterdir())
    spoil_line(older, 3)
    spoil_line(newest, 1)

    with pytest.raises(DamagedError, match="ends with epoch 2, those up to 3 cannot"):
        recovery.open_catalog(home, [])


def test_accepted_loss_gives_out_no_id_twice(home: Home) -> None:
    """What was made from the lost epochs is told apart by the timeline, and the ids of their rows stay theirs."""
    timeline = behind_a_gap(home)

    with opened(home, accept_loss=True) as again:
        assert again.recovery is not None
        assert (again.recovery.recovered_epochs, again.recovery.lost_epochs) == (1, 3)
        assert again.catalog.epoch == 2 and again.catalog.timeline != timeline
        assert again.catalog.add(numbered(1, first=50)).results[0].id == 10
    with opened(home) as third:
        assert third.recovery is None and third.catalog.add(numbered(1, first=51)).results[0].id == 11


def test_journal_that_follows_from_another_epoch_is_not_made_again(home: Home, tmp_path: Path) -> None:
    """Where the entry of the newest epoch is damaged, the next one must still follow from the catalog's."""
    other = Home(tmp_path / "other")
    shutil.copytree(home.dir, other.dir)
    with opened(home) as ours:
        ours.catalog.add(numbered(5))
        timeline = ours.catalog.timeline
    with opened(other) as theirs:
        theirs.catalog.engine.set_meta("timeline", timeline)
    shutil.rmtree(other.journal_dir)
    with opened(other) as theirs:
        theirs.catalog.add(numbered(3, first=100))
        theirs.catalog.add(numbered(3, first=200))
    shutil.rmtree(home.journal_dir)
    shutil.copytree(other.journal_dir, home.journal_dir)
    (segment,) = home.journal_dir.iterdir()
    spoil_line(segment, 1)

    with opened(home) as again:
        assert again.catalog.epoch == 1 and again.catalog.count() == 5
        assert again.recovery is not None and "another history" in again.recovery.cause


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
