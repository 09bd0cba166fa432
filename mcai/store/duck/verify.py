"""Looks whether a catalog is what it should be: every block readable, every row consistent with all others.

Nothing here changes a byte, so it may look at the catalog that serves, at a backup, and at a home that cannot start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import duckdb
import msgspec

from mcai import stopping
from mcai.errors import CatalogDamagedError, DamagedError, StoreError
from mcai.store.base import CopyFacts
from mcai.store.duck import copying
from mcai.store.duck.catalog import DuckCatalog
from mcai.store.duck.connection import BESIDE, damage_in, engine_errors, first_line, one, own_engine, refuse_strange
from mcai.store.duck.effects import VERSIONED, Table
from mcai.store.duck.engine import Engine
from mcai.store.duck.where import LIVE_AT
from mcai.store.versions import Versions, versions_of

_ROWS: tuple[Table, ...] = ("examples", "examples_archive")
_CHAIN_BYTES = 16


class Source(Protocol):
    """Something that lends cursors on a catalog: `Engine`, or `ReadOnly`."""

    @property
    def timeline(self) -> str:
        """Which history it is."""

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Lend a fresh cursor."""


class ReadOnly:
    """A catalog file that nobody serves, opened without changing it; its write-ahead log is read, not applied."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            DamagedError: it, or its write-ahead log, cannot be read.
        """
        refuse_strange(path)
        try:
            self._connection = duckdb.connect(str(path), read_only=True, config=BESIDE)
            self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
        except duckdb.Error as error:
            raise DamagedError(f"{path} cannot be opened: {first_line(error)}") from error

    @property
    def timeline(self) -> str:
        """Which history it is."""
        return facts(self).timeline

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a fresh cursor."""
        with engine_errors():
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> ReadOnly:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_everything(catalog: DuckCatalog) -> None:
    """Read every value of the catalog that serves; see `read_blocks`."""
    read_blocks(catalog.engine)


def read_blocks(source: Source) -> None:
    """Read every value, so that the checksum of every block in use is compared.

    Raises:
        CatalogDamagedError: a block is not what was written.
    """
    with source.reading() as cursor:
        sql = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = current_database()"
        columns = cursor.execute(sql).fetchall()
    for table, column in columns:
        stopping.check()
        # One at a time: whoever waits for all readers to leave need not wait long.
        with source.reading() as cursor:
            try:
                cursor.execute(f'SELECT bit_xor(hash("{column}")) FROM "{table}"').fetchall()
            except duckdb.Error as error:
                if damage := damage_in(error):
                    raise CatalogDamagedError(f"the catalog is damaged in {table}.{column}: {damage}") from error
                raise


def facts(source: Source) -> CopyFacts:
    """Return what a catalog holds."""
    with source.reading() as cursor:
        row = one(cursor, "SELECT current_database()")
        assert row is not None
        return copying.facts(cursor, f'"{row[0]}"')


def check_copy(path: Path, expected: CopyFacts) -> None:
    """Open a copy, read all of it, and compare it with what was copied.

    Raises:
        DamagedError: it is not the same, or not a sound catalog.
    """
    with ReadOnly(path) as copy:
        try:
            read_blocks(copy)
            found = facts(copy)
            wrong = faults(copy)
        except StoreError as error:
            raise DamagedError(f"{path}: {error.message}") from error
    _compare(path, found, expected)
    if wrong:
        raise DamagedError(f"{path}: {wrong[0]}")


def check_facts(path: Path, expected: CopyFacts) -> None:
    """Open a file that was closed, and hold that everything is in it which the engine had.

    Raises:
        DamagedError: it is not, or the file cannot be read.
    """
    with ReadOnly(path) as closed:
        _compare(path, facts(closed), expected)


def _compare(path: Path, found: CopyFacts, expected: CopyFacts) -> None:
    if found != expected:
        told = f"epoch {found.epoch} and {found.rows} rows, not {expected.epoch} and {expected.rows}"
        raise DamagedError(f"{path} is another state than was written: {told}")


def settled(path: Path) -> CopyFacts:
    """Move a file's write-ahead log into it, and return what it holds; the file is that of nobody's home.

    Raises:
        DamagedError: it cannot be opened; nothing was changed.
        StoreFullError: there is no room for what is in the log, which stays where it is.
        StoreError: the log cannot be moved into the file for another reason.
    """
    with own_engine():
        engine = Engine(path)
        try:
            found = facts(engine)
        except BaseException:
            engine.close()
            raise
        engine.close_whole()
    check_facts(path, found)
    return found


def last_id(source: Source) -> int:
    """Return the highest id that was ever given out."""
    with source.reading() as cursor:
        return _last_id(cursor)


def committed_by(source: Source, moment: datetime) -> int | None:
    """Return the last epoch committed at or before a moment (naive UTC), None when there is none."""
    with source.reading() as cursor:
        row = one(cursor, "SELECT max(epoch) FROM epochs WHERE committed_at <= ?", [moment])
        return row[0] if row else None


def committed_at(source: Source, epoch: int) -> datetime | None:
    """Return when an epoch was committed (naive UTC), None when there is no such epoch."""
    with source.reading() as cursor:
        row = one(cursor, "SELECT committed_at FROM epochs WHERE epoch = ?", [epoch])
        return row[0] if row else None


def schema_version(source: Source) -> int:
    """Return the version of the tables."""
    with source.reading() as cursor:
        row = one(cursor, "SELECT value FROM meta WHERE key = 'schema_version'")
        return int(row[0]) if row else 0


def chains(source: Source, after: int) -> dict[int, bytes]:
    """Return the hashes of the later epochs."""
    with source.reading() as cursor:
        sql = "SELECT epoch, chain_hash FROM epochs WHERE epoch > ? AND chain_hash IS NOT NULL"
        return dict(cursor.execute(sql, [after]).fetchall())


def live_versions(source: Source, epoch: int, table: Table = "examples") -> Versions | None:
    """Return which versions were live at an epoch; None when it is not known, because some were forgotten since."""
    with source.reading() as cursor:
        sql = "SELECT count(*) FROM forgotten WHERE forgot_epoch > ? AND c_epoch <= ?"
        gone = one(cursor, sql, [epoch, epoch])
        if gone and gone[0]:
            return None
        found = cursor.execute(f"SELECT id, c_epoch FROM {table} WHERE {LIVE_AT}", [epoch, epoch]).fetchnumpy()
        return versions_of(found["id"], found["c_epoch"])


def faults(source: Source) -> list[str]:
    """Return what is wrong with the rows, in words; nothing when all is well."""
    found: list[str] = []
    for what, sql in _RULES.items():
        with source.reading() as cursor:
            broken = cursor.execute(sql).fetchall()
        if broken:
            found.append(f"{what} ({len(broken)}, the first is {broken[0][0]})")
    with source.reading() as cursor:
        highest = one(cursor, _HIGHEST_ID)
        if highest and highest[0] is not None and highest[0] > _last_id(cursor):
            found.append(f"id {highest[0]} was never given out")
        found += _bad_metadata(cursor)
    return found


def _last_id(cursor: duckdb.DuckDBPyConnection) -> int:
    row = one(cursor, "SELECT max(last_id) FROM epochs")
    floor = one(cursor, "SELECT value FROM meta WHERE key = 'last_id'")
    return max(row[0] or 0 if row else 0, int(floor[0]) if floor else 0)


def _bad_metadata(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """What DuckDB takes for no JSON, we ask our own reader about: the two differ at the edges."""
    for table in _ROWS:
        sql = f"SELECT id, metadata FROM {table} WHERE NOT json_valid(metadata) OR NOT starts_with(metadata, '{{')"
        for example_id, text in cursor.execute(sql).fetchall():
            try:
                msgspec.json.decode(text, type=dict)
            except msgspec.DecodeError:
                return [f"the metadata of example {example_id} are no JSON object"]
    return []


_LIVE = " UNION ALL ".join(f"SELECT * FROM {table} WHERE d_epoch IS NULL" for table in _ROWS)
_VERSIONS = " UNION ALL ".join(f"SELECT id, c_epoch, d_epoch FROM {table}" for table in VERSIONED)
_HIGHEST_ID = " UNION ALL ".join(f"SELECT max(id) AS id FROM {table}" for table in _ROWS)
_HIGHEST_ID = f"SELECT max(id) FROM ({_HIGHEST_ID})"
_RULES = {
    "examples are live twice": f"SELECT id FROM ({_LIVE}) GROUP BY id HAVING count(*) > 1",
    "examples have one text": f"SELECT min(id) FROM ({_LIVE}) GROUP BY identity_hi, identity_lo HAVING count(*) > 1",
    "examples belong to no dataset": f"SELECT id FROM ({_LIVE}) ANTI JOIN datasets ON dataset_id = datasets.id",
    "versions end before they begin": f"SELECT id FROM ({_VERSIONS}) WHERE d_epoch < c_epoch",
    "versions are of an epoch that never was": (
        f"SELECT id FROM ({_VERSIONS}) ANTI JOIN epochs ON c_epoch = epochs.epoch "
        f"UNION ALL SELECT id FROM ({_VERSIONS}) ANTI JOIN epochs ON d_epoch = epochs.epoch WHERE d_epoch IS NOT NULL"
    ),
    "epochs are missing": (
        "SELECT epoch FROM epochs ANTI JOIN epochs before ON before.epoch = epochs.epoch - 1 "
        "WHERE epoch > (SELECT min(epoch) FROM epochs)"
    ),
    "epochs are there twice": "SELECT epoch FROM epochs GROUP BY epoch HAVING count(*) > 1",
    "epochs have no hash": (
        f"SELECT epoch FROM epochs WHERE coalesce(octet_length(chain_hash), 0) <> {_CHAIN_BYTES} "
        "AND epoch > (SELECT min(epoch) FROM epochs WHERE chain_hash IS NOT NULL)"
    ),
    "datasets are there twice": "SELECT id FROM datasets GROUP BY id HAVING count(*) > 1",
    "domains are there twice": "SELECT min(id) FROM datasets GROUP BY domain HAVING count(*) > 1",
}
"""What never happens in a sound catalog -> a query that finds where it did."""
