"""The indexer: follows the catalog, and comes back from whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from catalog_contract import edit, numbered, row
from mcai.dataset import indexer as indexer_module
from mcai.dataset.indexer import Indexer
from mcai.errors import EpochNotReachedError, IndexUnavailableError, StoreUnavailableError
from mcai.records import Place
from mcai.store.base import Change, IndexFilter
from mcai.store.duck import DuckCatalog

SOON_S = 10.0


class _Embedder:
    """As many zeros as asked for."""

    model = "zeros"
    dim = 2
    quick_characters = 0

    def embed(self, texts: Sequence[str]) -> Any:
        return np.zeros((len(texts), self.dim), np.float32)


class _Index:
    """The search index as a dict, with faults on demand."""

    def __init__(self) -> None:
        self.held: dict[int, str] = {}
        self.epoch = 0
        self.applied: list[tuple[int, int]] = []
        self.faults: dict[str, list[Exception]] = {}
        self.opened_after_failure: list[bool] = []

    def _fail(self, where: str) -> None:
        if self.faults.get(where):
            raise self.faults[where].pop()

    async def applied_epoch(self) -> int:
        self._fail("applied_epoch")
        return self.epoch

    async def apply(self, change: Change, vectors: Any) -> None:
        self._fail("apply")
        assert change.since == self.epoch and len(vectors) == len(change.rows)
        for gone in change.gone:
            del self.held[gone]
        self.held |= dict(zip(*(change.rows.column(name).to_pylist() for name in ("id", "content")), strict=True))
        self.epoch = change.upto
        self.applied.append((change.since, change.upto))

    async def rows(self) -> int:
        self._fail("rows")
        return len(self.held)

    async def forget(self, ids: Sequence[int]) -> Place:
        raise NotImplementedError

    async def upkeep_facts(self) -> dict[str, int]:
        return {}

    async def maintain(self) -> None:
        self._fail("maintain")

    async def nearest(self, vector: Any, limit: int, chosen: IndexFilter) -> list[tuple[int, float]]:
        return []

    async def matching(self, text: str, column: str, limit: int, chosen: IndexFilter) -> list[tuple[int, float]]:
        return []


async def _vectors_of(change: Change) -> Any:
    return _Embedder().embed(change.rows.column("content").to_pylist())


Scene = Callable[[Indexer, _Index, DuckCatalog], Awaitable[None]]


def _play(scene: Scene, index: _Index | None = None, catalog: DuckCatalog | None = None) -> None:
    """Run a scene beside a running indexer."""

    async def run() -> None:
        at = index or _Index()
        store = catalog or DuckCatalog.open(None)

        async def open_index(failed: bool) -> _Index:
            at.opened_after_failure.append(failed)
            at._fail("open")
            return at

        indexer = Indexer(store, _Embedder(), _vectors_of, open_index)
        task = asyncio.create_task(indexer.run())
        try:
            await scene(indexer, at, store)
            assert not task.done(), "the indexer died"
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            store.close()

    asyncio.run(run())


async def _state(indexer: Indexer, wanted: str) -> None:
    async with asyncio.timeout(SOON_S):
        while indexer.state != wanted:
            await asyncio.sleep(0.001)


def test_follows_every_kind_of_change() -> None:
    """After adds, edits and deletes the index holds what is live, and says so."""

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        catalog.add(numbered(3))
        edit(catalog, 1, row("edited"))
        indexer.wake()
        assert await indexer.reach(2, SOON_S)
        catalog.delete([2])
        indexer.wake()
        assert await indexer.reach(3, SOON_S)
        await _state(indexer, "ready")
        assert index.held == {1: "edited", 3: "question 3"}
        assert (indexer.applied_epoch, indexer.indexed_rows, indexer.error) == (3, 2, None)

    _play(scene)


def test_starts_from_where_the_index_is() -> None:
    """A restart catches up what was not indexed, and only that."""
    catalog, index = DuckCatalog.open(None), _Index()
    catalog.add(numbered(2))
    index.epoch, index.held = 1, {1: "question 1", 2: "question 2"}
    catalog.add(numbered(1, first=3))

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        assert await indexer.reach(2, SOON_S)
        assert index.applied == [(1, 2)] and sorted(index.held) == [1, 2, 3]

    _play(scene, index, catalog)


def test_large_backlog_is_taken_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: many epochs are applied a chunk at a time, each whole."""
    monkeypatch.setattr(indexer_module, "CHUNK_ROWS", 5)
    catalog = DuckCatalog.open(None)
    for batch in range(4):
        catalog.add(numbered(3, first=3 * batch + 1))

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        assert await indexer.reach(4, SOON_S)
        assert index.applied == [(0, 1), (1, 2), (2, 3), (3, 4)] and len(index.held) == 12

    _play(scene, catalog=catalog)


@pytest.mark.parametrize("where", ["open", "applied_epoch", "rows", "apply"])
@pytest.mark.parametrize(
    "fault", [IndexUnavailableError("broken on purpose"), RuntimeError("no error of ours")], ids=repr
)
def test_comes_back_after_a_failure(where: str, fault: Exception) -> None:
    """A failure of any kind at any place is shown, and the next change tries again: nothing stays behind."""
    index = _Index()
    # After the first that is about the index it is looked at, at once.
    index.faults[where] = [fault] * (2 if isinstance(fault, IndexUnavailableError) else 1)

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        catalog.add(numbered(2))
        indexer.wake()
        await _state(indexer, "failed")
        assert indexer.error
        assert "no error of ours" not in indexer.error, "foreign errors may hold values"
        catalog.add(numbered(1, first=3))
        indexer.wake()
        assert await _reached(indexer, 2)
        await _state(indexer, "ready")
        assert sorted(index.held) == [1, 2, 3] and indexer.error is None

    _play(scene, index)


async def _reached(indexer: Indexer, epoch: int) -> bool:
    """`reach` gives up at once while the index is marked as failed: wait for the change itself."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SOON_S):
            while indexer.applied_epoch < epoch:
                await asyncio.sleep(0.001)
    return indexer.applied_epoch >= epoch


def test_failure_is_tried_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any change either, a failed index is opened again after a while."""
    monkeypatch.setattr(indexer_module, "RETRY_S", 0.01)
    index = _Index()
    index.faults["open"] = [IndexUnavailableError("again"), IndexUnavailableError("and again")]

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        await _state(indexer, "ready")

    _play(scene, index)


def test_upkeep_that_fails_does_no_harm() -> None:
    """Searches go on without upkeep: the index stays ready."""
    index = _Index()
    index.faults["maintain"] = [IndexUnavailableError("no room to merge")]

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        catalog.add(numbered(1))
        indexer.wake()
        assert await indexer.reach(1, SOON_S)
        await _state(indexer, "ready")
        catalog.add(numbered(1, first=2))
        indexer.wake()
        assert await indexer.reach(2, SOON_S)

    _play(scene, index)


def test_search_waits_for_the_index_to_be_loaded() -> None:
    """`opened` gives the index as soon as it is there, and an error when it is not in time."""

    async def run() -> None:
        release, catalog = asyncio.Event(), DuckCatalog.open(None)

        async def open_index(_failed: bool) -> _Index:
            await release.wait()
            return _Index()

        indexer = Indexer(catalog, _Embedder(), _vectors_of, open_index)
        task = asyncio.create_task(indexer.run())
        with pytest.raises(IndexUnavailableError, match="still loading"):
            await indexer.opened(0.01)
        waiting = asyncio.create_task(indexer.opened(SOON_S))
        release.set()
        assert isinstance(await waiting, _Index)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        catalog.close()

    asyncio.run(run())


def test_an_index_that_cannot_answer_is_opened_anew() -> None:
    """A search that failed has the index looked at before it is used again; searches keep the old handle meanwhile."""

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        await _state(indexer, "ready")
        indexer.distrust()
        while index.opened_after_failure != [False, True]:
            assert indexer.state == "ready" and await indexer.opened(0) is index
            await asyncio.sleep(0)

    _play(scene)


def test_an_index_that_never_answers_is_not_looked_at_all_the_time() -> None:
    """A look reads all of it: what fails right after one waits."""

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        await _state(indexer, "ready")
        indexer.distrust()
        while index.opened_after_failure != [False, True]:
            await asyncio.sleep(0)
        await _state(indexer, "ready")
        indexer.distrust()
        await _state(indexer, "failed")
        assert index.opened_after_failure == [False, True] and await indexer.opened(0) is index

    _play(scene)


def test_a_service_that_is_down_says_nothing_of_the_index() -> None:
    """Where no vectors are to be had, nothing is read whole and made anew again and again."""
    index = _Index()
    index.faults["apply"] = [StoreUnavailableError("the embedding service is down")]

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        catalog.add(numbered(2))
        indexer.wake()
        await _state(indexer, "failed")
        indexer.wake()
        assert await _reached(indexer, 1)
        assert index.opened_after_failure == [False, False]

    _play(scene, index)


def test_search_is_told_why_there_is_no_index() -> None:
    """An index that cannot be opened is an error with its reason, at once."""
    index = _Index()
    index.faults["open"] = [IndexUnavailableError("the folder cannot be written")] * 2

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        await _state(indexer, "failed")
        with pytest.raises(IndexUnavailableError, match="the folder cannot be written"):
            await indexer.opened(SOON_S)

    _play(scene, index)


def test_epoch_that_does_not_come_is_refused() -> None:
    """`reach` says no, `require` raises, both in time."""

    async def scene(indexer: Indexer, index: _Index, catalog: DuckCatalog) -> None:
        await _state(indexer, "ready")
        assert await indexer.reach(0, 0) and not await indexer.reach(1, 0.01)
        with pytest.raises(EpochNotReachedError, match="epoch 0, 5 was asked for"):
            await indexer.require(5, 0.01)

    _play(scene)
