"""Forgetting in copies: base copies, backups, what a restore replaced, what an upgrade or a repair put aside.

Whatever lies among the backups is looked at, whole or not. A copy that cannot be cleaned, for nobody can read it, is
removed if it may hold what is to be forgotten; a dry run says so. What fails with one copy does not hold up the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from mcai.errors import DamagedError, FatalStoreError, NotFoundError, SchemaVersionError, StoreError, StoreFullError
from mcai.files import not_a_file
from mcai.filters import Filters
from mcai.paths import Home
from mcai.records import Place
from mcai.store import backup
from mcai.store.duck import redaction, scrub
from mcai.store.duck.redaction import Redactor
from mcai.store.journal.segments import write_errors
from mcai.upkeep import archive_files, forget_quarantine, forget_rewriting
from mcai.upkeep.forget_quarantine import Wanted
from mcai.upkeep.forget_rewriting import Rewriting, remove

log = structlog.get_logger("forget")

_ASIDE = "it was put aside as damaged"


@dataclass
class Found:
    """What a look at all copies told."""

    places: list[Place]
    """Scanned are copies, found are rows and lines of quarantine."""
    notes: list[str]
    """Copies that go, or went, as a whole; what was not looked at, or could not be cleaned."""


@dataclass(frozen=True)
class _Held:
    """What one copy holds of what is to be forgotten."""

    rows: int = 0
    doomed: str | None = None
    """Why it can only be removed; then `rows` is at least 1."""


@dataclass
class _Tally:
    """Adds up what was found in the places where copies are."""

    counted: dict[str, list[int]] = field(
        default_factory=lambda: {name: [0, 0] for name in ("base copies", "backups", "damaged files")}
    )

    def add(self, place: str, rows: int) -> None:
        self.counted[place][0] += 1
        self.counted[place][1] += rows

    def places(self, *, done: bool) -> list[Place]:
        return [Place(name, scanned, found, 0 if done else found) for name, (scanned, found) in self.counted.items()]


class Copies:
    """The copies that lie in one home. Nobody else makes, moves or removes any meanwhile."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._rewriting = Rewriting(home)

    def ids_matching(self, filters: Filters) -> set[int]:
        """Return the examples that match in any copy, as it was then; some are in no other place any more."""
        found: set[int] = set()
        for path in (*self._folders(), *self._migrated()):
            catalog = path / backup.CATALOG if path.is_dir() else path
            if catalog.exists():
                with contextlib.suppress(DamagedError), scrub.opened(catalog, self._home.temp_dir) as copy:
                    found |= set(copy.ids_matching(filters))
            if filters.source is not None and filters == Filters(source=filters.source):
                with contextlib.suppress(DamagedError, OSError):
                    found |= redaction.ids_from(path / backup.JOURNAL, filters.source)
        return found

    def count(self, ids: Sequence[int], which: Wanted) -> Found:
        """Look where these examples, and lines of quarantine, are; change nothing."""
        tally, notes = _Tally(), self._strange()
        for place, path in self._all():
            held = self._held(path, ids, which)
            tally.add(place, held.rows)
            if held.doomed:
                notes.append(f"{self._name(path)} goes as a whole: {held.doomed}")
        return Found(tally.places(done=False), notes)

    def forget(self, ids: Sequence[int], which: Wanted) -> Found:
        """Take these examples out of every copy; done again after a crash, it goes on.

        Returns:
            what was found. How much of it is left, only another look can tell.

        Raises:
            StoreFullError: there is no room for a new copy; the old one is as it was.
        """
        self.settle()
        tally, notes = _Tally(), self._strange()
        for place, path in self._all():
            held = self._held(path, ids, which)
            tally.add(place, held.rows)
            if held.rows:
                notes += self._clean(path, held, ids, which)
        return Found(tally.places(done=True), notes)

    def settle(self) -> None:
        """Put in its place what a crash left beside it.

        Raises:
            StoreError: the folder of backups cannot be written.
        """
        with write_errors(self._home.backups_dir):
            self._rewriting.settle()

    def _clean(self, path: Path, held: _Held, ids: Sequence[int], which: Wanted) -> list[str]:
        """Write one copy anew, or remove it; return what there is to tell of that."""
        try:
            with write_errors(path):
                if held.doomed:
                    remove(path)
                    log.warning("a copy was removed: it cannot be cleaned", path=str(path), reason=held.doomed)
                    return [f"{self._name(path)} was removed: {held.doomed}"]
                if path.is_dir():
                    self._rewriting.rewrite(path, ids, which)
                else:
                    self._rewriting.rewrite_file(path, ids)
        except (FatalStoreError, StoreFullError):
            raise
        except StoreError as error:
            log.error("a copy could not be cleaned", path=str(path), reason=error.message)
            return [f"{self._name(path)} could not be cleaned: {error.message}"]
        return []

    def _all(self) -> Iterator[tuple[str, Path]]:
        """Yield every copy with the place of the receipt that it counts for."""
        for path in self._folders():
            yield ("base copies" if path.name.startswith(backup.BASE_PREFIX) else "backups"), path
        yield from (("base copies", path) for path in self._migrated())
        yield from (("damaged files", path) for path in self._damaged())

    def _folders(self) -> list[Path]:
        """Whatever lies among the backups, finished or not; a link may lead anywhere and is not followed."""
        names = sorted(self._home.backups_dir.iterdir()) if self._home.backups_dir.is_dir() else []
        return [path for path in names if _is_folder(path) and path.name != backup.REWRITING]

    def _strange(self) -> list[str]:
        """Say what lies among the backups and is none."""
        notes: list[str] = []
        for path in sorted(self._home.backups_dir.iterdir()) if self._home.backups_dir.is_dir() else []:
            if path.is_symlink():
                notes.append(f"{self._name(path)} is a link: it was not followed, and what it leads to stays as it is")
            elif not path.is_dir():
                what = not_a_file(path) or "a file, no backup: nothing but its bytes can be searched"
                notes.append(f"{self._name(path)} is {what}")
        return notes

    def _migrated(self) -> list[Path]:
        """The copies that upgrades made of the catalog before they changed it."""
        return sorted(self._home.dir.glob(f"{self._home.catalog_path.stem}.before-*.duckdb"))

    def _damaged(self) -> list[Path]:
        names = sorted(self._home.damaged_dir.iterdir()) if self._home.damaged_dir.is_dir() else []
        return [path for path in names if _is_folder(path) or (path.is_file() and not path.is_symlink())]

    def _held(self, path: Path, ids: Sequence[int], which: Wanted) -> _Held:
        try:
            if path.parent == self._home.damaged_dir:
                rows = self._rows_aside(path, ids, which)
                return _Held(rows, _ASIDE if rows else None)
            if not path.is_dir():
                return _Held(self._rows_in(path, ids))
            rows = self._rows_below(path, ids, which)
            if rows and (path / backup.MANIFEST).exists():
                backup.check(path)
            return _Held(rows)
        except (DamagedError, NotFoundError, SchemaVersionError) as error:
            return _Held(1, error.message)
        except OSError as error:
            return _Held(1, f"{error.filename or path}: {error.strerror or error}")

    def _rows_below(self, folder: Path, ids: Sequence[int], which: Wanted) -> int:
        rows = forget_rewriting.orphans(folder)
        if (folder / backup.CATALOG).exists():
            rows += self._rows_in(folder / backup.CATALOG, ids)
        rows += _rows_in_journal(folder / backup.JOURNAL, ids)
        rows += archive_files.count(folder / self._home.archive_dir.name, ids)[1]
        return rows + forget_quarantine.count(folder / self._home.quarantine_dir.name, which).lines

    def _rows_in(self, catalog: Path, ids: Sequence[int]) -> int:
        with scrub.opened(catalog, self._home.temp_dir) as copy:
            return copy.rows_of(ids)[1]

    def _rows_aside(self, path: Path, ids: Sequence[int], which: Wanted) -> int:
        """Return what a damaged file or folder holds; 1 where nobody can tell."""
        if path.is_dir() and (path / backup.CATALOG).exists():
            return self._rows_below(path, ids, which)
        if path.suffix == ".jsonl" or (path.is_dir() and any(path.glob("*.jsonl"))):
            return _rows_in_journal(path, ids)
        return self._rows_in(path, ids) if path.is_file() and path.name.startswith(backup.CATALOG) else 1

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._home.dir))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _rows_in_journal(path: Path, ids: Sequence[int]) -> int:
    """Return how many rows of these examples a journal, or one file of one, holds; what cannot be read is one, too."""
    counted = Redactor(ids).count(path)
    return counted.rows + counted.unreadable
