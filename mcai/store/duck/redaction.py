"""Takes forgotten examples out of journal entries.

Only what they said goes. That an id came, moved or ended in an epoch stays in its entry: it does no harm when the epoch
is made again without the row.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mcai.store.duck import effects
from mcai.store.duck.effects import Entry, Table
from mcai.store.journal.lines import Entry as Line
from mcai.store.journal.lines import Torn, walk
from mcai.store.journal.segments import find_segments, opened

_TABLES: tuple[Table, ...] = ("examples", "examples_archive")


class Redactor:
    """A transform for `journal.redact` that leaves out the rows of some examples."""

    def __init__(self, ids: Collection[int]) -> None:
        self._ids = frozenset(ids)

    def __call__(self, payload: bytes) -> bytes | None:
        """Return the payload without them; None when it has none."""
        entry = effects.decode(payload)
        if not self.held(entry):
            return None
        for table in _TABLES:
            if table in entry.rows:
                entry.rows[table] = [row for row in entry.rows[table] if row[0] not in self._ids]
        return effects.encode(entry)

    def held(self, entry: Entry) -> int:
        """Return how many rows of an entry are theirs."""
        return sum(row[0] in self._ids for table in _TABLES for row in entry.rows.get(table, ()))

    def count(self, folder: Path) -> tuple[int, int]:
        """Read a journal, entries that were taken back too.

        Returns:
            how many entries it has, and how many rows in them are theirs; bytes that no entry can be read from count as
            one, for nobody knows whose they are.

        Raises:
            OSError: a segment cannot be read.
        """
        entries = rows = 0
        for segment in find_segments(folder)[0]:
            with opened(segment) as file:
                for found in walk(file):
                    if isinstance(found, Torn):
                        rows += 1
                    elif isinstance(found.line, Line):
                        entries += 1
                        rows += self.held(effects.decode(found.line.payload))
        return entries, rows
