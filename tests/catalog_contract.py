"""The promises of `mcai.store.base.Catalog` are one set of tests; here is what they run on.

A test class that inherits `CatalogContract` runs every one of its tests once a backend. A new backend is one more line
in `BACKENDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec
import pytest

from mcai import times
from mcai.dataset import intake
from mcai.filters import Filters
from mcai.records import Emotion, Example, NewExample, StoredExample
from mcai.store.base import Catalog, NewRow
from mcai.store.duck import DuckCatalog, rotation

CALM = Emotion("calm", 10.0, 432.0, "alpha", ["Breathe."])


class Backend(Protocol):
    """One kind of catalog, and what its tests need beyond the seam."""

    @property
    def catalog(self) -> Catalog:
        """Empty at the beginning of each test."""

    def archive(self, ids: Sequence[int]) -> None:
        """Put live examples into the archive; nothing of the seam does that yet."""


class _Duck:
    def __init__(self, path: Path | None) -> None:
        self.catalog = DuckCatalog.open(path, [CALM])

    def archive(self, ids: Sequence[int]) -> None:
        archive(self.catalog, ids)


def archive(catalog: DuckCatalog, ids: Sequence[int]) -> None:
    """Put live examples of a DuckDB catalog into its archive, as a rotation does."""
    with catalog.engine.writing("rotate") as transaction:
        sql = "SELECT id, c_epoch FROM examples WHERE d_epoch IS NULL AND list_contains(?::BIGINT[], id)"
        versions = transaction.cursor.execute(sql, [list(ids)]).fetchall()
        rotation.move(transaction, "examples", "examples_archive", versions)


BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "duckdb-in-memory": lambda folder: _Duck(None),
    "duckdb-on-file": lambda folder: _Duck(folder / "catalog.duckdb"),
}


class CatalogContract:
    """Inherit to run on every backend; each test gets an empty one."""

    @pytest.fixture(params=sorted(BACKENDS))
    def backend(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
        backend = BACKENDS[request.param](tmp_path)
        yield backend
        backend.catalog.close()

    @pytest.fixture
    def catalog(self, backend: Backend) -> Catalog:
        return backend.catalog


def row(content: str, response: str | None = "yes", domain: str = "physics", **fields: Any) -> NewRow:
    """Return one example as the store takes it."""
    return intake.check(NewExample(content=content, response=response, domain=domain, **fields))


def numbered(count: int, first: int = 1, **fields: Any) -> list[NewRow]:
    """Return ``count`` rows, all different."""
    return [row(f"question {number}", **fields) for number in range(first, first + count)]


def metadata_of(example: Example) -> Any:
    """Return an example's metadata; the store hands it on as JSON text, never parsed."""
    return msgspec.json.decode(cast("msgspec.Raw", example.metadata))


def edit(catalog: Catalog, example_id: int, new: NewRow) -> StoredExample:
    """Make an example into another one, whatever it was."""
    return catalog.edit(example_id, lambda old: new)


def ids_of(catalog: Catalog, filters: Filters | None = None, *, epoch: int | None = None) -> list[int]:
    """Return the ids that a catalog shows, now or at an older epoch."""
    at = catalog.epoch if epoch is None else epoch
    return [found.id for found in catalog.page(filters or Filters(), after_id=0, limit=100_000, epoch=at)]


def moment(text: str) -> datetime:
    """Read a date that a test knows to be one."""
    found = times.parse(text)
    assert found is not None
    return found
