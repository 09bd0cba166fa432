"""The snapshot against the catalog that it follows: the same rows, the same bytes, the same meaning of every filter."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pytest

from catalog_contract import archive, edit, moment, numbered, row
from mcai.filters import Filters
from mcai.snapshot.match import fold
from mcai.snapshot.store import SnapshotStore
from mcai.store.duck import DuckCatalog

ROWS = [
    row("1 bare"),
    row("2", emotion="Calm", frequency_hz=8.0, created_at="2025-10-17", source="/data/a/b.json#1"),
    row("3", emotion="calm", frequency_hz=13.0, created_at="2025-10-17T00:00:00.000001Z", source="/data/a#7"),
    row("4", emotion="CALMNESS", frequency_hz=13.1, created_at="1969-12-31T23:59:59.5Z", source="/data/ab.json#1"),
    row("5", domain="Physics", frequency_hz=0.0, source="/data/a/deep/er.txt#2", metadata={"a": {"b": [1, 2.5, None]}}),
    row("6", domain="neuroscience", metadata={"frequency_range": [4, 8]}, source="-#1"),
    row("7", domain="neuroscience", metadata={"frequency_range": [30, 13]}, emotion="Ärger", source="/data/a/B.json#1"),
    row("8", domain="neuroscience", created_at="2025-10-17T02:00:00+02:00", response=None),
    row("9 %_'", domain="o'brien", source="/da%_a/x.json#1", emotion="o'clock", response=""),
    row('10 "quoted"\n\\ ☕ 𝄞', domain="o'brien", source="/data/a/", frequency_hz=1e-7, emotion="İSTANBUL ΣΑΣ"),
]
FILTERS = [
    Filters(),
    *(Filters(domains=names) for names in [("physics",), ("Physics", "o'brien"), ("phys",), ("nowhere", "physics")]),
    *(Filters(emotion=name) for name in ["calm", "CALM", "ärger", "", "cal%", "istanbul σας", "İstanbul σασ"]),
    *(Filters(frequency_hz=ends) for ends in [(8, 13), (13, 13), (8.1, 12.9), (-math.inf, 4), (-math.inf, math.inf)]),
    *(Filters(since=moment(text)) for text in ["2025-10-17", "2025-10-17T00:00:00.000001Z", "1960-01-01"]),
    *(Filters(until=moment(text)) for text in ["2025-10-17", "2025-10-17T00:00:00.000001Z", "1970-01-01"]),
    *(Filters(source=path) for path in ["/data/a", "/data/a/", "/data/a/b.json", "/data/a/b", "/", "-", "", "/da%_a"]),
    Filters(domains=("neuroscience", "physics"), emotion="calm", source="/data", since=moment("2025-01-01")),
]


@pytest.fixture
def catalog() -> Iterator[DuckCatalog]:
    catalog = DuckCatalog.open(None)
    yield catalog
    catalog.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SnapshotStore]:
    store = SnapshotStore.open(tmp_path / "snapshot", model="test", dim=2, timeline="first")
    yield store
    store.close()


def follow(store: SnapshotStore, catalog: DuckCatalog, limit_rows: int = 1_000_000) -> None:
    """Let a store take in all that happened since it last did."""
    while store.view.epoch < catalog.epoch:
        change = catalog.changes(store.view.epoch, limit_rows)
        store.apply(change.upto, change.gone, change.rows, np.zeros((len(change.rows), 2), np.float32), change.domains)


def assert_equal(store: SnapshotStore, catalog: DuckCatalog) -> None:
    """Compare all pages, for all filters, byte by byte."""
    assert store.view.epoch == catalog.epoch
    for filters in FILTERS:
        after_id, more = 0, True
        while more:
            page = store.view.page(filters, after_id, 4)
            expected = catalog.page(filters, after_id=after_id, limit=5, epoch=catalog.epoch)
            assert b"[" + page.json + b"]" == msgspec.json.encode(expected[:4]), filters
            assert page.more == (len(expected) > 4), filters
            after_id, more = page.last_id, page.more
        assert store.view.count(filters) == catalog.count_matching(filters, epoch=catalog.epoch)


def test_pages_are_those_of_the_catalog(store: SnapshotStore, catalog: DuckCatalog) -> None:
    """From the tail and from the files, before and after merging, every page has the bytes that the catalog gives."""
    catalog.add(ROWS)
    follow(store, catalog)
    assert_equal(store, catalog)

    store.publish()
    assert_equal(store, catalog)

    for number in (2, 5, 9):
        edit(catalog, number, row(f"{number} edited", domain="physics", emotion="calm", source="/data/a/b.json#1"))
    catalog.delete([3, 10])
    archive(catalog, [1])
    catalog.add(numbered(20, domain="neuroscience"))
    follow(store, catalog)
    store.publish()
    assert_equal(store, catalog)

    while store.merge():
        pass
    assert_equal(store, catalog)


def test_an_archived_row_is_gone_and_a_restored_one_is_back(store: SnapshotStore, catalog: DuckCatalog) -> None:
    """A row that left for the archive, and came back with its old id behind newer ones, is shown in its old place."""
    catalog.add(numbered(9))
    follow(store, catalog)
    store.publish()
    archive(catalog, [4, 5])
    follow(store, catalog)
    assert store.view.get(4) is None
    assert_equal(store, catalog)

    catalog.add(numbered(3, first=20))
    catalog.restore_archived([4], Filters())
    follow(store, catalog)
    assert store.view.get(4) is not None
    assert_equal(store, catalog)


def test_steps_of_any_size_lead_to_the_same_rows(store: SnapshotStore, catalog: DuckCatalog) -> None:
    """Whether epochs are followed one by one or many at once, the rows are the same."""
    for number in range(6):
        catalog.add(numbered(3, first=3 * number))
        catalog.delete([3 * number + 1])
    follow(store, catalog, limit_rows=1)
    assert_equal(store, catalog)


def test_every_character_is_lower_cased_as_the_catalog_does() -> None:
    """The emotion filter compares what `fold` makes of both sides, and DuckDB what its lower() makes: one meaning."""
    signs = [chr(number) for number in range(1, sys.maxunicode + 1) if not 0xD800 <= number < 0xE000]
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT lower(sign) FROM (SELECT unnest(?::VARCHAR[]) AS sign)", [signs]).fetchall()

    differing = [sign for sign, (lowered,) in zip(signs, rows, strict=True) if fold(sign) != lowered]

    assert differing == []
