"""Forgetting that is cut off: by a crash, a full disk, an index that is not ready."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from catalog_contract import ids_of
from forget_kit import ARCHIVED, EDITED, LIVE, Marked, files_with, forget, forgetting_of, opened
from mcai import failpoints
from mcai.errors import FatalStoreError, IndexUnavailableError, StoreError, StoreFullError
from mcai.filters import Filters
from mcai.paths import Home
from mcai.records import Place
from mcai.store import backup
from mcai.store.duck import DuckCatalog, forgetting
from mcai.upkeep import forget_scan


def test_what_is_not_looked_through_to_the_end_is_not_finished(
    home: Home, catalog: DuckCatalog, marked: list[Marked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller, who got an error and no receipt, asks again and gets all of it."""

    def broken(folder: Path, markers: Sequence[bytes], sources: Sequence[str]) -> forget_scan.Report:
        raise StoreError("the files could not be looked through: exit code 1")

    with monkeypatch.context() as patch:
        patch.setattr(forget_scan, "scan", broken)
        with pytest.raises(StoreError, match="looked through"):
            forget(home, catalog, [LIVE])
    assert forgetting.pending(catalog.engine) == [LIVE]

    assert forget(home, catalog, [LIVE]).forgotten == 1 and forgetting.pending(catalog.engine) == []


@pytest.mark.parametrize(
    "where",
    [
        "forget.committed",
        "forget.compacted",
        "forget.swapped",
        "forget.journal",
        "backup.manifest",
        "backup.manifest:2",
    ],
)
def test_crash_on_the_way_is_finished_at_the_next_start(
    home: Home, catalog: DuckCatalog, marked: list[Marked], where: str
) -> None:
    """Wherever it was cut off, the next start takes the rest away."""
    failpoints.arm({"MCAI_FAILPOINT": f"{where}:fatal"})
    try:
        with pytest.raises(FatalStoreError):
            forget(home, catalog, [LIVE, ARCHIVED, EDITED])
    finally:
        failpoints.arm({})
    catalog.close()

    with opened(home) as again:
        asyncio.run(forgetting_of(home, again).finish_pending())

        assert files_with(home.dir, [text for each in marked for text in each.texts]) == {}
        assert ids_of(again) == [4, 5] and forgetting.pending(again.engine) == [] and again.epoch == 4
    assert len([path for path, _ in backup.found_in(home.backups_dir) if backup.is_sound(path)]) == 2


def test_crash_on_the_way_is_finished_by_a_catalog_made_anew(
    home: Home, catalog: DuckCatalog, marked: list[Marked]
) -> None:
    """The journal tells a catalog that is made from base copy and journal what was being forgotten."""
    failpoints.arm({"MCAI_FAILPOINT": "forget.committed:fatal"})
    try:
        with pytest.raises(FatalStoreError):
            forget(home, catalog, [LIVE, ARCHIVED, EDITED])
    finally:
        failpoints.arm({})
    catalog.close()
    for path in home.dir.glob("catalog.duckdb*"):
        path.unlink()

    with opened(home) as again:
        asyncio.run(forgetting_of(home, again).finish_pending())

        assert files_with(home.dir, [text for each in marked for text in each.texts]) == {}
        assert ids_of(again) == [4, 5] and forgetting.pending(again.engine) == []


def test_derived_that_are_not_ready_are_asked_again(
    home: Home, catalog: DuckCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that is still loading holds up nothing else, and is not passed over."""
    monkeypatch.setattr("mcai.upkeep.forget.RETRY_S", 0.01)
    asked: list[list[int]] = []

    async def loading(ids: Sequence[int]) -> list[Place]:
        asked.append(list(ids))
        if len(asked) < 3:
            raise IndexUnavailableError("the search index is still loading")
        return [Place("index", 5, 1, 0)]

    async def go() -> None:
        job = forgetting_of(home, catalog, loading)
        with pytest.raises(IndexUnavailableError):
            await job.forget([LIVE], Filters(), dry_run=False)
        assert forgetting.pending(catalog.engine) == [1]
        running = asyncio.create_task(job.run())
        while forgetting.pending(catalog.engine):
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(go())
    assert asked == [[LIVE]] * 3


def test_next_request_finishes_the_one_before(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """After a full disk the same request again, which finds no more rows, does the rest and tells of all."""
    failpoints.arm({"MCAI_FAILPOINT": "forget.journal:enospc"})
    try:
        with pytest.raises(StoreFullError):
            forget(home, catalog, source="/secret")
    finally:
        failpoints.arm({})

    result = forget(home, catalog, source="/secret")

    assert result.forgotten == 3 and files_with(home.dir, [text for each in marked for text in each.texts]) == {}


def test_error_after_the_rows_are_gone_says_so(home: Home, catalog: DuckCatalog) -> None:
    """How many are gone, that it is not all done, and how it goes on."""
    failpoints.arm({"MCAI_FAILPOINT": "forget.journal:enospc"})
    try:
        with pytest.raises(StoreFullError, match=r"1 forgotten in epoch 4, but not in every file yet") as caught:
            forget(home, catalog, [LIVE])
    finally:
        failpoints.arm({})

    assert "same command" in caught.value.hint and catalog.get(LIVE) is None
