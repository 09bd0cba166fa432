"""A planted home for every test of forgetting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_contract import archive, edit, numbered, row
from forget_kit import ARCHIVED, EDITED, Marked, opened
from mcai.paths import Home
from mcai.store import backup
from mcai.store.duck import DuckCatalog
from mcai.upkeep import bases
from mcai.upkeep.archive_files import ArchiveFiles


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def marked() -> list[Marked]:
    return [Marked(), Marked(), Marked()]


@pytest.fixture
def catalog(home: Home, marked: list[Marked]) -> Iterator[DuckCatalog]:
    """Three marked examples, one live, one archived, one edited away, in catalog, journal, archive and two copies."""
    with opened(home) as catalog:
        catalog.add([row(**each.fields) for each in marked] + numbered(2, 4))
        bases.make(home, catalog)
        archive(catalog, [ARCHIVED])
        edit(catalog, EDITED, row("harmless", "text", "secret"))
        ArchiveFiles(catalog, home.archive_dir).reconcile()
        copied = [home.journal_dir, home.archive_dir]
        backup.make(catalog, home.backups_dir / "mine", copied)
        yield catalog
