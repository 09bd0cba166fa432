"""The copy that queries run on: what a person expects to find, at one epoch, and nothing that is only ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from catalog_contract import CALM, archive, edit, numbered, row
from mcai.errors import StoreError
from mcai.store.duck import DuckCatalog
from mcai.store.sandbox.copy import write_copy

EXAMPLE = {
    "id": "BIGINT",
    "domain": "VARCHAR",
    "content": "VARCHAR",
    "response": "VARCHAR",
    "emotion": "VARCHAR",
    "frequency_hz": "DOUBLE",
    "created_at": "TIMESTAMP",
    "source": "VARCHAR",
    "metadata": "JSON",
}
SCHEMA = {
    "examples": EXAMPLE,
    "examples_archive": EXAMPLE,
    "datasets": {
        "id": "INTEGER",
        "domain": "VARCHAR",
        "examples": "BIGINT",
        "version": "BIGINT",
        "created_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP",
        "metadata": "JSON",
    },
    "epochs": {"epoch": "BIGINT", "at": "TIMESTAMP", "op": "VARCHAR", "added": "BIGINT", "removed": "BIGINT"},
    "emotions": {
        "name": "VARCHAR",
        "neuroscience_freq": "DOUBLE",
        "metaphysical_freq": "DOUBLE",
        "band": "VARCHAR",
        "personality_template": "JSON",
    },
    "feedback": {
        "id": "BIGINT",
        "target": "VARCHAR",
        "verdict": "VARCHAR",
        "comment": "VARCHAR",
        "created_at": "TIMESTAMP",
    },
}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[DuckCatalog]:
    catalog = DuckCatalog.open(tmp_path / "catalog.duckdb", [CALM])
    yield catalog
    catalog.close()


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask a finished copy."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_only_what_a_person_expects_is_there(catalog: DuckCatalog, tmp_path: Path) -> None:
    """These tables with these columns: no identities, keys, hashes, tombstones or bookkeeping."""
    path = tmp_path / "copy.duckdb"
    with catalog.engine.reading() as cursor:
        write_copy(cursor, path)

    found: dict[str, dict[str, str]] = {}
    columns = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY column_index"
    for table, column, kind in rows(path, columns):
        found.setdefault(table, {})[column] = kind
    assert found == SCHEMA
    assert sorted(each.name for each in tmp_path.glob("copy*")) == ["copy.duckdb"]


def test_live_rows_alone_are_there(catalog: DuckCatalog, tmp_path: Path) -> None:
    """Deleted rows and replaced versions are gone, archived ones lie apart, counts are of live rows."""
    catalog.add([*numbered(4), row("other", domain="music", metadata={"k": [1, "ü"]})])
    catalog.delete([1])
    edit(catalog, 2, row("question two"))
    archive(catalog, [3])
    path = tmp_path / "copy.duckdb"
    with catalog.engine.reading() as cursor:
        epoch = write_copy(cursor, path)

    assert epoch == catalog.epoch
    assert rows(path, "SELECT id, domain, content FROM examples") == [
        (2, "physics", "question two"),
        (4, "physics", "question 4"),
        (5, "music", "other"),
    ]
    assert rows(path, "SELECT id, content FROM examples_archive") == [(3, "question 3")]
    assert rows(path, "SELECT domain, examples FROM datasets") == [("music", 1), ("physics", 2)]
    assert rows(path, "SELECT metadata->>'$.k[1]' FROM examples WHERE id = 5") == [("ü",)]
    assert rows(path, "SELECT name, personality_template->>0 FROM emotions") == [("calm", "Breathe.")]
    assert rows(path, "SELECT max(epoch) FROM epochs") == [(epoch,)]


class Interrupted:
    """A cursor during whose work another epoch is made."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, before_table: str, then: Callable[[], object]) -> None:
        self._cursor = cursor
        self._before = f".{before_table} AS"
        self._then = then

    def execute(self, sql: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        if self._before in sql:
            self._then()
        return self._cursor.execute(sql, *parameters)


def test_copy_shows_one_epoch(catalog: DuckCatalog, tmp_path: Path) -> None:
    """What is written while the copy is made is in none of its tables."""
    catalog.add(numbered(3))
    path = tmp_path / "copy.duckdb"
    with catalog.engine.reading() as cursor:
        writes = Interrupted(cursor, "datasets", lambda: catalog.add([row("late", domain="late")]))
        epoch = write_copy(writes, path)  # type: ignore[arg-type]  # it passes everything on

    assert (epoch, catalog.epoch) == (1, 2)
    assert rows(path, "SELECT count(*) FROM examples") == [(3,)]
    assert rows(path, "SELECT domain, examples FROM datasets") == [("physics", 3)]
    assert rows(path, "SELECT epoch FROM epochs") == [(1,)]


def test_failed_copy_leaves_the_catalog_as_it_was(catalog: DuckCatalog, tmp_path: Path) -> None:
    """After a failure nothing stays attached: the next copy and the next write work."""
    catalog.add(numbered(3))

    def fail() -> None:
        raise duckdb.IOException("No space left on device")

    with catalog.engine.reading() as cursor, pytest.raises(StoreError):
        write_copy(Interrupted(cursor, "epochs", fail), tmp_path / "one.duckdb")  # type: ignore[arg-type]

    catalog.add(numbered(1, first=4))
    with catalog.engine.reading() as cursor:
        assert write_copy(cursor, tmp_path / "two.duckdb") == 2
        assert cursor.execute("SELECT count(*) FROM duckdb_databases() WHERE NOT internal").fetchone() == (1,)


def test_any_path_can_be_written(catalog: DuckCatalog, tmp_path: Path) -> None:
    """A quote or a semicolon in the home's path is a part of the path."""
    folder = tmp_path / 'it\'s; "a" home'
    folder.mkdir()
    with catalog.engine.reading() as cursor:
        write_copy(cursor, folder / "copy.duckdb")

    assert rows(folder / "copy.duckdb", "SELECT count(*) FROM examples") == [(0,)]
