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
    r"corrupt database file|corrupted [\w ]+: |corrupted block|(is|appears to be) corrupted|(computed|match) checksum",
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
        if is_damage(error):
            raise CatalogDamagedError() from error
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


def is_damage(error: duckdb.Error) -> bool:
    """Tell whether an error says that a file is not what was written."""
    return _DAMAGED.search(str(error)) is not None


def wal_path(path: Path) -> Path:
    """Return where DuckDB keeps the write-ahead log of a file."""
    return path.with_name(f"{path.name}.wal")


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
        StoreUnavailableError: another process has it.
        DamagedError: it, or its write-ahead log, cannot be read.
    """
    config = dict(_SERVING)
    if temp_dir is not None:
        config["temp_directory"] = str(temp_dir)
    try:
        connection = duckdb.connect(":memory:" if path is None else str(path), config=config)
    except duckdb.Error as error:
        first_line = str(error).split("\n", 1)[0]
        if _FULL.search(first_line):
            raise StoreFullError() from error
        if _LOCKED.search(first_line):
            raise StoreUnavailableError(f"{path} is open in another process: {first_line}") from error
        raise DamagedError(f"{path} cannot be opened: {first_line}") from error
    try:
        with engine_errors():
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


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
