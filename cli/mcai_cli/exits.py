"""Which exit code each error ends in: the only place that knows.

0 ok, 1 failed, 2 usage or configuration, 3 daemon unreachable, 4 timeout, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping

from mcai import errors

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
TIMEOUT = 4
INTERRUPTED = 130

EXITS: Mapping[type[errors.McaiError], int] = {
    errors.McaiError: FAILED,
    errors.ConfigError: USAGE,
    errors.UnknownKeyError: USAGE,
    errors.InvalidValueError: USAGE,
    errors.NotInThisVersionError: USAGE,
    errors.InputError: USAGE,
    errors.InvalidRequestError: USAGE,
    errors.InvalidCursorError: USAGE,
    errors.DimensionMismatchError: USAGE,
    errors.RecordTooLargeError: USAGE,
    errors.DaemonError: FAILED,  # it was reached, and failed
    errors.DaemonNotRunningError: UNREACHABLE,
    errors.DaemonAlreadyRunningError: FAILED,
    errors.DaemonStartError: UNREACHABLE,
    errors.VersionMismatchError: UNREACHABLE,  # there is no talking to it
    errors.TimeoutExpiredError: TIMEOUT,
    errors.ForbiddenError: FAILED,
    errors.StoreError: FAILED,
    errors.NotFoundError: FAILED,
    errors.ConflictError: FAILED,
    errors.IdempotencyConflictError: FAILED,
    errors.SchemaVersionError: FAILED,
    errors.StoreUnavailableError: FAILED,
    errors.FatalStoreError: FAILED,
    errors.CatalogDamagedError: FAILED,
    errors.StoreFullError: FAILED,
    errors.EpochNotReachedError: FAILED,
    errors.IndexUnavailableError: FAILED,
    errors.DamagedError: FAILED,
    errors.SnapshotDamagedError: FAILED,
    errors.BackupDamagedError: FAILED,
    errors.SnapshotError: FAILED,
    errors.NoSnapshotError: FAILED,
    errors.StaleSnapshot: FAILED,
    errors.SqlError: FAILED,
    errors.SourceError: FAILED,
    errors.PathNotFoundError: USAGE,
    errors.UnreadableFileError: FAILED,
    errors.UnsupportedFileError: FAILED,
}
"""A test holds that every class of `errors.all_errors` stands here: a new error needs a decision."""


def exit_code(error: errors.McaiError) -> int:
    """Return the exit code of an error; a class that is not in the table ends like its nearest parent."""
    return next((EXITS[cls] for cls in type(error).__mro__ if cls in EXITS), FAILED)
