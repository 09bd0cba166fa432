"""Damage is reported, never served: flipped bytes and cut files of every kind, and processes that die in between."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mcai.errors import NoSnapshotError, SnapshotDamagedError, SnapshotError
from mcai.filters import Filters
from mcai.records import Example
from mcai.snapshot.generation import open_current
from mcai.snapshot.manifest import POINTER_NAME
from mcai.snapshot.view import View
from snapshot_kit import change, examples_of, file_names, ids_of, numbered, open_store, published, row, vector_of

FLIPS_A_FILE = 40
SEED = 20261123

ROWS = [
    *numbered(40, emotion="Calm", source="/a/b.json#1", content="a row " * 30),
    *numbered(20, first=50, dataset_id=2, frequency_hz=8.0),
    row(90, dataset_id=3, emotion="Joy", metadata='{"k": [1, 2, 3]}'),
]
FILTERS = [
    Filters(),
    Filters(domains=("neuroscience",)),
    Filters(emotion="joy"),
    Filters(frequency_hz=(8, 9)),
    Filters(source="/a"),
]


def answers(view: View) -> tuple[list[list[Example]], list[Example | None], list[tuple[int, float]]]:
    """Ask a view everything that it can be asked."""
    pages = [examples_of(view, filters) for filters in FILTERS]
    found = [view.get(number) for number in range(95)]
    picked = [None if each is None else msgspec.json.decode(each, type=Example) for each in found]
    return pages, picked, view.nearest(vector_of("question 52"), 5)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of two segments, one of them with hidden rows."""
    folder = tmp_path_factory.mktemp("sound")
    store = published(folder, ROWS)
    change(store, [row(4, content="edited"), *numbered(30, first=100)], gone=[4, 5, 60])
    store.publish()
    store.close()
    return folder


def kinds(folder: Path) -> list[str]:
    """Return one file of each kind, by what its name ends with."""
    return sorted({POINTER_NAME if name == POINTER_NAME else name.partition(".")[2] for name in file_names(folder)})


def test_every_kind_of_file_is_damaged_below(sound: Path) -> None:
    """The list of kinds is what lies in the folder: a new kind of file cannot be forgotten."""
    assert kinds(sound) == [POINTER_NAME, "arrow", "codes", "hidden", "json", "sums", "vectors"]


@pytest.mark.parametrize("kind", [POINTER_NAME, "arrow", "codes", "hidden", "json", "sums", "vectors"])
def test_a_flipped_byte_never_gives_a_wrong_row(sound: Path, tmp_path: Path, kind: str) -> None:
    """Whatever byte is flipped: the answers are the right ones, or an error that names the file - whole or cut."""
    expected = answers(open_current(sound).view)
    drawn = random.Random(SEED)
    reported = 0
    for number in range(FLIPS_A_FILE):
        folder = tmp_path / "snapshot"
        shutil.copytree(sound, folder)
        path = drawn.choice(sorted(folder.glob(kind if kind == POINTER_NAME else f"*.{kind}")))
        raw = bytearray(path.read_bytes())
        if number % 6 == 5:
            del raw[drawn.randrange(len(raw)) :]
        else:
            raw[drawn.randrange(len(raw))] ^= 1 << drawn.randrange(8)
        path.write_bytes(raw)

        try:
            view = open_current(folder).view
        except SnapshotDamagedError as error:
            assert str(folder) in error.message
            reported += 1
        else:
            reported += _asked_part_by_part(view, expected, folder)
        shutil.rmtree(folder)
    assert reported > FLIPS_A_FILE // 3, "hardly any damage was met: the test does not look at what it damages"


def _asked_part_by_part(view: View, expected: object, folder: Path) -> bool:
    """Compare what a view still answers; return whether it reported damage."""
    try:
        assert answers(view) == expected
    except SnapshotDamagedError as error:
        assert str(folder) in error.message and "damaged" in error.message
    else:
        return False
    # A block that is bad stays bad, and a block that is good is still served.
    right = {example.id: example for example in expected[0][0]}  # type: ignore[index]
    for number in right:
        try:
            found = view.get(number)
        except SnapshotDamagedError:
            continue
        assert found is not None and msgspec.json.decode(found, type=Example) == right[number]
    return True


def test_the_store_starts_empty_where_the_snapshot_is_damaged(sound: Path, tmp_path: Path) -> None:
    """The daemon says what is damaged and takes in everything anew; readers never go back behind what was in force."""
    folder = tmp_path / "snapshot"
    shutil.copytree(sound, folder)
    (path,) = folder.glob("*.json")
    path.write_bytes(path.read_bytes().replace(b"physics", b"physicz"))

    store = open_store(folder)

    assert (store.view.epoch, store.view.rows, store.published_epoch) == (0, 0, 0)
    assert store.error == f"{path} is damaged"
    change(store, ROWS)
    assert store.publish()
    assert store.error is None and open_current(folder).view.rows == len(ROWS)
    assert file_names(folder) == {POINTER_NAME, *open_current(folder).file_names()}


def test_verify_names_what_is_damaged(sound: Path, tmp_path: Path) -> None:
    """The doctor's check reads every byte again, also of blocks that were good when they were first read."""
    folder = tmp_path / "snapshot"
    shutil.copytree(sound, folder)
    store = open_store(folder)
    assert answers(store.view) and [*store.verify_published(), *store.verify_mapped()] == []

    path = sorted(folder.glob("*.vectors"))[0]
    with path.open("r+b") as file:
        file.write(b"\xff\xff")

    assert [str(path) in told for told in [*store.verify_published(), *store.verify_mapped()]] == [True]


def test_a_damaged_store_starts_over(sound: Path, tmp_path: Path) -> None:
    """After `reset` the rows come anew, and what was in force stays there until the new rows are as far."""
    folder = tmp_path / "snapshot"
    shutil.copytree(sound, folder)
    store = open_store(folder)
    before = open_current(folder)

    store.reset()
    assert store.view.rows == store.view.epoch == 0
    change(store, ROWS)
    assert store.publish()
    assert open_current(folder).manifest_name == before.manifest_name

    change(store, [row(4, content="edited"), *numbered(30, first=100)], gone=[4, 5, 60])
    assert store.publish()
    after = open_current(folder)
    assert answers(after.view) == answers(before.view)
    assert file_names(folder) == {POINTER_NAME, *after.file_names()}


def test_a_snapshot_that_is_ahead_of_the_catalog_is_withdrawn(sound: Path, tmp_path: Path) -> None:
    """Rows that the catalog lost, or never had, are shown to nobody any more."""
    folder = tmp_path / "snapshot"
    shutil.copytree(sound, folder)
    store = open_store(folder)

    store.reset(withdraw=True)

    with pytest.raises(NoSnapshotError):
        open_current(folder)
    change(store, ROWS[:5])
    assert store.publish() and not store.publish()
    assert ids_of(open_current(folder).view) == [1, 2, 3, 4, 5]


# A child that takes in five changes, publishes each and merges; it says how far it is published.


def test_a_damaged_graph_is_passed_over(tmp_path: Path) -> None:
    """A graph that is not what was built is never mapped: searches scan instead, and `info` says why."""
    from mcai.snapshot.graph import file_hash, library
    from mcai.snapshot.manifest import GraphFacts

    store = published(tmp_path, ROWS)
    segment_name = store.view.layers[0].segment.name
    assert segment_name is not None
    path = tmp_path / "000000000001-00000000.graph"
    path.write_bytes(b"no graph at all")
    told = GraphFacts(path.name, 15, "0" * 64, len(ROWS), 1.0, 16, library())
    assert file_hash(path) != told.hash
    before = store.view.nearest(vector_of("question 52"), 5)

    assert not store.attach_graph(segment_name, told)

    assert not path.exists() and store.info().graph.state == "none"
    assert store.view.nearest(vector_of("question 52"), 5) == before
    assert not store.attach_graph("gone", told)


def test_a_reader_that_cannot_keep_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that changes under every attempt to open it ends in an error, not in an endless loop."""
    store = published(tmp_path, numbered(30))

    def overtaken(*args: object) -> None:
        change(store, numbered(1, first=store.view.epoch + 100))
        store.publish()
        raise FileNotFoundError(2, "No such file", "gone")

    monkeypatch.setattr("mcai.snapshot.generation.read_manifest", overtaken)

    with pytest.raises(SnapshotError, match="changes faster than it can be opened"):
        open_current(tmp_path)


def test_vectors_are_checked_where_they_are_used(sound: Path, tmp_path: Path) -> None:
    """A damaged vector cannot give a wrong order: a search that looks at it fails, pages do not notice."""
    folder = tmp_path / "snapshot"
    shutil.copytree(sound, folder)
    path = sorted(folder.glob("*.vectors"))[0]
    matrix = np.fromfile(path, "<f4")
    matrix[:8] = vector_of("question 52")
    matrix.tofile(path)
    view = open_current(folder).view

    assert len(ids_of(view)) == len(ids_of(open_current(sound).view))
    with pytest.raises(SnapshotDamagedError, match=path.name):
        view.nearest(vector_of("question 52"), 100)
