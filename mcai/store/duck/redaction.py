"""Takes forgotten examples out of journal entries.

Only what they said goes. That an id came, moved or ended in an epoch stays in its entry: it does no harm when the epoch
is made again without the row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mcai.errors import DamagedError
from mcai.filters import is_below
from mcai.store.duck import effects
from mcai.store.duck.effects import Entry, Table, Values
from mcai.store.duck.forgetting import Version
from mcai.store.journal.lines import Entry as Line
from mcai.store.journal.lines import Torn, walk
from mcai.store.journal.segments import find_segments, opened

_TABLES: tuple[Table, ...] = ("examples", "examples_archive")
_SOURCE = list(effects.COLUMNS["examples"]).index("source")


@dataclass
class Counted:
    """What a journal holds."""

    entries: int = 0
    rows: int = 0
    """Rows of the examples that are asked about."""
    unreadable: int = 0
    """Stretches of bytes that no entry can be read from: nobody knows whose they are."""


class Redactor:
    """A transform for `journal.redact` that leaves out the rows of some examples."""

    def __init__(self, ids: Collection[int], versions: Collection[Version] = ()) -> None:
        """Prepare.

        Args:
            ids: examples of the journal's own history.
            versions: single rows, whatever history they are of.
        """
        self._ids = frozenset(ids)
        self._versions = frozenset(versions)

    def __bool__(self) -> bool:
        return bool(self._ids or self._versions)

    def __call__(self, payload: bytes) -> bytes | None:
        """Return the payload without them; None when it has none."""
        entry = effects.decode(payload)
        if not self.held(entry):
            return None
        for table in _TABLES:
            if table in entry.rows:
                entry.rows[table] = [row for row in entry.rows[table] if not self._takes(row, entry)]
        return effects.encode(entry)

    def held(self, entry: Entry) -> int:
        """Return how many rows of an entry are theirs."""
        return sum(self._takes(row, entry) for table in _TABLES for row in entry.rows.get(table, ()))

    def _takes(self, row: Values, entry: Entry) -> bool:
        return row[0] in self._ids or (row[0], entry.at_us) in self._versions

    def count(self, path: Path) -> Counted:
        """Read a journal, or one file of one; entries that were taken back count too.

        Raises:
            OSError: a file cannot be read.
            DamagedError: an entry is whole and says nothing that is known.
        """
        counted = Counted()
        for entry in _entries(path):
            if entry is None:
                counted.unreadable += 1
            else:
                counted.entries += 1
                counted.rows += self.held(entry)
        return counted


def versions_from(path: Path, sources: Collection[str]) -> set[Version]:
    """Return the rows of a journal, or of one file of one, that came from somewhere.

    Args:
        path: the folder or the file.
        sources: path prefixes, by whole components.

    Raises:
        OSError: a file cannot be read.
        DamagedError: an entry is whole and says nothing that is known.
    """
    return {
        (row[0], entry.at_us)
        for entry in (_entries(path) if sources else ())
        if entry is not None
        for table in _TABLES
        for row in entry.rows.get(table, ())
        if any(is_below(row[_SOURCE], source) for source in sources)
    }


def _entries(path: Path) -> Iterator[Entry | None]:
    """Yield what the entries of a journal say; None for a stretch of bytes that none can be read from."""
    for segment in find_segments(path)[0] if path.is_dir() else [path] if path.exists() else []:
        with opened(segment) as file:
            for found in walk(file):
                if isinstance(found, Torn):
                    yield None
                elif isinstance(found.line, Line):
                    yield _decoded(segment, found.line)


def _decoded(segment: Path, line: Line) -> Entry:
    try:
        return effects.decode(line.payload)
    except msgspec.DecodeError as error:
        raise DamagedError(f"{segment}: nobody knows what epoch {line.epoch} says") from error
