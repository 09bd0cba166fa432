"""Which examples of a copy are to be forgotten: a number alone says nothing, for copies of other homes lie here, too.

An example is the same in two places when they have a version of it in common, made by the same epoch at the same
moment. What the catalog forgets goes from every copy in which it is the same. Beside that, each place is asked for what
matches there; where the catalog has the same example and does not forget it, the catalog knows better.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from mcai.paths import Home
from mcai.store.duck import forgetting, redaction, scrub
from mcai.store.duck.engine import Engine
from mcai.store.duck.forgetting import Version
from mcai.store.duck.redaction import Redactor
from mcai.upkeep.forget_order import Order


class Matching:
    """Tells which examples of each place an order is about."""

    def __init__(self, home: Home, engine: Engine, order: Order) -> None:
        """Prepare.

        Args:
            home: whose copies are looked at.
            engine: of its catalog; the examples may be gone from there already.
            order: what is to be forgotten.
        """
        self._home = home
        self._engine = engine
        self._order = order
        with engine.reading() as cursor:
            self._versions = forgetting.versions(cursor, order.ids, gone=True)
        self._unknown = {*order.ids, *order.strange_ids} - {number for number, _ in self._versions}
        self.only_numbers: set[int] = set()
        """Numbers of which the catalog knows no example, and a copy that was asked has one."""

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers that the examples have, or would have, in the catalog of the home."""
        return self._order.strange_ids.union(self._order.ids)

    @property
    def knows_any(self) -> bool:
        """Whether the catalog has any of the examples, or had it once."""
        return bool(self._versions)

    def in_catalog(self, path: Path) -> tuple[list[int], int]:
        """Look into a copy of a catalog.

        Returns:
            the numbers that they have there, and how many versions those are of.

        Raises:
            StoreError: as `scrub.opened`.
        """
        with scrub.opened(path, self._home.temp_dir) as copy:
            if not copy.has_examples:
                return [], 0
            own = {number for filters in self._order.filters for number in copy.ids_matching(filters)}
            ids = self._ids(copy.versions(self.numbers | own), own)
            return ids, copy.rows_of(ids)[1]

    def _ids(self, there: set[Version], own: set[int]) -> list[int]:
        same = {number for number, _ in there & self._versions}
        unknown = {number for number, _ in there} & self._unknown
        self.only_numbers |= unknown
        kept = {number for number, _ in there & self._live(own)}
        return sorted(same | unknown | (own - kept))

    def in_journal(self, path: Path, ids: Iterable[int] = ()) -> Redactor:
        """Return what takes them out of a journal, or of one file of one.

        Args:
            path: the folder or the file.
            ids: the numbers that they have in the catalog beside it.

        Raises:
            OSError: a file cannot be read.
            DamagedError: an entry is whole and says nothing that is known.
        """
        return self._redactor(redaction.versions_from(path, self._order.only_sources), {*ids, *self._unknown})

    def in_own_journal(self) -> Redactor:
        """Return what takes them out of the journal of the home, which may be written meanwhile.

        Raises:
            OSError, DamagedError: as `in_journal`.
        """
        own = redaction.versions_from(self._home.journal_dir, self._order.only_sources)
        with self._engine.exclusive():
            pass  # an entry comes before its rows: those of every entry that was read are there now, or never will be
        return self._redactor(own, self._order.ids)

    def _redactor(self, own: set[Version], ids: Collection[int]) -> Redactor:
        kept = self._live({number for number, _ in own})
        return Redactor(ids, (own - kept) | self._versions)

    def _live(self, numbers: set[int]) -> set[Version]:
        """Return the versions that the catalog has of examples with these numbers, and keeps."""
        with self._engine.reading() as cursor:
            return forgetting.versions(cursor, numbers) - self._versions
