"""Forgetting in copies: base copies, backups, what a restore replaced, what an upgrade or a repair put aside.

Whatever lies among the backups is looked at, whole or not. A copy that is damaged, so that nobody can clean it, is
removed if it may hold what is to be forgotten; a dry run says so. One that cannot be read just now, or that a newer
mcai made, stays, and is looked at again. What fails with one copy does not hold up the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from mcai.errors import DamagedError, FatalStoreError, NotFoundError, StoreError, StoreFullError
from mcai.files import not_a_file, write_errors
from mcai.paths import Home
from mcai.records import Place
from mcai.store import backup
from mcai.store.duck.engine import Engine
from mcai.store.duck.redaction import Redactor
from mcai.upkeep import archive_files, forget_aside, forget_quarantine, forget_rewriting
from mcai.upkeep.forget_matching import Matching
from mcai.upkeep.forget_order import Order
from mcai.upkeep.forget_quarantine import Wanted
from mcai.upkeep.forget_rewriting import Rewriting, Theirs, remove

log = structlog.get_logger("forget")

MAX_NUMBERS = 20
"""So many are told."""


@dataclass
class Found:
    """What a look at all copies told."""

    places: list[Place]
    """Scanned are copies, found are rows and lines of quarantine."""
    notes: list[str]
    """Copies that go, or went, as a whole; what was not looked at, or could not be cleaned."""
    is_complete: bool
    """Whether every copy could be looked at, and cleaned where that was asked for."""


@dataclass(frozen=True)
class _Held:
    """What one copy holds of what is to be forgotten."""

    place: str
    path: Path
    rows: int = 0
    """What it has or may have, for part of it cannot be read."""
    is_sure: bool = False
    """Some of that was read."""
    theirs: Theirs | None = None
    doomed: str | None = None
    """Why it can only be removed; then `rows` is at least 1."""
    unseen: str | None = None
    """Why nobody could look; likewise."""


@dataclass
class _Tally:
    """Adds up what was found in the places where copies are."""

    counted: dict[str, list[int]] = field(
        default_factory=lambda: {name: [0, 0] for name in ("base copies", "backups", "damaged files")}
    )

    def add(self, held: _Held) -> None:
        self.counted[held.place][0] += 1
        self.counted[held.place][1] += held.rows

    def places(self, *, done: bool) -> list[Place]:
        return [Place(name, scanned, found, 0 if done else found) for name, (scanned, found) in self.counted.items()]


class Copies:
    """The copies that lie in one home. Nobody else makes, moves or removes any meanwhile."""

    def __init__(self, home: Home, engine: Engine) -> None:
        """Make it.

        Args:
            home: whose copies these are.
            engine: of its catalog, which tells which examples are meant.
        """
        self._home = home
        self._engine = engine
        self._rewriting = Rewriting(home)

    def count(self, order: Order, *, is_known: bool) -> Found:
        """Look where the examples, and lines of quarantine, are; change nothing.

        Args:
            order: what is looked for.
            is_known: some of it is or was in another place of the home. What no place knows dooms no damaged copy.
        """
        tally, notes = _Tally(), self._strange()
        looked_at, told = self._look(order, is_known)
        for held in looked_at:
            tally.add(held)
            if held.doomed:
                notes.append(f"{self._name(held.path)} goes as a whole: {held.doomed}")
        return Found(tally.places(done=False), notes + told, not any(held.unseen for held in looked_at))

    def forget(self, order: Order, *, is_known: bool) -> Found:
        """Take the examples out of every copy; done again after a crash, it goes on.

        Args:
            order: what is to go.
            is_known: as `count` has it.

        Returns:
            what was found. How much of it is left, only another look can tell.

        Raises:
            StoreFullError: there is no room for a new copy; the old one is as it was.
        """
        self.settle()
        tally, failed = _Tally(), list[str]()
        looked_at, told = self._look(order, is_known)
        notes = self._strange() + told
        for held in looked_at:
            tally.add(held)
            if held.doomed:
                failed += self._remove(held, notes)
            elif held.theirs and held.rows:
                failed += self._clean(held.path, held.theirs)
        is_complete = not failed and not any(held.unseen for held in looked_at)
        return Found(tally.places(done=True), notes + failed, is_complete)

    def settle(self) -> None:
        """Put in its place what a crash left beside it.

        Raises:
            StoreError: the folder of backups cannot be written.
        """
        with write_errors(self._home.backups_dir):
            self._rewriting.settle()

    def _look(self, order: Order, is_known: bool) -> tuple[list[_Held], list[str]]:
        """Look at every copy; return what each holds, and what there is to tell of that."""
        matching = Matching(self._home, self._engine, order)
        looked_at = [self._held(place, path, matching, order.lines) for place, path in self._all()]
        notes = [f"{self._name(held.path)} could not be looked at: {held.unseen}" for held in looked_at if held.unseen]
        if matching.only_numbers:
            numbers = ", ".join(str(number) for number in sorted(matching.only_numbers)[:MAX_NUMBERS])
            notes.append(f"the catalog knows no example {numbers}: what copies have under such a number goes")
        if not (is_known or matching.knows_any or any(held.is_sure for held in looked_at)):
            notes += [
                f"{self._name(held.path)} cannot be read, and stays: {held.doomed}" for held in looked_at if held.doomed
            ]
            looked_at = [held if held.unseen else replace(held, rows=0, doomed=None) for held in looked_at]
        return looked_at, notes

    def _remove(self, held: _Held, notes: list[str]) -> list[str]:
        """Remove a copy; return why it could not be."""
        name = self._name(held.path)
        try:
            with write_errors(held.path):
                remove(held.path)
        except StoreFullError:
            raise
        except StoreError as error:
            return [f"{name} could not be removed: {error.message}"]
        log.warning("a copy was removed: it cannot be cleaned", path=str(held.path), reason=held.doomed)
        notes.append(f"{name} was removed: {held.doomed}")
        return []

    def _clean(self, path: Path, theirs: Theirs) -> list[str]:
        """Write one copy anew; return why it could not be."""
        try:
            with write_errors(path):
                if path.is_dir():
                    self._rewriting.rewrite(path, theirs)
                else:
                    self._rewriting.rewrite_file(path, theirs.ids)
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
        yield from (("damaged files", path) for path in forget_aside.files_in(self._home.damaged_dir))

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

    def _held(self, place: str, path: Path, matching: Matching, lines: Wanted) -> _Held:
        try:
            if self._home.damaged_dir in path.parents:
                sure, doubtful = forget_aside.rows_in(path, self._home.damaged_dir, matching, lines)
                rows = sure + doubtful
                return _Held(place, path, rows, sure > 0, doomed=forget_aside.REASON if rows else None)
            theirs, sure, doubtful = self._theirs(path, matching, lines)
            if sure + doubtful and (path / backup.MANIFEST).exists():
                backup.check(path)
            return _Held(place, path, sure + doubtful, sure > 0, theirs)
        except (DamagedError, NotFoundError) as error:
            return _Held(place, path, 1, doomed=error.message)
        except StoreError as error:
            return _Held(place, path, 1, unseen=error.message)
        except OSError as error:
            return _Held(place, path, 1, unseen=f"{error.filename or path}: {error.strerror or error}")

    def _theirs(self, path: Path, matching: Matching, lines: Wanted) -> tuple[Theirs, int, int]:
        """Look at one copy; return what goes from it, how many rows and lines that are, and how many there may be
        beside them."""
        if not path.is_dir():
            ids, rows = matching.in_catalog(path)
            return Theirs(ids, Redactor(ids), lines), rows, 0
        has_catalog = (path / backup.CATALOG).exists()
        ids, rows = matching.in_catalog(path / backup.CATALOG) if has_catalog else ([], 0)
        redactor = matching.in_journal(path / backup.JOURNAL, ids)
        counted = redactor.count(path / backup.JOURNAL)
        rows += counted.rows + forget_quarantine.count(path / self._home.quarantine_dir.name, lines).lines
        # The archive's rows are the catalog's, too: what only its files have is what cannot be read of them.
        archived = archive_files.count(path / self._home.archive_dir.name, ids)[1]
        return Theirs(ids, redactor, lines), rows, counted.unreadable + archived + forget_rewriting.orphans(path)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._home.dir))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
