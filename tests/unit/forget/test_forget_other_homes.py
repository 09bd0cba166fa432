"""Forgetting beside copies of other homes, in which the same numbers are other examples."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from catalog_contract import ids_of, row
from forget_kit import Marked, files_with, forget, forgetting_of, opened, told
from mcai import failpoints
from mcai.errors import StoreFullError
from mcai.paths import Home
from mcai.store import backup, journal
from mcai.store.duck import DuckCatalog, scrub
from mcai.upkeep import backup as backups
from mcai.upkeep.restore import restore
from upkeep_kit import silent


def _fill(home: Home, source: str, domain: str = "d") -> None:
    with opened(home) as catalog:
        catalog.add([row(f"of {source} {n}", "answer", domain, source=f"{source}#{n}") for n in range(3)])


def _ids_in(catalog: Path, tmp_path: Path) -> list[int]:
    with scrub.opened(catalog, tmp_path / "spill") as copy:
        return sorted({number for number, _ in copy.versions(range(100))})


@pytest.fixture
def replaced(tmp_path: Path) -> Home:
    """A home whose rows 1 to 3, from /a, were replaced by the rows 1 to 3, from /b, of another home's backup."""
    home, other = Home(tmp_path / "a"), Home(tmp_path / "b")
    _fill(home, "/a/file.json", "old")
    _fill(other, "/b/file.json", "new")
    with opened(other) as catalog:
        backups.write(other, catalog, tmp_path / "of-b", everything=False)
    restore(home, tmp_path / "of-b", tell=silent)
    shutil.copytree(tmp_path / "of-b", home.backups_dir / "of-b")
    return home


@pytest.mark.parametrize("filters", [{"source": "/a/file.json"}, {"domains": ("old",)}])
def test_filter_finds_rows_of_another_home_only_there(replaced: Home, tmp_path: Path, filters: dict[str, Any]) -> None:
    """What was replaced loses its rows; catalog, journal, base copy and backup keep theirs of the same numbers."""
    with opened(replaced) as catalog:
        before = journal.scan(replaced.journal_dir).entries

        result = forget(replaced, catalog, **filters)

        assert result.forgotten == 0 and ids_of(catalog) == [1, 2, 3]
        assert told(result) == {"backups": (6, 0)}, "three rows, in the old home's catalog and in its journal"
        assert journal.scan(replaced.journal_dir).entries == before
    for folder in replaced.backups_dir.iterdir():
        is_old = folder.name.startswith("replaced-")
        assert _ids_in(folder / backup.CATALOG, tmp_path) == ([] if is_old else [1, 2, 3])
    assert files_with(replaced.dir, ["/a/file.json"]) == {}


def test_id_is_that_of_the_catalog(replaced: Home, tmp_path: Path) -> None:
    """In a copy of another home the same number stays; in copies of this one it goes."""
    with opened(replaced) as catalog:
        assert forget(replaced, catalog, [2]).forgotten == 1 and ids_of(catalog) == [1, 3]
        forget(replaced, catalog, [2])
    for folder in replaced.backups_dir.iterdir():
        is_old = folder.name.startswith("replaced-")
        assert _ids_in(folder / backup.CATALOG, tmp_path) == ([1, 2, 3] if is_old else [1, 3])


def test_id_that_the_catalog_never_had_is_looked_for_in_copies(home: Home, catalog: DuckCatalog) -> None:
    """Whatever a copy has under the number goes, and a dry run and the receipt say so."""
    other = Home(home.dir.with_name("other"))
    with opened(other) as theirs:
        theirs.add([row(f"{n}") for n in range(8)])
        backup.make(theirs, home.backups_dir / "foreign")

    planned = forget(home, catalog, [8], dry_run=True)
    done = forget(home, catalog, [8])

    assert told(planned) == {"backups": (1, 1)} and told(done) == {"backups": (1, 0)}
    assert all(any("knows no example 8" in note for note in each.notes) for each in (planned, done))


def test_aborted_entry_speaks_for_no_other_example(home: Home, catalog: DuckCatalog) -> None:
    """An id that came to nothing is given out again; by the source of the first one the second is not forgotten."""
    journaled = catalog.engine.journal
    assert journaled is not None

    def full() -> None:
        raise StoreFullError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(StoreFullError):
        patch.setattr(failpoints, "hit", lambda name: full() if name == "write.journaled" else None)
        catalog.add([row("never", source="/gone/a#1")])
    [added] = catalog.add([row("real", source="/real/a#1")]).results

    result = forget(home, catalog, source="/gone")

    assert added.id == 6 and result.forgotten == 0 and ids_of(catalog)[-1] == 6
    assert told(result) == {"journal": (1, 0)} and files_with(home.dir, ["/gone/a#1"]) == {}
    assert files_with(home.journal_dir, ["/real/a#1"])


def test_what_is_imported_again_outlives_a_late_end(
    home: Home, catalog: DuckCatalog, marked: list[Marked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for in words is finished in the copies; what came since from the same source stays there, too."""
    seal = backup.seal

    def refused(*args: Any, **more: Any) -> backup.Manifest:
        raise PermissionError(1, "not permitted", "mine")

    monkeypatch.setattr(backup, "seal", refused)
    assert told(forget(home, catalog, source=marked[0].source))["backups"][1] > 0
    monkeypatch.setattr(backup, "seal", seal)
    [again] = catalog.add([row(**marked[0].fields)]).results
    backup.make(catalog, home.backups_dir / "newer", [home.journal_dir])

    assert asyncio.run(forgetting_of(home, catalog).finish_pending())

    assert catalog.get(again.id or 0) is not None
    assert _ids_in(home.backups_dir / "newer" / backup.CATALOG, home.temp_dir)[-1] == again.id
    assert files_with(home.backups_dir / "mine", marked[0].texts) == {}
    assert files_with(home.backups_dir / "newer" / "journal", marked[0].texts)
    assert files_with(home.journal_dir, marked[0].texts), "of the new row"
