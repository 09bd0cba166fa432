"""Forgetting in Lance: no file of the index holds a forgotten text or vector, and the others are found as before."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mcai.errors import IndexUnavailableError
from mcai.filters import Filters
from mcai.store import lance
from mcai.store.base import Change, IndexFilter
from mcai.store.lance import LanceIndex

DIM = 8
AT = datetime(2026, 1, 2)
ALL = IndexFilter(Filters(), None)
VECTORS = np.linalg.qr(np.random.default_rng(5).standard_normal((DIM, DIM)))[0].astype(np.float32)
"""At right angles to each other: of rows 1, 2 and so on."""


def _change(epoch: int, texts: dict[int, str]) -> Change:
    names = [name for name in lance._schema(DIM).names if name != "vector"]
    values = {
        "id": list(texts),
        "dataset_id": [1] * len(texts),
        "content": list(texts.values()),
        "response": [f"answer {text}" for text in texts.values()],
        "source": [f"/files/{text}" for text in texts.values()],
        "c_epoch": [epoch] * len(texts),
    }
    kinds = lance._schema(DIM)
    table = pa.table({name: pa.array(values.get(name, [None] * len(texts)), kinds.field(name).type) for name in names})
    return Change(epoch - 1, epoch, AT, [], table, {1: "physics"})


async def _filled(folder: Path, marker: str, model: str = "model") -> LanceIndex:
    """Two batches; row 3 has the marker and a vector of its own, row 5 has none."""
    index = await LanceIndex.open(folder, model, DIM, lambda epoch: AT if epoch else None)
    vectors = VECTORS.copy()
    vectors[4] = 0
    for epoch, ids in enumerate(([1, 2, 3], [4, 5, 6]), 1):
        texts = {each: f"word{each} {marker if each == 3 else 'common'}" for each in ids}
        await index.apply(_change(epoch, texts), vectors[[each - 1 for each in ids]])
    await index.maintain()
    return index


def _files_with(folder: Path, *needles: bytes) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(needle in path.read_bytes() for needle in needles)]


@pytest.mark.parametrize("deleted_before", [False, True])
def test_no_byte_stays(tmp_path: Path, deleted_before: bool) -> None:
    """Data, old versions, full-text tokens, vectors, the tables of other models: all gone, deleted before or not."""
    marker = secrets.token_hex(12)
    vector = VECTORS[2].tobytes()

    async def forget() -> None:
        index = await _filled(tmp_path, marker)
        await _filled(tmp_path, marker, "a model of before")
        assert _files_with(tmp_path, marker.encode()) and _files_with(tmp_path, vector)
        if deleted_before:
            await index._table.delete("id = 3")

        told = await index.forget([3, 99])

        assert (told.place, told.scanned, told.left) == ("index", 5 if deleted_before else 6, 0)
        assert told.found == (0 if deleted_before else 1)
        assert _files_with(tmp_path, marker.encode(), vector) == []

    asyncio.run(forget())


def test_everything_else_is_found_as_before(tmp_path: Path) -> None:
    """Rows without a vector, the sentinel and both kinds of search survive; the next change is taken in."""

    async def forget() -> None:
        index = await _filled(tmp_path, "secret")
        await index.forget([3])

        assert await index.rows() == 5 and await index.applied_epoch() == 2
        assert [found for found, _ in await index.matching("word5", "content", 3, ALL)] == [5]
        assert await index.matching("secret", "content", 3, ALL) == []
        assert (await index.nearest(VECTORS[5], 1, ALL))[0][0] == 6
        await index.apply(_change(3, {7: "word7"}), np.ones((1, DIM)))
        assert [found for found, _ in await index.matching("word7", "content", 3, ALL)] == [7]

        again = await LanceIndex.open(tmp_path, "model", DIM, lambda epoch: AT)
        assert await again.rows() == 6 and await again.applied_epoch() == 3

    asyncio.run(forget())


def test_searches_go_on_while_it_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the new rows and their indexes a search scans, and finds."""

    async def forget() -> None:
        index = await _filled(tmp_path, "secret")
        found: list[int] = []
        make = index._index_texts

        async def search_first() -> None:
            found.extend([row for row, _ in await index.matching("word2", "content", 3, ALL)])
            await make()

        monkeypatch.setattr(index, "_index_texts", search_first)
        await index.forget([3])

        assert found == [2]

    asyncio.run(forget())


@pytest.mark.parametrize("where", ["_index_texts", "_applied"])
def test_an_index_that_cannot_be_opened_now_is_not_dropped(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk or too many open files say nothing of its rows."""

    async def fail(*_: Any) -> None:
        raise OSError("no room, no files")

    async def play() -> int:
        await _filled(tmp_path, "common")
        with monkeypatch.context() as patch:
            patch.setattr(LanceIndex, where, fail)
            with pytest.raises(IndexUnavailableError):
                await LanceIndex.open(tmp_path, "model", DIM, lambda epoch: AT, texts_anew=True)
        return await (await LanceIndex.open(tmp_path, "model", DIM, lambda epoch: AT)).rows()

    assert asyncio.run(play()) == 6
