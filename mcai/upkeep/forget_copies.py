"""Forgetting in copies of the catalog: base copies, backups, what a restore replaced, what was put aside as damaged.

A copy is written anew beside itself, without the rows, and then takes its own place: after a crash at any moment there is
one of the two, whole. A copy that cannot be read cannot be cleaned: it is removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import structlog

from mcai.errors import BackupDamagedError, DamagedError, NotFoundError, SchemaVersionError, StoreFullError
from mcai.paths import Home
from mcai.records import Place
from mcai.store import backup, journal
from mcai.store.duck import scrub
from mcai.store.duck.redaction import Redactor
from mcai.store.journal.segments import write_errors
from mcai.upkeep.archive_files import files_in

log = structlog.get_logger("forget")

_FRESH = ".rewritten"
_OLD = ".forgotten"
_MIGRATED = "*.before-*.duckdb"
"""Copies that an upgrade made of the catalog before it changed it."""


class Copies:
    """All copies that lie in one home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def ids_matching(self, ids_of: Callable[[scrub.Closed], list[int]]) -> set[int]: ...


def forget(home: Home, ids: Sequence[int]) -> list[Place]:
    """Write every copy anew that holds one of these examples.

    Raises:
        StoreFullError: there is no room for the new ones; to be done again.
        StoreError: a folder cannot be written.
    """
