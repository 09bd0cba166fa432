"""Errors that say nothing about a file: too many open files, a missing permission. Nothing is taken for damaged."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from catalog_contract import numbered
from forget_kit import opened
from mcai.errors import BackupDamagedError, SnapshotDamagedError, SnapshotError, StoreUnavailableError
from mcai.paths import Home, wal_path
from mcai.snapshot import manifest
from mcai.store import backup
from mcai.store.duck import DuckCatalog, recovery
from mcai.store.journal import reading
from mcai.store.journal.segments import opened as opened_segment
from mcai.upkeep import bases
from mcai.upkeep.doctor.model import Patient
from mcai.upkeep.doctor.store import look_at_backups


def _refuse(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EMFILE, "Too many open files")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    catalog = DuckCatalog.open(None)
    catalog.add(numbered(3))
    backup.make(catalog, tmp_path / "home" / "backups" / "mine")
    catalog.close()
    return tmp_path / "home" / "backups" / "mine"


@pytest.mark.parametrize("name", ["open_regular", "read_small"])
def test_backup_that_cannot_be_read_now_is_not_damaged(made: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks is told that nobody can tell; the doctor puts nothing aside."""
    monkeypatch.setattr(backup, name, _refuse)

    with pytest.raises(StoreUnavailableError, match="Too many open files"):
        backup.is_sound(made)
    patient = cast(Patient, SimpleNamespace(home=Home(made.parent.parent)))
    assert [trouble.mend for trouble in look_at_backups(patient)] in ([None], [])


def test_files_that_are_gone_are_damage(made: Path) -> None:
    """A backup without its catalog is none."""
    (made / backup.CATALOG).unlink()

    with pytest.raises(BackupDamagedError):
        backup.check(made)


def test_base_copies_that_cannot_be_read_now_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that fails for a passing reason removes nothing."""
    home = Home(tmp_path / "home")
    home.dir.mkdir()
    catalog = DuckCatalog.open(None)
    for first in (1, 2, 3):
        catalog.add(numbered(1, first=first))
        with monkeypatch.context() as patch:
            if first > 2:
                patch.setattr(backup, "is_sound", _unavailable)
                with pytest.raises(StoreUnavailableError):
                    bases.make(home, catalog)
            else:
                bases.make(home, catalog)
    catalog.close()

    assert len(list(home.backups_dir.glob(f"{backup.BASE_PREFIX}*"))) == 3


def _unavailable(_: Path) -> bool:
    raise StoreUnavailableError("too many open files")


def test_backups_are_verified_where_nothing_can_be_synced(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only disk with backups is as good as any."""
    monkeypatch.setattr(os, "fsync", _refuse)

    assert backup.is_sound(made)


def test_a_folder_that_was_never_a_backup_is_harmless(made: Path) -> None:
    """Somebody put it there: it is named, and stays; what mcai itself works on is passed over."""
    (made.parent / "photos").mkdir()
    (made.parent / backup.REWRITING / "old" / "mine").mkdir(parents=True)

    patient = cast(Patient, SimpleNamespace(home=Home(made.parent.parent)))
    [trouble] = look_at_backups(patient)

    assert trouble.harmless and trouble.mend is None and "photos is no backup" in trouble.cause


def test_pointer_that_cannot_be_read_now_is_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what it says, or what it is, can be damage."""
    (tmp_path / manifest.POINTER_NAME).mkdir()
    with pytest.raises(SnapshotDamagedError):
        manifest.read_pointer(tmp_path)
    monkeypatch.setattr(manifest, "read_small", _refuse)
    with pytest.raises(SnapshotError):
        manifest.read_pointer(tmp_path)


def _home_with_bases(folder: Path) -> Home:
    """Three epochs, each with a base copy behind it, and one more."""
    home = Home(folder / "home")
    with opened(home) as catalog:
        for first in (1, 2, 3):
            catalog.add(numbered(1, first=first))
            bases.make(home, catalog)
        catalog.add(numbered(1, first=4))
    return home


@pytest.mark.parametrize("accept_loss", [False, True])
def test_base_copies_that_cannot_be_read_now_are_not_left_out(
    tmp_path: Path, accept_loss: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalog is not made from nothing beside sound copies."""
    home = _home_with_bases(tmp_path)
    home.catalog_path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(backup, "read_small", _refuse)
        with pytest.raises(StoreUnavailableError):
            recovery.open_catalog(home, [], accept_loss=accept_loss)

    with opened(home) as catalog:
        assert catalog.epoch == 4


def test_journal_that_cannot_be_read_now_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have epochs that the catalog lacks: neither is it put aside nor is anything left out."""
    home = Home(tmp_path / "home")
    with opened(home) as catalog:
        catalog.add(numbered(1))
    older = home.catalog_path.read_bytes()
    with opened(home) as catalog:
        bases.make(home, catalog)
        catalog.add(numbered(1, first=2))
    home.catalog_path.write_bytes(older)
    newest = max(home.journal_dir.iterdir())

    def refused(segment: Path) -> Any:
        return _refuse() if segment == newest else opened_segment(segment)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "opened", refused)
        with pytest.raises(StoreUnavailableError, match="Too many open files"):
            recovery.open_catalog(home, [])
        patch.setattr(reading, "opened", opened_segment)
        scandir = os.scandir
        patch.setattr(os, "scandir", lambda path: _refuse() if path == home.journal_dir else scandir(path))
        with pytest.raises(StoreUnavailableError, match="Too many open files"):
            recovery.open_catalog(home, [])

    with opened(home) as catalog:
        assert catalog.epoch == 2 and not home.damaged_dir.exists()


def test_log_is_not_put_back_beside_another_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that fails with the base copy in place leaves the home without a catalog, as it was."""
    home = _home_with_bases(tmp_path)
    home.catalog_path.unlink()
    wal_path(home.catalog_path).write_bytes(b"of the lost one")
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "Engine", _unavailable_engine)
        with pytest.raises(StoreUnavailableError):
            recovery.open_catalog(home, [])

    assert not home.catalog_path.exists() and wal_path(home.catalog_path).read_bytes() == b"of the lost one"


def _unavailable_engine(*_: Any) -> Any:
    raise StoreUnavailableError("too many open files")
