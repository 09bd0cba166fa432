"""Merging: small segments become big ones, in the background, and nothing is lost on the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mcai.snapshot import merging
from mcai.snapshot.generation import open_current
from mcai.snapshot.merging import FAN, GRAPH_FROM_ROWS, SMALL_ROWS, choose
from mcai.snapshot.store import SnapshotStore
from snapshot_kit import change, examples_of, file_names, ids_of, merge_all, numbered, open_store, row, sizes, vector_of

TESTS_DIR = Path(__file__).resolve().parents[1]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SnapshotStore]:
    store = open_store(tmp_path)
    yield store
    store.close()


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
