"""What a catalog on a file is after it was closed, damaged, or written by another version."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from catalog_contract import CALM, archive, edit, ids_of, metadata_of, numbered, row
from mcai.errors import DamagedError, SchemaVersionError
from mcai.filters import Filters
from mcai.records import Emotion
from mcai.store.base import Key
from mcai.store.duck import DuckCatalog
from mcai.store.duck.connection import SCHEMA_VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.duckdb"


def _execute(path: Path, sql: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)


def test_everything_is_there_again(path: Path) -> None:
    """Rows, epochs, old versions, domains and counts outlive the process."""
    first = DuckCatalog.open(path, [CALM])
    first.add(numbered(3), containers={"physics": [{"title": "x"}]})
    edit(first, 1, row("edited", domain="other", metadata={"k": [1]}))
    first.delete([2])
    datasets, edited = first.datasets(), first.get(1)
    first.close()

    again = DuckCatalog.open(path)

    assert again.epoch == 3 and ids_of(again) == [1, 3] and again.datasets() == datasets
    assert again.get(1) == edited and edited is not None and metadata_of(edited) == {"k": [1]}
    assert [each.content for each in again.page(Filters(), after_id=0, limit=9, epoch=1)][:2] == [
        "question 1",
        "question 2",
    ]
    again.close()


def test_ids_and_epochs_go_on(path: Path) -> None:
    """Neither an id nor an epoch is used again, even when the highest was deleted before the end."""
    first = DuckCatalog.open(path)
    first.add(numbered(5))
    first.delete([4, 5])
    first.close()

    again = DuckCatalog.open(path)
    result = again.add(numbered(2, first=4))

    assert [item.id for item in result.results] == [6, 7] and result.epoch == 3
    again.close()


def test_key_is_known_after_a_restart(path: Path) -> None:
    """A client that retries after the daemon died meets its first answer."""
    first = DuckCatalog.open(path)
    key = Key("k", b"body")
    answer = first.add([row("a")], key=key)
    first.close()

    again = DuckCatalog.open(path)

    assert again.add([row("a")], key=key) == answer and ids_of(again) == [1]
    again.close()


def test_key_is_forgotten_after_a_week_and_not_before(path: Path) -> None:
    """Keys are kept at least seven days; the store does not grow with them for ever."""
    first = DuckCatalog.open(path)
    first.add([row("a")], key=Key("old", b"body"))
    first.add([row("b")], key=Key("young", b"body"))
    first.close()
    _execute(path, "UPDATE requests SET answered_at = now()::TIMESTAMP - INTERVAL 169 HOUR WHERE key = 'old'")
    _execute(path, "UPDATE requests SET answered_at = now()::TIMESTAMP - INTERVAL 167 HOUR WHERE key = 'young'")

    again = DuckCatalog.open(path)

    assert again.add([row("c")], key=Key("old", b"other")).imported == 1
    assert again.add([row("b")], key=Key("young", b"body")).imported == 1, "the first answer, word for word"
    again.close()


def test_archive_outlives_a_restart(path: Path) -> None:
    """Archived rows hold their triples and ids after a restart."""
    first = DuckCatalog.open(path)
    first.add(numbered(2))
    archive(first, [2])
    first.close()

    again = DuckCatalog.open(path)
    result = again.add(numbered(3))

    assert [(item.status, item.id) for item in result.results] == [("duplicate", 1), ("duplicate", 2), ("imported", 3)]
    again.close()


def test_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    """An older mcai does not touch what a newer one wrote; it says which schema it is."""
    DuckCatalog.open(path).close()
    _execute(path, f"UPDATE meta SET value = '{SCHEMA_VERSION + 41}' WHERE key = 'schema_version'")
    before = sha256(path.read_bytes()).digest()

    with pytest.raises(SchemaVersionError, match=f"schema {SCHEMA_VERSION + 41}"):
        DuckCatalog.open(path, [CALM])

    assert sha256(path.read_bytes()).digest() == before


def test_file_that_is_no_catalog_is_reported(path: Path) -> None:
    """Damage is reported with the file's name, never served, never overwritten."""
    path.write_bytes(b"not a database at all" * 1_000)

    with pytest.raises(DamagedError, match=str(path)):
        DuckCatalog.open(path)

    assert path.read_bytes().startswith(b"not a database")


def test_emotions_are_loaded_once(path: Path) -> None:
    """The catalog of emotions is stored at the first start; a later start leaves it as it is."""
    first = DuckCatalog.open(path, [CALM])
    first.close()

    again = DuckCatalog.open(path, [CALM, Emotion("joy", 40.0, None, "gamma", [])])

    assert again.emotions() == [CALM]
    again.close()


def test_notes_about_the_index_are_kept_one_a_model(path: Path) -> None:
    """What people may look up about the index is replaced, not piled up."""
    catalog = DuckCatalog.open(path)
    for epoch in (1, 2):
        catalog.note_indexed("model-a", 256, epoch)
    catalog.note_indexed("model-b", 8, 1)
    catalog.close()

    with duckdb.connect(str(path)) as connection:
        noted = connection.execute("SELECT model, dim, applied_epoch FROM embeddings ORDER BY model").fetchall()

    assert noted == [("model-a", 256, 2), ("model-b", 8, 1)]
