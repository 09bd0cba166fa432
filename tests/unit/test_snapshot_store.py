"""The snapshot's writer: what it publishes and when, what a merge costs, and what forgetting leaves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mcai.snapshot import graph, merging
from mcai.snapshot.generation import open_current
from mcai.snapshot.merging import FAN, GRAPH_FROM_ROWS, SMALL_ROWS, choose
from mcai.snapshot.store import SnapshotStore
from snapshot_kit import (
    change,
    examples_of,
    file_names,
    ids_of,
    merge_all,
    numbered,
    open_store,
    row,
    vector_of,
)

TESTS_DIR = Path(__file__).resolve().parents[1]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SnapshotStore]:
    store = open_store(tmp_path)
    yield store
    store.close()


def sizes(store: SnapshotStore) -> list[int]:
    """Return how many rows each segment has, hidden ones too."""
    return sorted(layer.segment.rows for layer in store.view.layers)


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


def test_one_row_is_never_worth_a_full_rewrite(store: SnapshotStore, tmp_path: Path) -> None:
    """Rows that are added one by one beside a big segment leave its files as they are, and few segments remain."""
    change(store, numbered(SMALL_ROWS * FAN))
    store.publish()
    (big,) = tmp_path.glob("*.arrow")
    written_rows = 0
    for number in range(30):
        before = {layer.segment.name for layer in store.view.layers}
        change(store, [row(10_000 + number)])
        store.publish()
        merge_all(store)
        written_rows += sum(layer.segment.rows for layer in store.view.layers if layer.segment.name not in before)
        assert len(store.view.layers) <= 1 + FAN

    assert big.exists()
    assert written_rows < 30 * 30
    assert ids_of(store.view)[-30:] == [10_000 + number for number in range(30)]


def test_a_hollow_segment_is_written_anew(store: SnapshotStore, tmp_path: Path) -> None:
    """When a quarter of a segment is hidden, its rows are copied to one without, so files do not outgrow what shows."""
    change(store, numbered(2_000))
    store.publish()
    change(store, gone=list(range(1, 500)))
    store.publish()
    assert merge_all(store) == 0 and sizes(store) == [2_000]

    change(store, gone=[500])
    store.publish()

    assert merge_all(store) > 0
    assert sizes(store) == [1_500] and not list(tmp_path.glob("*.hidden"))
    assert ids_of(open_current(tmp_path).view) == list(range(501, 2_001))


def test_a_segment_of_which_nothing_shows_is_dropped(store: SnapshotStore, tmp_path: Path) -> None:
    """The last row's deletion leaves no segment behind."""
    change(store, numbered(5))
    store.publish()
    change(store, gone=[1, 2, 3, 4, 5])
    store.publish()

    assert sizes(store) == [] and open_current(tmp_path).view.rows == 0
    assert not list(tmp_path.glob("*.arrow"))


def test_others_write_while_a_merge_goes_on(
    store: SnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is deleted, edited and published between the steps of a merge holds after it, and vectors come along."""
    monkeypatch.setattr("mcai.snapshot.rows.CHUNK_ROWS", 8)
    monkeypatch.setattr(merging, "STEP_S", 0.0)
    for number in range(FAN):
        change(store, numbered(20, first=1 + number, content=f"part {number}")[::FAN])
        store.publish()
    live = set(ids_of(store.view))
    for step in range(40):
        assert store.merge() or step > 10
        gone, edited, added = sorted(live)[step % len(live)], max(live), 1_000 + step
        change(store, [row(edited, content="edited"), row(added)], gone=[gone])
        live = (live - {gone}) | {edited, added}
        if step % 3 == 0:
            store.publish()
        assert set(ids_of(store.view)) == live
    merge_all(store)
    store.publish()

    assert set(ids_of(open_current(tmp_path).view)) == live
    edited_rows = {example.id for example in examples_of(store.view) if example.content == "edited"}
    nearest = store.view.nearest(vector_of("edited"), len(edited_rows))
    assert {each for each, _ in nearest} == edited_rows


def test_merging_keeps_every_vector(store: SnapshotStore) -> None:
    """Nothing is embedded again: after a merge each row is nearest to its own vector."""
    for number in range(FAN):
        change(store, numbered(10, first=1 + 10 * number))
        store.publish()
    merge_all(store)

    assert sizes(store) == [10 * FAN]
    for number in range(1, 10 * FAN + 1, 7):
        ((found, similarity),) = store.view.nearest(vector_of(f"question {number}"), 1)
        assert found == number and similarity == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([5], []),
        ([1] * (FAN - 1), []),
        ([1] * FAN, [1] * FAN),
        ([SMALL_ROWS * FAN**3] + [1] * (FAN - 1), []),
        ([SMALL_ROWS * FAN**3, 1, 1, SMALL_ROWS, 7], [1, 1, SMALL_ROWS, 7]),
        ([SMALL_ROWS + 1] * FAN + [1] * FAN, [1] * FAN),
        (
            [GRAPH_FROM_ROWS * 3, GRAPH_FROM_ROWS, GRAPH_FROM_ROWS // 2],
            [GRAPH_FROM_ROWS * 3, GRAPH_FROM_ROWS, GRAPH_FROM_ROWS // 2],
        ),
        ([GRAPH_FROM_ROWS * 4, GRAPH_FROM_ROWS], []),
        ([GRAPH_FROM_ROWS * 4, GRAPH_FROM_ROWS - 1, 2], [GRAPH_FROM_ROWS - 1, 2]),
    ],
)
def test_segments_of_like_size_are_merged(rows: list[int], expected: list[int]) -> None:
    """Small ones first, a big one only with others that are as big; what is left to scan, or to visit, stays little."""

    class Sized:
        def __init__(self, rows: int) -> None:
            self.rows = self.segment_rows = rows
            self.hidden: list[int] = []
            self.segment = self

    assert [layer.rows for layer in choose([Sized(each) for each in rows])] == expected  # type: ignore[misc]


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


def test_forgetting_stops_a_merge(store: SnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge that has the forgotten row in its hands is given up, its half-written files are deleted."""
    monkeypatch.setattr("mcai.snapshot.rows.CHUNK_ROWS", 1)
    monkeypatch.setattr(merging, "STEP_S", 0.0)
    for number in range(FAN):
        change(store, [row(number + 1, content="SECRET" if number == 0 else "plain")])
        store.publish()
    for _ in range(3 * FAN - 2):
        store.merge()
    assert sum(b"SECRET" in path.read_bytes() for path in tmp_path.glob("*.arrow")) == 2

    change(store, gone=[1])
    store.rewrite_without([1])
    assert not any(b"SECRET" in path.read_bytes() for path in tmp_path.iterdir())
    merge_all(store)

    opened = open_current(tmp_path)
    assert ids_of(opened.view) == [2, 3, 4]
    assert file_names(tmp_path) == {"CURRENT", *opened.file_names()}


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


def test_merging_a_big_segment_takes_little_memory(tmp_path: Path) -> None:
    """The rows of a merge pass through memory in small parts: its peak does not grow with the segments."""
    code = (
        "import sys; from pathlib import Path; from snapshot_kit import *; from mcai.snapshot import merging\n"
        "def peak(): return int(Path('/proc/self/status').read_text().split('RssAnon:')[1].split()[0]) >> 10\n"
        "store = open_store(Path(sys.argv[1])); merging.FAN = 99\n"
        "for number in range(3):\n"
        "    change(store, numbered(3_000, first=1 + 3_000 * number, content='x' * 10_000)); store.publish()\n"
        "merging.FAN, merging.STEP_S, begun, highest = 3, 0.0, peak(), 0\n"
        "while store.merge(): highest = max(highest, peak())\n"
        "assert len(store.view.layers) == 1 and store.view.rows == 9_000\n"
        "print(highest - begun)\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(TESTS_DIR)},
    )

    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 40, "MiB; the segments have 90 MB of text"


def test_a_filter_on_a_hollow_view_skips_what_is_hidden(store: SnapshotStore) -> None:
    """Long runs of hidden rows between two that show cost no page its rows."""
    change(store, numbered(3_000))
    store.publish()
    change(store, gone=[each for each in range(1, 3_001) if each % 700])
    shown = ids_of(store.view)

    assert shown == [700, 1_400, 2_100, 2_800]
    assert [layer.rows for layer in store.view.layers] == [4]
    assert store.view.nearest(vector_of("question 5"), 3)[0][0] in shown
    assert np.all(np.diff(shown) == 700)
