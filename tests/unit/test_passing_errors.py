"""Errors that say nothing about a file: too many open files, a missing permission. Nothing is taken for damaged."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from catalog_contract import numbered
from mcai.errors import BackupDamagedError, SnapshotDamagedError, SnapshotError, StoreUnavailableError
from mcai.paths import Home
from mcai.snapshot import manifest
from mcai.store import backup
from mcai.store.duck import DuckCatalog
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
