"""The snapshot's writer: what it publishes and when, what a merge costs, and what forgetting leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcai.snapshot import graph, merging
from mcai.snapshot.generation import open_current
from mcai.snapshot.store import SnapshotStore
from snapshot_kit import change, examples_of, file_names, ids_of, merge_all, numbered, open_store, row, sizes, vector_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SnapshotStore]:
    store = open_store(tmp_path)
    yield store
    store.close()


def test_a_change_shows_at_once_and_is_published_later(store: SnapshotStore, tmp_path: Path) -> None:
    """The daemon reads its own writes from memory; other processes see them with the next publication."""
    change(store, numbered(3))
    store.publish()
    epoch = change(store, [row(9), row(2, content="edited")], gone=[1])

    assert [example.content for example in examples_of(store.view)] == ["edited", "question 3", "question 9"]
    assert (store.view.epoch, store.published_epoch, store.tail_rows) == (epoch, epoch - 1, 2)
    assert ids_of(open_current(tmp_path).view) == [1, 2, 3]

    assert store.publish()

    assert (store.published_epoch, store.tail_rows) == (epoch, 0)
    assert examples_of(open_current(tmp_path).view) == examples_of(store.view)
    assert not store.publish()


def test_a_view_never_changes(store: SnapshotStore) -> None:
    """A reader that holds a view sees its epoch to the end, whatever is written, published, merged meanwhile."""
    change(store, numbered(8))
    store.publish()
    change(store, [row(20)])
    views = [(store.view, ids_of(store.view))]
    for number in range(8):
        change(store, [row(30 + number), row(2, content=f"edit {number}")], gone=[number])
        store.publish()
        views.append((store.view, ids_of(store.view)))
        merge_all(store)

    for view, shown in views:
        assert ids_of(view) == shown


def test_a_row_of_an_older_epoch_may_come_again(store: SnapshotStore) -> None:
    """A change that is applied twice, as after a crash, is there once."""
    change(store, numbered(5), upto=1)
    change(store, numbered(5), upto=1)
    store.publish()
    change(store, numbered(5), upto=1)

    assert ids_of(store.view) == [1, 2, 3, 4, 5] and store.view.epoch == 1


def test_forgotten_rows_are_in_no_file(store: SnapshotStore, tmp_path: Path) -> None:
    """Every version of a forgotten row is gone from the files, from memory and from the parts that were never shown."""
    change(store, [*numbered(6), row(7, content="SECRET first version")])
    store.publish()
    change(store, [row(7, content="SECRET second version")])
    store.publish()
    change(store, numbered(3, first=20), gone=[7])
    assert any(b"SECRET" in path.read_bytes() for path in tmp_path.iterdir())

    assert store.rewrite_without([7, 99]) == 2

    assert not any(b"SECRET" in path.read_bytes() for path in tmp_path.iterdir())
    assert ids_of(open_current(tmp_path).view) == [1, 2, 3, 4, 5, 6, 20, 21, 22]
    assert store.tail_rows == 0
    assert store.rewrite_without([7]) == 0


def test_forgetting_a_row_that_still_shows_takes_it_away(store: SnapshotStore) -> None:
    """It need not have been deleted before."""
    change(store, numbered(4))
    store.publish()
    change(store, numbered(2, first=10))

    store.rewrite_without([2, 10])

    assert ids_of(store.view) == [1, 3, 4, 11]


def test_info_tells_how_it_is(store: SnapshotStore, tmp_path: Path) -> None:
    """What `mcai status` shows is what is there."""
    change(store, numbered(4))
    store.publish()
    change(store, numbered(2, first=10), gone=[1])

    info = store.info()

    assert (info.epoch, info.view_epoch, info.rows, info.segments, info.tail_rows) == (1, 2, 5, 1, 2)
    assert info.error is None and info.graph.state == "none"
    sizes_bytes = [
        path.stat().st_size for path in tmp_path.iterdir() if path.suffix in (".arrow", ".vectors", ".codes")
    ]
    assert info.bytes == sum(sizes_bytes)


def test_an_epoch_without_rows_is_published_too(store: SnapshotStore, tmp_path: Path) -> None:
    """A reader that asks for an epoch which changed no row is not kept waiting."""
    change(store, numbered(2))
    store.publish()
    epoch = change(store)

    assert store.publish()
    assert open_current(tmp_path).view.epoch == epoch and sizes(store) == [2]


def test_what_has_no_graph_is_gathered_for_one(store: SnapshotStore) -> None:
    """Few segments of any size become one before it gets a graph; hardly anything beside it is left where it is."""
    for first, rows in ((0, 300), (300, 20), (320, 5)):
        change(store, numbered(rows, first + 1))
        store.publish()
    assert sizes(store) == [5, 20, 300] and not store.merge()
    assert store.gather() and store.gather()
    while store.merge():
        pass
    assert sizes(store) == [325] and not store.gather()
    change(store, numbered(5, 326))
    store.publish()
    assert sizes(store) == [5, 325] and not store.gather()


def test_a_graph_is_attached_used_and_found_again(
    store: SnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph that is ready is part of the generation: it is there at the next start, and finds what a scan finds."""
    monkeypatch.setattr(merging, "GRAPH_FROM_ROWS", 100)
    monkeypatch.setattr(graph.Graph, "pays", lambda self, limit: True)
    change(store, numbered(400))
    store.publish()
    due = store.graph_due()
    assert due is not None and due.rows == 400
    queries = [vector_of(f"query {number}") for number in range(20)]
    scanned = [store.view.nearest(query, 5) for query in queries]

    told = asyncio.run(graph.build(due.vectors_path, due.rows, due.dim, due.out_path))
    assert store.attach_graph(due.segment_name, told)

    assert store.graph_due() is None and store.info().graph.state == "ready"
    again = open_store(tmp_path)
    assert again.info().graph.state == "none"
    again.load_graphs()
    assert again.info().graph.rows == 400
    for each in (store, again):
        found = [each.view.nearest(query, 5) for query in queries]
        assert sum(len({*a} & {*b}) for a, b in zip(found, scanned, strict=True)) >= 98
    best = scanned[0][0][0]
    change(again, gone=[best])
    assert best not in {each for each, _ in again.view.nearest(queries[0], 300)}
    assert due.out_path.name in file_names(tmp_path)
