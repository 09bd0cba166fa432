"""Forgetting at the level of the store: what is left in a home and its history, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pyarrow.parquet as pq
import pytest

from catalog_contract import archive, edit, ids_of, row
from forget_kit import ARCHIVED, EDITED, LIVE, Marked, files_with, forget, forgetting_of, nothing_derived, opened, told
from mcai.filters import Filters
from mcai.paths import Home
from mcai.store.duck import DuckCatalog, forgetting
from mcai.upkeep.archive_files import ArchiveFiles, path_of
from mcai.upkeep.forget import Forgetting

T = TypeVar("T")

SELECTORS: dict[str, Callable[[list[Marked]], dict[str, Any]]] = {
    "ids": lambda marked: {"ids": [LIVE, ARCHIVED, EDITED]},
    "source": lambda marked: {"source": "/secret"},
    "domain": lambda marked: {"domains": ("secret",)},
}


@pytest.mark.parametrize("selector", SELECTORS)
def test_nothing_stays_in_any_file(home: Home, catalog: DuckCatalog, marked: list[Marked], selector: str) -> None:
    """Rows, archive, versions that were edited away, journal, Parquet, base copies and backups: no byte."""
    texts = [text for each in marked for text in each.texts]
    assert len(files_with(home.dir, texts)) >= 4

    result = forget(home, catalog, **SELECTORS[selector](marked))

    assert result.forgotten == 3 and result.epoch == catalog.epoch == 4 and not result.dry_run
    assert files_with(home.dir, texts) == {}
    assert told(result) == {
        "rows": (2, 0),
        "archive": (1, 0),
        "history": (2, 0),
        "journal": (4, 0),
        "archive files": (1, 0),
        "base copies": (3, 0),
        "backups": (10, 0),
    }
    assert ids_of(catalog) == [4, 5] and forgetting.pending(catalog.engine) == []
    assert not path_of(home.archive_dir, 2).exists()


def test_filters_other_than_a_source_ask_what_is_so_now(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """What was in a domain once, and is in another one now, stays; so does what was deleted, and what a copy says of
    the past counts only where the catalog does not have the example at all."""
    edit(catalog, LIVE, row("moved", "away", "elsewhere"))
    catalog.delete([EDITED])

    said = forget(home, catalog, dry_run=True, domains=("secret",), source="/secret")
    assert said.forgotten == 1
    assert forget(home, catalog, domains=("secret",)).forgotten == 1
    assert catalog.get(ARCHIVED) is None and catalog.get(LIVE) is not None and ids_of(catalog, epoch=1) == [1, 3, 4, 5]
    assert forget(home, catalog, source="/secret").forgotten == 2


def test_receipt_counts_what_others_took_away_meanwhile(home: Home, catalog: DuckCatalog) -> None:
    """The daemon mends the archive's files as soon as an epoch is made; the receipt tells of them all the same."""
    archived = ArchiveFiles(catalog, home.archive_dir)

    async def write(work: Callable[[], T]) -> T:
        done = work()
        archived.reconcile()
        return done

    job = Forgetting(home, catalog, write, nothing_derived, archived, asyncio.Lock())
    result = asyncio.run(job.forget([ARCHIVED], Filters(), dry_run=False))

    assert told(result)["archive files"] == (1, 0)


def test_dry_run_counts_and_changes_nothing(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """It finds what the deed finds."""
    before = {path: path.read_bytes() for path in home.dir.rglob("*") if path.suffix in (".jsonl", ".parquet", ".json")}

    said = forget(home, catalog, dry_run=True, source=marked[0].source.partition("#")[0])

    assert (said.dry_run, said.forgotten, said.epoch) == (True, 1, 3)
    assert all(path.read_bytes() == content for path, content in before.items())
    done = forget(home, catalog, source=marked[0].source.partition("#")[0])
    assert {place: found for place, (found, _) in told(said).items()} == {
        place: found for place, (found, _) in told(done).items()
    }


def test_nothing_to_forget_makes_no_epoch(home: Home, catalog: DuckCatalog) -> None:
    """Neither an unknown id nor filters that match nothing do anything."""
    choices: list[dict[str, Any]] = [{"ids": [77]}, {"ids": []}, {"source": "/nowhere"}]
    for chosen in choices:
        result = forget(home, catalog, **chosen)
        assert (result.forgotten, result.epoch, told(result)) == (0, 3, {})


def test_what_others_say_too_is_no_residue(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """A text that another example has stays, and the receipt does not count it."""
    catalog.add([row(marked[0].content, "another answer", "other")])

    result = forget(home, catalog, [LIVE])

    assert all(left == 0 for _, left in told(result).values())
    assert files_with(home.dir, [marked[0].content]) and files_with(home.dir, marked[0].texts[1:]) == {}


def test_what_cannot_be_forgotten_is_told(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """A quarantined copy, and a file that a person put there, are found by their bytes; they are not touched."""
    for place, name in (("quarantine", "q.jsonl"), ("notes", "mine.txt")):
        (home.dir / place).mkdir()
        (home.dir / place / name).write_text(f'{{"record": "{marked[0].content}"}}')

    said = told(forget(home, catalog, [LIVE]))

    assert said["quarantine"] == (1, 1) and said["other files"] == (1, 1)


def test_forgotten_stays_gone(home: Home, catalog: DuckCatalog) -> None:
    """Neither a rollback nor a catalog that is made again from base copy and journal brings it back."""
    forget(home, catalog, [LIVE, ARCHIVED, EDITED])

    back = catalog.rollback(1, None)
    assert back.forgotten == 3 and ids_of(catalog) == [4, 5]

    catalog.add([row("after", "wards")])
    epoch, shown = catalog.epoch, ids_of(catalog)
    catalog.close()
    for path in home.dir.glob("catalog.duckdb*"):
        path.unlink()
    with opened(home) as again:
        assert (again.epoch, ids_of(again)) == (epoch, shown)
        assert again.add([row("next")]).results[0].id == 7


def test_readers_wait_for_nothing_but_the_swap(home: Home, catalog: DuckCatalog) -> None:
    """Pages are answered all the time, each from before or from after."""

    async def read_meanwhile() -> set[tuple[int, ...]]:
        seen: set[tuple[int, ...]] = set()
        job = asyncio.create_task(forgetting_of(home, catalog).forget([LIVE], Filters(), dry_run=False))
        while not job.done():
            seen.add(tuple(await asyncio.to_thread(ids_of, catalog)))
            await asyncio.sleep(0.005)  # others want the processor, too
        await job
        return seen

    assert asyncio.run(read_meanwhile()) <= {(1, 3, 4, 5), (3, 4, 5)}


def test_parquet_of_others_is_left_alone(home: Home, catalog: DuckCatalog) -> None:
    """A file of the archive that holds none of the forgotten rows is not written again."""
    archive(catalog, [4])
    ArchiveFiles(catalog, home.archive_dir).reconcile()
    path = path_of(home.archive_dir, catalog.epoch)
    before = path.stat().st_ino

    forget(home, catalog, [ARCHIVED])

    assert path.stat().st_ino == before and pq.read_table(path)["id"].to_pylist() == [4]
