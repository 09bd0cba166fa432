"""The home as a whole: backups, what was forgotten, its health, and answers in SQL."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class BackupResult(Struct, frozen=True):
    """One finished backup."""

    path: str
    epoch: int
    rows: int
    """Live and archived examples."""
    files: int
    bytes: int


class Backup(Struct, frozen=True):
    """One backup that lies in the home."""

    path: str
    epoch: int
    rows: int
    """Live and archived examples."""
    at: str
    bytes: int


class Backups(Struct, frozen=True):
    """The backups in the home, newest first."""

    backups: list[Backup]


class RestoreResult(Struct, frozen=True):
    """One finished restore."""

    home: str
    epoch: int
    rows: int
    """Live and archived examples."""
    timeline: str
    """A new one for every restore: what was derived from another timeline is rebuilt."""
    replaced: str | None = None
    """Where the data lies that was there before; None when there was none."""


class Place(Struct, frozen=True):
    """One place that `forget` looked through."""

    place: str
    scanned: int
    """Rows or files looked at."""
    found: int
    """Rows or copies of them that were there."""
    left: int
    """Those that are still there: 0, or the place says why in the daemon's log."""


class ForgetResult(Struct, frozen=True, omit_defaults=True):
    """The receipt of `forget`."""

    dry_run: bool
    epoch: int
    forgotten: int
    places: list[Place]
    notes: list[str] = []
    """What the numbers do not say: files where something is left, copies that go as a whole, what was not searched."""


class Check(Struct, frozen=True, omit_defaults=True):
    """One check of `doctor`."""

    name: str
    ok: bool
    fixed: bool
    """It was not ok before `--fix`, and is now."""
    cause: str | None = None
    remedy: str | None = None


class DoctorReport(Struct, frozen=True):
    """All checks; `ok` when every one is."""

    ok: bool
    checks: list[Check]


class SqlColumn(Struct, frozen=True):
    """One column of an answer of `sql`."""

    name: str
    type: str


class SqlResult(Struct, frozen=True):
    """The answer of one query."""

    columns: list[SqlColumn]
    rows: list[list[Any]]
    truncated: bool
    """True when there were more rows than are shown."""
    took_ms: float
