"""Opening a home whose journal is damaged, missing or another's: no acknowledged epoch is lost without consent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from catalog_contract import numbered
from mcai.errors import DamagedError
from mcai.paths import Home
from mcai.store import backup
from mcai.store.duck import recovery
from recovery_kit import live_through, lose_catalog, opened, repairable, state


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


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
        assert repairable(home, before)
    shutil.rmtree(home.journal_dir)

    with opened(home) as again:
        assert not repairable(home, again) and again.catalog.count() == 5


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
        assert not repairable(home, again)


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


def test_journal_that_begins_behind_the_catalog_is_whole(home: Home, tmp_path: Path) -> None:
    """After a restore it holds no epoch that the catalog has: what it goes on with is made again."""
    with opened(home) as before:
        before.catalog.add(numbered(5))
    shutil.rmtree(home.journal_dir)
    shutil.copyfile(home.catalog_path, tmp_path / "older")
    with opened(home) as later:
        later.catalog.add(numbered(5, first=6))
        wanted = state(later.catalog)
    shutil.copyfile(tmp_path / "older", home.catalog_path)

    with opened(home) as again:
        assert state(again.catalog) == wanted
        assert again.recovery and again.recovery.cause == "the catalog lacked 1 epochs that the journal has"
    assert not home.damaged_dir.exists()
