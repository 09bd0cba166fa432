"""The identities met in one run, on disk: what a dry run needs to foretell duplicates that no store knows yet."""

from __future__ import annotations

import sqlite3

import msgspec

from mcai.identity import clean_name, identity
from mcai.records import NewExample


class Seen:
    """A set of identities that spills to a temporary file of SQLite's, which goes with it."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -16384"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE seen (identity BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, raw: msgspec.Raw) -> bool:
        """Add an example, given as JSON; return whether it is new."""
        example = msgspec.json.decode(raw, type=NewExample)
        key = identity(clean_name(example.domain), example.content, example.response, example.metadata)
        return self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,)).rowcount == 1

    def close(self) -> None:
        """Remove the file."""
        self._db.close()
