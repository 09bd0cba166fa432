"""The publisher follows the catalog into the snapshot, publishes soon, and mends a snapshot that turns out damaged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from catalog_contract import edit, numbered, row
from mcai.dataset import publisher as publisher_module
from mcai.dataset.publisher import Publisher
from mcai.embed import Embedder
from mcai.errors import SnapshotDamagedError, SnapshotError
from mcai.filters import Filters
from mcai.snapshot import graph
from mcai.snapshot.store import SnapshotStore
from mcai.store.duck import DuckCatalog

SOON_S = 20.0
DIM = 4


class _Embedder:
    """Gives each text a vector of its own, and counts."""

    model, dim, quick_characters = "counting", DIM, 0

    def __init__(self) -> None:
        self.embedded = 0

    def embed(self, texts: list[str]) -> Any:
        self.embedded += len(texts)
        vectors = np.array([[len(text), 1, 0, 0] for text in texts], np.float32).reshape(-1, DIM)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


Scene = Callable[[Publisher, DuckCatalog, _Embedder], Awaitable[None]]


def _play(folder: Path, scene: Scene) -> None:
    """Run a scene beside a running publisher."""

    async def run() -> None:
        catalog, embedder = DuckCatalog.open(None), _Embedder()

        def open_store() -> SnapshotStore:
            return SnapshotStore.open(folder / "snapshot", model="counting", dim=DIM, timeline=catalog.timeline)

        publisher = Publisher(catalog, cast(Embedder, embedder), open_store)
        task = asyncio.create_task(publisher.run())
        try:
            await scene(publisher, catalog, embedder)
            assert not task.done(), "the publisher died"
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await asyncio.to_thread(publisher.close)
            catalog.close()

    asyncio.run(run())


async def _until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(SOON_S):
        while not holds():
            await asyncio.sleep(0.005)


def _texts(publisher: Publisher) -> list[str]:
    assert publisher.view is not None
    return [each.content for each in publisher.view.pick(range(1, 99), Filters()).values()]


def test_every_change_is_taken_in_and_published_soon(tmp_path: Path) -> None:
    """Adds, edits and deletes are in the view at once, and in force for every process half a second later."""

    async def scene(publisher: Publisher, catalog: DuckCatalog, _: _Embedder) -> None:
        catalog.add(numbered(3))
        edit(catalog, 1, row("edited"))
        catalog.delete([2])
        publisher.wake()
        assert await publisher.reach(3, SOON_S)
        assert sorted(_texts(publisher)) == ["edited", "question 3"]
        await _until(lambda: publisher.info().epoch == 3)
        assert publisher.current(3) is not None and publisher.current(4) is None
        assert publisher.info().fallbacks == 1

    _play(tmp_path, scene)


def test_vectors_come_from_the_snapshot_for_the_very_versions(tmp_path: Path) -> None:
    """The index gets the vectors that are there already; a version that was replaced meanwhile is embedded anew."""

    async def scene(publisher: Publisher, catalog: DuckCatalog, embedder: _Embedder) -> None:
        catalog.add(numbered(3))
        first = catalog.changes(0, 100)
        edit(catalog, 1, row("a much longer text than before"))
        publisher.wake()
        assert await publisher.reach(2, SOON_S)
        before = embedder.embedded
        vectors = await publisher.vectors_of(first)
        assert np.allclose(vectors, embedder.embed(first.rows.column("content").to_pylist()))
        assert embedder.embedded - before - 3 <= 1, "two of the three were there"

    _play(tmp_path, scene)


def test_damage_that_anybody_meets_makes_the_snapshot_anew(tmp_path: Path) -> None:
    """Whoever wants vectors gets them all the same, and the snapshot is whole again by itself."""

    async def scene(publisher: Publisher, catalog: DuckCatalog, embedder: _Embedder) -> None:
        catalog.add(numbered(3))
        publisher.wake()
        assert await publisher.reach(1, SOON_S)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(publisher_module, "_fill", _raises_damage)
            vectors = await publisher.vectors_of(catalog.changes(0, 100))
        assert vectors.any(axis=1).all()
        await _until(lambda: publisher.view is not None and publisher.view.epoch == 1)
        assert publisher.error is None and len(_texts(publisher)) == 3

    _play(tmp_path, scene)


def _raises_damage(*_: Any) -> Any:
    raise SnapshotDamagedError("a block is damaged")


def test_forgetting_in_a_damaged_snapshot_is_to_be_done_again(tmp_path: Path) -> None:
    """The answer is an error that says so, not a receipt; meanwhile the snapshot is made anew."""

    async def scene(publisher: Publisher, catalog: DuckCatalog, _: _Embedder) -> None:
        catalog.add(numbered(3))
        publisher.wake()
        assert await publisher.reach(1, SOON_S)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SnapshotStore, "rewrite_without", _raises_damage)
            with pytest.raises(SnapshotError, match="being made anew"):
                await publisher.forget([1])
        await _until(lambda: publisher.view is not None and publisher.view.epoch == 1)
        place = await publisher.forget([1])
        assert (place.found, place.left) == (1, 0)

    _play(tmp_path, scene)


def test_graph_of_a_store_that_was_replaced_is_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph takes a minute to build: what an older store shows must not be published again at its end."""
    monkeypatch.setattr(publisher_module, "GRAPH_AFTER_S", 0.01)
    built = asyncio.Event()
    out_path = tmp_path / "x.graph"
    attached: list[Any] = []

    async def scene(publisher: Publisher, catalog: DuckCatalog, _: _Embedder) -> None:
        await _until(lambda: publisher.view is not None)
        old = publisher._store
        due = SimpleNamespace(segment_name="s", vectors_path=tmp_path, rows=1, dim=DIM, out_path=out_path)
        monkeypatch.setattr(SnapshotStore, "graph_due", lambda self: due if self is old else None)
        monkeypatch.setattr(SnapshotStore, "attach_graph", lambda *given: attached.append(given))

        async def build(*_: Any) -> Any:
            publisher._store = SnapshotStore.open(tmp_path / "other", model="counting", dim=DIM, timeline="t")
            out_path.write_bytes(b"graph")
            built.set()

        monkeypatch.setattr(graph, "build", build)
        keeping = asyncio.create_task(publisher.keep_graph())
        await asyncio.wait_for(built.wait(), SOON_S)
        await _until(lambda: not out_path.exists())
        keeping.cancel()
        publisher._store = old

    _play(tmp_path, scene)
    assert attached == []
