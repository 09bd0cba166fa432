"""Opens the DuckDB file: limits, time zone, migrations, and one translation of its errors.

Nothing else in the daemon may open() this file, not even to read it: POSIX locks belong to the process, and closing any
descriptor of the file drops DuckDB's lock on it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import duckdb

from mcai import failpoints
from mcai.errors import (
    CatalogDamagedError,
    DamagedError,
    FatalStoreError,
    SchemaVersionError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from mcai.files import not_a_file
from mcai.paths import wal_path

T = TypeVar("T")

SCHEMA_VERSION = 2
MIGRATIONS_DIR = Path(__file__).parent.parent / "migrations"
Config: TypeAlias = dict[str, str | bool | int | float | list[str]]
_COMMON: Config = {
    # DuckDB would fetch missing extensions from the network.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    # `FROM name` must mean a table, never a Python variable.
    "python_enable_replacements": False,
}
_SERVING: Config = {**_COMMON, "memory_limit": "384MB", "threads": 2, "max_temp_directory_size": "4GB"}
BESIDE: Config = {**_COMMON, "memory_limit": "256MB", "threads": 1}
"""For a file that nobody serves, beside the one that is served. One thread keeps copied rows in the order of their ids:
reads rely on it to skip blocks."""
_numbers = itertools.count(1)
_LOCKED = re.compile(r"could not set lock|conflicting lock", re.IGNORECASE)
# Whole phrases: an error may quote a text of somebody who writes about corruption.
_DAMAGED = re.compile(
    r"corrupt (database|wal|encrypted wal) ?\w*: |corrupted [\w ]+(: | - )|corrupted block"
    r"|(is|appears to be) corrupted|(computed|match) checksum"
    r"|could not read enough bytes from file|could not read from file .*: input/output error"
    r"|not a valid duckdb database file|failed to deserialize|failed to load metadata pointer"
    r"|failed to read wal of version",
    re.IGNORECASE,
)
# Errors of these kinds quote no values of rows. DuckDB's own kind for damage has no class of its own in Python.
_OF_A_FILE = (duckdb.IOException, duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)
_TEMPORARY = re.compile(r"duckdb_temp|temporary file", re.IGNORECASE)
"""What was spilled is gone with the process: the catalog has nothing to do with it."""
_REFUSED = re.compile(
    r"permission denied|operation not permitted|too many open files|read-only file system|cannot allocate memory",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left|disk quota|file too large|could not write", re.IGNORECASE)
_OF_THE_SYSTEM = (duckdb.IOException, duckdb.TransactionException, duckdb.OutOfMemoryException)


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn DuckDB's errors into mcai's.

    Raises:
        StoreFullError: the disk is full; the transaction did not happen.
        CatalogDamagedError: a block of the file is not what was written.
        FatalStoreError: the engine is invalidated; only a new process can go on.
        StoreError: anything else. The message has no values in it, DuckDB's own may.
    """
    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        if damage := damage_in(error):
            raise CatalogDamagedError(f"the catalog is damaged: {damage}") from error
        if isinstance(error, duckdb.FatalException):
            reason = "there is no room left on the disk of the data folder" if _FULL.search(text) else None
            raise FatalStoreError(reason) from error
        if isinstance(error, _OF_THE_SYSTEM) and _FULL.search(text):
            raise StoreFullError() from error
        raise StoreError(f"the catalog failed: {type(error).__name__}") from error


@contextmanager
def own_engine() -> Iterator[None]:
    """Use an engine that serves nobody: that it gives up is the end of it, not of the process.

    Raises:
        StoreFullError: it gave up because the disk is full.
        DamagedError: it gave up because a block of its file is not what was written.
        StoreError: it gave up for another reason.
    """
    try:
        yield
    except CatalogDamagedError as error:
        raise DamagedError(error.message) from error
    except FatalStoreError as error:
        if _FULL.search(str(error.__cause__)):
            raise StoreFullError() from error
        raise StoreError(error.message) from error


def damage_in(error: duckdb.Error) -> str | None:
    """Return what an error says of a file that is not what was written, None when it says no such thing."""
    told = first_line(error)
    if not (type(error) is duckdb.Error or isinstance(error, _OF_A_FILE)) or _TEMPORARY.search(told):
        return None
    found = _DAMAGED.search(told)
    return told[found.start() :] if found else None


def first_line(error: duckdb.Error) -> str:
    """Return the line that says what happened; others are for whoever develops DuckDB."""
    return str(error).split("\n", 1)[0]


def refuse_strange(path: Path) -> None:
    """Refuse a catalog that is no file, or whose write-ahead log is none: DuckDB would wait for a FIFO for ever.

    Raises:
        DamagedError: naming which.
    """
    for each in (path, wal_path(path)):
        if what := not_a_file(each):
            raise DamagedError(f"{each} is {what}, where a file must be")


def quoted(path: Path) -> str:
    """Return a path as a string of SQL: ATTACH takes no parameters."""
    return "'" + str(path).replace("'", "''") + "'"


def connect(path: Path | None, temp_dir: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open a catalog file, or one in memory, and bring its schema up to date.

    Args:
        path: the file; None keeps everything in memory.
        temp_dir: where DuckDB may spill.

    Raises:
        SchemaVersionError: the file is newer than this mcai.
        StoreUnavailableError: another process has it, or the system lets nobody open it now.
        StoreFullError: there is no room to open it.
        DamagedError: it, or its write-ahead log, cannot be read.
    """
    if path is not None:
        refuse_strange(path)
    config = dict(_SERVING)
    if temp_dir is not None:
        config["temp_directory"] = str(temp_dir)
    try:
        connection = duckdb.connect(":memory:" if path is None else str(path), config=config)
    except duckdb.Error as error:
        raise refusal(path, error) from error
    try:
        with own_engine(), engine_errors():
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def refusal(path: Path | None, error: duckdb.Error) -> StoreError:
    """Say why a file was not opened. What the system says no to may be as sound as ever."""
    told = first_line(error)
    if _FULL.search(told):
        return StoreFullError()
    if _LOCKED.search(told):
        return StoreUnavailableError(f"{path} is open in another process: {told}")
    if isinstance(error, duckdb.OutOfMemoryException) or _REFUSED.search(told):
        return StoreUnavailableError(f"{path} cannot be opened: {told}")
    return DamagedError(f"{path} cannot be opened: {told}")


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path | None) -> None:
    """Run the steps that this file has not seen, each in one transaction and followed by a checkpoint.

    Before each step that changes what is there, the whole catalog is copied beside itself.
    """
    have = _schema_version(connection)
    if have > SCHEMA_VERSION:
        raise SchemaVersionError(f"the data folder has schema {have}, this mcai knows up to {SCHEMA_VERSION}")
    for step in sorted(MIGRATIONS_DIR.glob("*.sql")):
        number = int(step.name.split("_", 1)[0])
        if number <= have:
            continue
        if path is not None and have:
            _copy_before(connection, path.with_name(f"{path.stem}.before-{number}.duckdb"))
        failpoints.hit("migrate.step")
        connection.execute("BEGIN TRANSACTION")
        connection.execute(step.read_text("utf-8"))
        connection.execute("DELETE FROM meta WHERE key = 'schema_version'")
        connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", [str(number)])
        connection.execute("COMMIT")
        # DDL in the write-ahead log is where replay bugs were; a checkpoint keeps it out of there.
        connection.execute("CHECKPOINT")


def _copy_before(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Copy the catalog, unless an earlier attempt at the same step left a whole copy."""
    if path.exists():
        return
    unfinished = path.with_suffix(".part")
    for left_over in (unfinished, wal_path(unfinished)):
        left_over.unlink(missing_ok=True)
    copy_database(connection, unfinished, lambda copy: None)
    unfinished.rename(path)


def copy_database(cursor: duckdb.DuckDBPyConnection, path: Path, then: Callable[[str], T]) -> T:
    """Write everything in this database, as it is now, into a new file, which is whole and closed afterwards.

    Args:
        cursor: others may read and write meanwhile.
        path: does not exist yet.
        then: called with the copy's name while it is attached.
    """
    copy = f"copy_{next(_numbers)}"
    row = one(cursor, "SELECT current_database()")
    assert row is not None
    # A log of its own would only have to be written down again.
    cursor.execute(f"ATTACH {quoted(path)} AS {copy} (RECOVERY_MODE NO_WAL_WRITES)")
    try:
        cursor.execute(f'COPY FROM DATABASE "{row[0]}" TO {copy}')
        cursor.execute(f"CHECKPOINT {copy}")
        return then(copy)
    finally:
        cursor.execute(f"DETACH {copy}")


def _schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    known = one(connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'meta'")
    if not known or not known[0]:
        return 0
    row = one(connection, "SELECT value FROM meta WHERE key = 'schema_version'")
    return int(row[0]) if row else 0


def one(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """Return the first row, or None. The result is read to its end: an unfinished one would block the connection."""
    rows = cursor.execute(sql, list(parameters)).fetchall()
    return rows[0] if rows else None
