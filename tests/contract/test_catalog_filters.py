"""Filters: what each kind matches. A row without the value never matches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields

import pytest

from catalog_contract import BACKENDS, ids_of, moment, row
from mcai.filters import Filters
from mcai.store.base import Catalog

ROWS = [
    row("1 bare"),
    row("2", emotion="Calm", frequency_hz=8.0, created_at="2025-10-17", source="/data/a/b.json#1"),
    row("3", emotion="calm", frequency_hz=13.0, created_at="2025-10-17T00:00:00.000001Z", source="/data/a#7"),
    row("4", emotion="CALMNESS", frequency_hz=13.1, created_at="2025-10-18", source="/data/ab.json#1"),
    row("5", domain="Physics", frequency_hz=0.0, source="/data/a/deep/er.txt#2"),
    row("6", domain="neuroscience", metadata={"frequency_range": [4, 8]}, source="-#1"),
    row("7", domain="neuroscience", metadata={"frequency_range": [30, 13]}, emotion="Ärger", source="/data/a/B.json#1"),
    row("8", domain="neuroscience", metadata={"frequency_range": ["8", "13"]}, created_at="2025-10-17T02:00:00+02:00"),
    row("9 %_'", domain="o'brien", source="/da%_a/x.json#1", emotion="o'clock"),
]


def _told(value: object) -> str:
    """Name a case by the filters that are set."""
    if not isinstance(value, Filters):
        return str(value)
    chosen = {field.name: getattr(value, field.name) for field in fields(value)}
    return " ".join(f"{name}={given}" for name, given in chosen.items() if given) or "none"


@pytest.fixture(params=sorted(BACKENDS), scope="module")
def catalog(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """The nine rows, which no test changes."""
    catalog = BACKENDS[request.param](tmp_path_factory.mktemp("shared")).catalog
    catalog.add(ROWS)
    yield catalog
    catalog.close()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Filters(domains=("physics",)), [1, 2, 3, 4]),
        (Filters(domains=("Physics", "neuroscience")), [5, 6, 7, 8]),
        (Filters(domains=("o'brien",)), [9]),
        (Filters(domains=("phys",)), []),
        (Filters(domains=("nowhere",)), []),
        (Filters(domains=("nowhere", "physics")), [1, 2, 3, 4]),
        (Filters(emotion="calm"), [2, 3]),
        (Filters(emotion="CALM"), [2, 3]),
        (Filters(emotion="ärger"), [7]),
        (Filters(emotion="o'clock"), [9]),
        (Filters(emotion=""), []),
        (Filters(emotion="cal%"), []),
        (Filters(frequency_hz=(8, 13)), [2, 3, 6, 7]),
        (Filters(frequency_hz=(13, 13)), [3, 7]),
        (Filters(frequency_hz=(8.1, 12.9)), []),
        (Filters(frequency_hz=(-math.inf, 4)), [5, 6]),
        (Filters(frequency_hz=(13.05, math.inf)), [4, 7]),
        (Filters(frequency_hz=(-math.inf, math.inf)), [2, 3, 4, 5, 6, 7]),
        (Filters(since=moment("2025-10-17")), [2, 3, 4, 8]),
        (Filters(since=moment("2025-10-17T00:00:00.000001Z")), [3, 4]),
        (Filters(until=moment("2025-10-17")), []),
        (Filters(until=moment("2025-10-17T00:00:00.000001Z")), [2, 8]),
        (Filters(since=moment("2025-10-17"), until=moment("2025-10-18")), [2, 3, 8]),
        (Filters(source="/data/a"), [2, 3, 5, 7]),
        (Filters(source="/data/a/"), [2, 3, 5, 7]),
        (Filters(source="/data/a/b.json"), [2]),
        (Filters(source="/data/a/b.json#1"), [2]),
        (Filters(source="/data/a/b"), []),
        (Filters(source="/data"), [2, 3, 4, 5, 7]),
        (Filters(source="/"), [2, 3, 4, 5, 7, 9]),
        (Filters(source="-"), [6]),
        (Filters(source="/da%_a"), [9]),
        (Filters(source="/data_a"), []),
        (Filters(domains=("physics",), emotion="calm", frequency_hz=(13, 14), source="/data"), [3]),
    ],
    ids=_told,
)
def test_filter_matches(catalog: Catalog, filters: Filters, expected: list[int]) -> None:
    """Pages, picks and counts use the same filter, and none matches a row without the value."""
    assert ids_of(catalog, filters) == expected
    assert sorted(catalog.pick(range(1, 10), filters, epoch=1)) == expected
    assert catalog.count_matching(filters, epoch=1) == len(expected)


def test_pick_keeps_to_the_ids_that_are_asked_for(catalog: Catalog) -> None:
    """Repeated and unknown ids are no harm."""
    found = catalog.pick([9, 3, 3, 77, -1], Filters(), epoch=1)

    assert {example_id: example.id for example_id, example in found.items()} == {3: 3, 9: 9}
    assert catalog.pick([], Filters(), epoch=1) == {}
