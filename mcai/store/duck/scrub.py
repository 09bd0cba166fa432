"""Catalog files that nobody serves, base copies and backups: which examples they hold, and the same file without some.

A deleted row's bytes stay in a DuckDB file, even when its table is written over. So nothing is deleted: the rows that
stay are written into a fresh file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from mcai.errors import DamagedError
from mcai.filters import Filters
from mcai.store.base import CopyFacts
from mcai.store.duck import copying, read
from mcai.store.duck.connection import BESIDE, engine_errors, one, own_engine, quoted, refusal, refuse_strange
from mcai.store.duck.forgetting import AMONG, Version, versions

_VERSIONED = ("examples", "examples_archive")
_LEFT_OUT = ("knowledge_cache",)
"""Answers may quote any example."""


class Closed:
    """A catalog file, open for reading beside whatever this process serves."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    @property
    def has_examples(self) -> bool:
        """Whether it is a catalog at all: a file in which no schema was made yet has nothing of anybody."""
        sql = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'source'"
        return {"epochs", *_VERSIONED} <= {table for (table,) in self._cursor.execute(sql).fetchall()}

    def rows_of(self, ids: Sequence[int]) -> tuple[int, int]:
        """Return how many row versions there are, and how many are these examples'."""
        sql = " UNION ALL ".join(f"SELECT id FROM {table}" for table in _VERSIONED)
        sql = f"SELECT count(*), count(*) FILTER (id IN {AMONG}) FROM ({sql})"
        everything, theirs = one(self._cursor, sql, [list(ids)]) or (0, 0)
        return everything, theirs

    def ids_matching(self, filters: Filters) -> list[int]:
        """Return the examples that match, as `Catalog.ids_matching` has it."""
        names = dict(self._cursor.execute("SELECT domain, id FROM datasets").fetchall())
        wanted = [names[domain] for domain in filters.domains if domain in names] if filters.domains else None
        return read.ids_matching(self._cursor, filters, wanted)

    def versions(self, ids: Iterable[int]) -> set[Version]:
        """Return every version that it has of the examples with these numbers."""
        return versions(self._cursor, ids)

    def write_without(self, ids: Sequence[int], target: Path) -> CopyFacts:
        """Write everything but these examples into a new file, which is whole and closed afterwards."""
        self._cursor.execute(f"ATTACH {quoted(target)} AS target")
        try:
            self._cursor.execute("COPY FROM DATABASE source TO target (SCHEMA)")
            sql = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'source'"
            for (table,) in self._cursor.execute(sql).fetchall():
                if table not in _LEFT_OUT:
                    but, values = (f"WHERE id NOT IN {AMONG}", [list(ids)]) if table in _VERSIONED else ("", [])
                    self._cursor.execute(f'INSERT INTO target."{table}" FROM source."{table}" {but}', values)
            self._cursor.execute("CHECKPOINT target")
            return copying.facts(self._cursor, "target")
        finally:
            self._cursor.execute("DETACH target")


@contextmanager
def opened(path: Path, temp_dir: Path) -> Iterator[Closed]:
    """Open a file that nobody serves; its write-ahead log, if there is one, counts too.

    Args:
        path: the catalog file.
        temp_dir: where DuckDB may spill.

    Raises:
        DamagedError: it is not what was written.
        StoreUnavailableError: another process has it, or the system lets nobody open it now.
        StoreFullError: there is no room for what is written from it.
        StoreError: it could not be read for another reason.
    """
    refuse_strange(path)
    with own_engine(), engine_errors():
        connection = duckdb.connect(":memory:", config={**BESIDE, "temp_directory": str(temp_dir)})
    with connection:
        try:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            connection.execute(f"ATTACH {quoted(path)} AS source (READ_ONLY)")
        except duckdb.Error as error:
            raise refusal(path, error) from error
        try:
            with own_engine(), engine_errors():
                connection.execute("USE source")
                yield Closed(connection)
        except DamagedError as error:
            raise DamagedError(f"{path} cannot be read: {error.message}") from error
