"""Every error that mcai raises on purpose, as one tree.

    McaiError                  code, message, hint - the hint says what to do next
    |- ConfigError             UnknownKeyError, InvalidValueError, NotInThisVersionError
    |- InputError              InvalidRequestError, InvalidCursorError, DimensionMismatchError, RecordTooLargeError
    |- DaemonError             DaemonNotRunningError, DaemonAlreadyRunningError, DaemonStartError,
    |                          VersionMismatchError, TimeoutExpiredError, ForbiddenError
    |- StoreError              NotFoundError, ConflictError, IdempotencyConflictError, SchemaVersionError,
    |                          StoreUnavailableError (FatalStoreError (CatalogDamagedError)), StoreFullError,
    |                          EpochNotReachedError, IndexUnavailableError, SqlError,
    |                          DamagedError (SnapshotDamagedError, BackupDamagedError),
    |                          SnapshotError (NoSnapshotError, StaleSnapshot)
    `- SourceError             PathNotFoundError, UnreadableFileError, UnsupportedFileError

``code`` is the only identity on the wire: the daemon sends ``{"error": {"code", "message", "hint"}}`` and the client
raises the same class again. HTTP statuses live in ``mcai_daemon.failures``, exit codes in ``mcai_cli.exits``: this
module knows neither. A class docstring's first line is its default message.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises over bytes that are no JSON, no UTF-8, or nested too deep."""


class McaiError(Exception):
    """Something in mcai failed."""

    code: ClassVar[str] = "internal"
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        first_line = (type(self).__doc__ or "").strip().split("\n", 1)[0]
        self.message = shown(message or first_line)
        self.hint = self.default_hint if hint is None else hint
        super().__init__(self.message)

    def as_wire(self) -> dict[str, dict[str, str]]:
        """Return the one error shape of the HTTP and ``--json`` contracts."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


class ConfigError(McaiError):
    """The configuration cannot be used."""

    code = "config"


class UnknownKeyError(ConfigError):
    """There is no such setting."""

    code = "unknown_key"


class InvalidValueError(ConfigError):
    """A setting has a value that it cannot take."""

    code = "invalid_value"


class NotInThisVersionError(ConfigError):
    """This version of mcai cannot do that."""

    code = "not_in_this_version"


class InputError(McaiError):
    """The request cannot be understood."""

    code = "input"


class InvalidRequestError(InputError):
    """The request has a missing, unknown or unusable field."""

    code = "invalid_request"


class InvalidCursorError(InputError):
    """The cursor does not belong to this query."""

    code = "invalid_cursor"
    default_hint = "Start again without a cursor; a cursor is bound to the filters that it was made with."


class DimensionMismatchError(InputError):
    """The vector has another length than the index."""

    code = "dimension_mismatch"


class RecordTooLargeError(InputError):
    """One record may be 1 MiB at most."""

    code = "record_too_large"


class DaemonError(McaiError):
    """The daemon could not serve the request."""

    code = "daemon"


class DaemonNotRunningError(DaemonError):
    """The mcai daemon is not running."""

    code = "daemon_not_running"
    default_hint = "Start it with: mcai daemon start"


class DaemonAlreadyRunningError(DaemonError):
    """Another daemon owns this home."""

    code = "daemon_already_running"


class DaemonStartError(DaemonError):
    """The daemon did not start."""

    code = "daemon_start"
    default_hint = "Look at the end of its log: mcai daemon logs"


class VersionMismatchError(DaemonError):
    """The running daemon speaks another protocol version."""

    code = "version_mismatch"
    default_hint = "Restart it with this version: mcai daemon restart"


class TimeoutExpiredError(DaemonError):
    """The daemon did not answer in time."""

    code = "timeout"


class ForbiddenError(DaemonError):
    """This caller may not use this listener."""

    code = "forbidden"


class StoreError(McaiError):
    """The store could not do that."""

    code = "store"


class NotFoundError(StoreError):
    """There is nothing with that name or id."""

    code = "not_found"


class ConflictError(StoreError):
    """The change collides with what is stored."""

    code = "conflict"


class IdempotencyConflictError(ConflictError):
    """This idempotency key was used before with another body."""

    code = "idempotency_conflict"
    default_hint = "Use a new key for a new batch, or send the first batch again unchanged."


class SchemaVersionError(StoreError):
    """The data folder was written by a newer version of mcai."""

    code = "schema_version"
    default_hint = "Use that version or a newer one; nothing was changed."


class StoreUnavailableError(StoreError):
    """The store is not ready."""

    code = "store_unavailable"


class FatalStoreError(StoreUnavailableError):
    """The database engine gave up; the daemon ends and has to be started anew."""

    code = "store_fatal"
    default_hint = "It starts by itself with the next command; what was acknowledged is kept."


class CatalogDamagedError(FatalStoreError):
    """A part of the catalog's file is damaged."""

    code = "catalog_damaged"
    default_hint = "It is made anew from base copy and journal at the next start, which follows by itself."


class StoreFullError(StoreError):
    """There is no room left on the disk of the data folder."""

    code = "store_full"
    default_hint = "Free some space and run the command again; nothing that was acknowledged is lost."


class EpochNotReachedError(StoreError):
    """The store has not reached the epoch that was asked for."""

    code = "epoch_not_reached"


class DamagedError(StoreError):
    """A file is damaged."""

    code = "damaged"
    default_hint = "Find out more and mend it: mcai doctor --fix"


class SnapshotDamagedError(DamagedError):
    """A file of the snapshot is damaged."""

    code = "snapshot_damaged"
    default_hint = "The daemon makes it anew from the catalog at its next start: mcai daemon restart"


class BackupDamagedError(DamagedError):
    """The backup is damaged or incomplete."""

    code = "backup_damaged"
    default_hint = "Use another backup; nothing was changed."


class SnapshotError(StoreError):
    """The snapshot cannot be read."""

    code = "snapshot"


class NoSnapshotError(SnapshotError):
    """There is no snapshot yet."""

    code = "no_snapshot"
    default_hint = "The daemon publishes one soon after its start: mcai daemon start"


class StaleSnapshot(SnapshotError):
    """The published snapshot is older than the epoch that was asked for."""

    code = "stale_snapshot"
    default_hint = "It is published at most two seconds after a change: try again."


class SqlError(StoreError):
    """The query failed."""

    code = "sql"


class IndexUnavailableError(StoreError):
    """The search index cannot answer."""

    code = "index_unavailable"


class SourceError(McaiError):
    """A dataset file cannot be read."""

    code = "source"


class PathNotFoundError(SourceError):
    """There is no such file or folder."""

    code = "path_not_found"


class UnreadableFileError(SourceError):
    """The file cannot be read."""

    code = "unreadable_file"


class UnsupportedFileError(SourceError):
    """The file is of no kind that mcai reads."""

    code = "unsupported_file"


def shown(text: str) -> str:
    """Return a text as it can be encoded: of a file name, the bytes that are no UTF-8 are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _tree(root: type[McaiError]) -> list[type[McaiError]]:
    return [root, *(found for sub in root.__subclasses__() for found in _tree(sub))]


def all_errors() -> list[type[McaiError]]:
    """Return every error class, base first."""
    return _tree(McaiError)


def from_wire(code: str, message: str, hint: str) -> McaiError:
    """Make the error that the daemon named; an unknown code (a newer daemon's) becomes a plain McaiError."""
    by_code = {cls.code: cls for cls in all_errors()}
    return by_code.get(code, McaiError)(message, hint=hint)
