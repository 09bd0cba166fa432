"""What a program passes to a mapped snapshot, and where it goes while there is none to map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mcai.client import Client, lifecycle
from mcai.errors import DimensionMismatchError, IndexUnavailableError, InvalidRequestError, NoSnapshotError
from mcai.paths import Home
from mcai.snapshot import Snapshot, open_snapshot, reader
from snapshot_kit import DIM, change, numbered, open_store


@pytest.fixture
def snapshot(tmp_path: Path) -> Iterator[Snapshot]:
    store = open_store(Home(tmp_path).snapshot_dir)
    change(store, numbered(20))
    store.publish()
    with open_snapshot(home=tmp_path) as snapshot:
        yield snapshot
    store.close()


@pytest.mark.parametrize("limit", ["a", 1.5, True, None])
def test_a_limit_is_a_whole_number(snapshot: Snapshot, limit: Any) -> None:
    """A page and a search name the argument."""
    for read in (lambda: snapshot.page(limit=limit), lambda: snapshot.search([1.0] * DIM, limit=limit)):
        with pytest.raises(InvalidRequestError, match="limit is a whole number"):
            read()


@pytest.mark.parametrize("example_id", ["1", 1.5, True, None])
def test_an_id_is_a_whole_number(snapshot: Snapshot, example_id: Any) -> None:
    """True is not the first example."""
    with pytest.raises(InvalidRequestError, match="an id is a whole number"):
        snapshot.get(example_id)


@pytest.mark.parametrize("chosen", [{"cursor": 5}, {"domain": 5}, {"since": 5}, {"source": b"x"}], ids=str)
def test_another_argument_of_another_type_is_named(snapshot: Snapshot, chosen: dict[str, Any]) -> None:
    """No error from deep inside."""
    with pytest.raises(InvalidRequestError, match=f"^{next(iter(chosen))} is "):
        snapshot.page(**chosen)


@pytest.mark.parametrize(
    "vector",
    [
        *(None, 5, b"x", {}.values(), [["x"]], [object()] * DIM, [True] * DIM, [1j] * DIM, np.array(["x"] * DIM)),
        *(np.zeros((1, DIM)), np.zeros((DIM, DIM)), np.zeros(DIM, np.complex64), np.zeros(DIM, bool), np.zeros(())),
        np.zeros(DIM, "M8[s]"),
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_a_vector_of_another_type_or_shape_is_refused(snapshot: Snapshot, vector: Any) -> None:
    """As an error of mcai that says what is wrong."""
    with pytest.raises((InvalidRequestError, DimensionMismatchError), match="vector"):
        snapshot.search(vector)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int8, np.uint64, list, tuple, iter])
def test_a_vector_may_be_any_sequence_of_numbers(snapshot: Snapshot, kind: Any) -> None:
    """Arrays of every kind of number, lists, and what is read only once."""
    vector = kind([1] * DIM) if kind in (list, tuple, iter) else np.ones(DIM, kind)
    assert len(snapshot.search(vector, limit=3).hits) == 3


def test_search_refuses_what_is_no_query(snapshot: Snapshot) -> None:
    """Blank texts, vectors of another length and values that are no numbers are errors, not odd hits."""
    with pytest.raises(DimensionMismatchError, match="the vector has 3 numbers, the snapshot's have 8"):
        snapshot.search([1.0, 2.0, 3.0])
    for asked in ([math.nan] * DIM, [math.inf] * DIM, ["a"] * DIM, None):
        with pytest.raises(InvalidRequestError, match="numbers"):
            snapshot.search(asked)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="blank"):
        snapshot.search(" ")
    with pytest.raises(IndexUnavailableError, match="made with test/8, the settings name wordllama"):
        snapshot.search("words")


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "running", lambda home: lifecycle.Owner(1, "", ""))
    monkeypatch.setattr(reader, "PUBLISH_WAIT_S", 0.2)


def test_without_a_snapshot_a_running_daemon_is_asked(
    tmp_path: Path, running: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after a restore: reads go over the socket, counted, until `refresh` finds files."""
    monkeypatch.setattr(Client, "status", lambda self: SimpleNamespace(epoch=9))

    with open_snapshot(home=tmp_path) as snapshot:
        assert snapshot.epoch == 9 and snapshot.fallbacks == 1
        store = open_store(Home(tmp_path).snapshot_dir)
        change(store, numbered(3))
        store.publish()
        assert snapshot.refresh() == 1 and len(snapshot.page().examples) == 3 and snapshot.fallbacks == 1
        store.close()


def test_a_snapshot_that_comes_a_moment_later_is_mapped(
    tmp_path: Path, running: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens it while the daemon publishes gets the files, not the socket."""
    store = open_store(Home(tmp_path).snapshot_dir)
    change(store, numbered(3))
    monkeypatch.setattr(reader, "PUBLISH_WAIT_S", 60.0)
    monkeypatch.setattr("time.sleep", lambda _: store.publish())

    with open_snapshot(home=tmp_path) as snapshot:
        assert len(snapshot.page().examples) == 3 and snapshot.fallbacks == 0
    store.close()


def test_without_snapshot_and_daemon_nothing_is_started(tmp_path: Path) -> None:
    """Who only reads starts no daemon: the error says what would."""
    with pytest.raises(NoSnapshotError) as caught:
        open_snapshot(home=tmp_path)
    assert "mcai daemon start" in caught.value.hint and list(tmp_path.iterdir()) == []
