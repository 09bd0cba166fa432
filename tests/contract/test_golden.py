"""Homes that earlier versions wrote are opened, brought up to date, and say what they said."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mcai.filters import Filters
from mcai.paths import Home
from mcai.store import backup
from mcai.store.base import CopyFacts, Key
from mcai.store.duck import recovery
from mcai.store.duck.connection import SCHEMA_VERSION
from mcai.upkeep import bases
from mcai.upkeep.restore import restore

GOLDEN_DIR = Path(__file__).parent.parent / "golden"
VERSIONS = range(1, SCHEMA_VERSION)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def _golden(home: Home, version: int) -> dict[str, Any]:
    home.catalog_path.write_bytes(lzma.decompress((GOLDEN_DIR / f"schema-{version}.duckdb.xz").read_bytes()))
    expected: dict[str, Any] = json.loads((GOLDEN_DIR / f"schema-{version}.json").read_text("utf-8"))
    return expected


@pytest.mark.parametrize("version", VERSIONS)
def test_golden_home_is_brought_up_to_date(home: Home, version: int) -> None:
    """Rows, old versions, the log and idempotency keys of an older schema are all there; a copy of it lies beside."""
    expected = _golden(home, version)

    opened = recovery.open_catalog(home, [])
    catalog = opened.catalog
    rows = catalog.page(Filters(), after_id=0, limit=1_000, epoch=catalog.epoch)

    assert msgspec.json.decode(msgspec.json.encode(rows)) == expected["examples"]
    assert catalog.epoch == expected["epoch"] and catalog.engine.meta("schema_version") == str(SCHEMA_VERSION)
    assert [entry.op for entry in catalog.log(None, before=99, limit=9)] == ["delete", "edit", "add", "add"]
    assert catalog.rollback(2, None).restored == 2
    assert catalog.add([], key=Key("first", b"x" * 16)).imported == 7
    assert not bases.look(home, catalog.engine.timeline, catalog.epoch).repairable and opened.recovery is None
    assert (home.dir / f"catalog.before-{SCHEMA_VERSION}.duckdb").exists()
    catalog.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_backup_of_an_older_schema_can_be_restored(home: Home, tmp_path: Path, version: int) -> None:
    """What its manifest says is compared, but not the schema: the restored home has today's."""
    folder = Home(tmp_path / "backup")
    folder.dir.mkdir()
    expected = _golden(folder, version)
    told = CopyFacts(expected["epoch"], len(expected["examples"]), "", b"", version)
    backup.seal(folder.dir, told)

    done = restore(home, folder.dir, tell=lambda _: None)

    assert (done.epoch, done.rows) == (told.epoch, told.rows)
    catalog = recovery.open_catalog(home, []).catalog
    rows = catalog.page(Filters(), after_id=0, limit=1_000, epoch=catalog.epoch)
    assert msgspec.json.decode(msgspec.json.encode(rows)) == expected["examples"]
    assert catalog.engine.meta("schema_version") == str(SCHEMA_VERSION)
    catalog.close()


def test_every_older_schema_has_a_golden_home() -> None:
    """A step of the schema is not released without a home of the one before it."""
    assert [(GOLDEN_DIR / f"schema-{version}.duckdb.xz").exists() for version in VERSIONS] == [True] * len(VERSIONS)
