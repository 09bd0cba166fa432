"""Forgetting at the level of the store: what is left in a home, its copies and its history; crashes on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.parquet as pq
import pytest

from catalog_contract import archive, edit, ids_of, numbered, row
from forget_kit import Marked, files_with
from mcai import failpoints
from mcai.errors import FatalStoreError, IndexUnavailableError, StoreError, StoreFullError
from mcai.filters import Filters
from mcai.paths import Home
from mcai.records import ForgetResult, Place
from mcai.store import backup
from mcai.store.duck import DuckCatalog, forgetting, recovery, scrub
from mcai.upkeep import bases, forget, forget_scan
from mcai.upkeep.archive_files import ArchiveFiles, path_of
from mcai.upkeep.forget import Forgetting
from mcai.upkeep.hooks import Derived

T = TypeVar("T")

LIVE, ARCHIVED, EDITED = 1, 2, 3
"""The ids of the marked examples; 4 and 5 are others."""


@contextmanager
def _opened(home: Home) -> Iterator[DuckCatalog]:
    home.dir.mkdir(mode=0o700, exist_ok=True)
    catalog = recovery.open_catalog(home, []).catalog
    try:
        yield catalog
    finally:
        catalog.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def marked() -> list[Marked]:
    return [Marked(), Marked(), Marked()]


@pytest.fixture
def catalog(home: Home, marked: list[Marked]) -> Iterator[DuckCatalog]:
    """Three marked examples, one live, one archived, one edited away, in catalog, journal, archive and two copies."""
    with _opened(home) as catalog:
        catalog.add([row(**each.fields) for each in marked] + numbered(2, 4))
        bases.make(home, catalog)
        archive(catalog, [ARCHIVED])
        edit(catalog, EDITED, row("harmless", "text", "secret"))
        ArchiveFiles(catalog, home.archive_dir).reconcile()
        copied = [home.journal_dir, home.archive_dir]
        backup.make(catalog, home.backups_dir / "mine", copied)
        yield catalog


async def _nothing_derived(ids: Sequence[int]) -> list[Place]:
    return []


def _forgetting(home: Home, catalog: DuckCatalog, derived: Derived = _nothing_derived) -> Forgetting:
    async def write(work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    return Forgetting(home, catalog, write, derived, ArchiveFiles(catalog, home.archive_dir), asyncio.Lock())


def _forget(
    home: Home, catalog: DuckCatalog, ids: Sequence[int] = (), *, dry_run: bool = False, **filters: Any
) -> ForgetResult:
    return asyncio.run(_forgetting(home, catalog).forget(ids, Filters(**filters), dry_run=dry_run))


def _told(result: ForgetResult) -> dict[str, tuple[int, int]]:
    return {each.place: (each.found, each.left) for each in result.places if each.found or each.left}


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

    result = _forget(home, catalog, **SELECTORS[selector](marked))

    assert result.forgotten == 3 and result.epoch == catalog.epoch == 4 and not result.dry_run
    assert files_with(home.dir, texts) == {}
    assert _told(result) == {
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


def test_copies_stay_whole_and_hold_the_rest(home: Home, catalog: DuckCatalog) -> None:
    """What was rewritten can be restored, and its journal still follows from its catalog."""
    _forget(home, catalog, [LIVE, ARCHIVED])

    copies = [path for path, _ in backup.found_in(home.backups_dir)]
    assert len(copies) == 2
    for path in copies:
        assert backup.is_sound(path)
    mine = Home(home.backups_dir / "mine")
    with _opened(mine) as copy:
        assert ids_of(copy) == [3, 4, 5] and copy.count() == 3 and copy.epoch == 3
        assert copy.get(3) is not None and ids_of(copy, epoch=1) == [3, 4, 5]
    assert not any(mine.archive_dir.iterdir())


def test_filters_other_than_a_source_ask_what_is_so_now(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """What was in a domain once, and is in another one now, stays; so does what was deleted, and what a copy says of
    the past counts only where the catalog does not have the example at all."""
    edit(catalog, LIVE, row("moved", "away", "elsewhere"))
    catalog.delete([EDITED])

    told = _forget(home, catalog, dry_run=True, domains=("secret",), source="/secret")
    assert told.forgotten == 1
    assert _forget(home, catalog, domains=("secret",)).forgotten == 1
    assert catalog.get(ARCHIVED) is None and catalog.get(LIVE) is not None and ids_of(catalog, epoch=1) == [1, 3, 4, 5]
    assert _forget(home, catalog, source="/secret").forgotten == 2


def test_what_is_not_looked_through_to_the_end_is_not_finished(
    home: Home, catalog: DuckCatalog, marked: list[Marked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller, who got an error and no receipt, asks again and gets all of it."""

    def broken(folder: Path, markers: Sequence[bytes]) -> forget_scan.Report:
        raise StoreError("the files could not be looked through: exit code 1")

    with monkeypatch.context() as patch:
        patch.setattr(forget_scan, "scan", broken)
        with pytest.raises(StoreError, match="looked through"):
            _forget(home, catalog, [LIVE])
    assert forgetting.pending(catalog.engine) == [LIVE]

    assert _forget(home, catalog, [LIVE]).forgotten == 1 and forgetting.pending(catalog.engine) == []


def test_receipt_counts_what_others_took_away_meanwhile(home: Home, catalog: DuckCatalog) -> None:
    """The daemon mends the archive's files as soon as an epoch is made; the receipt tells of them all the same."""
    archived = ArchiveFiles(catalog, home.archive_dir)

    async def write(work: Callable[[], T]) -> T:
        done = work()
        archived.reconcile()
        return done

    job = Forgetting(home, catalog, write, _nothing_derived, archived, asyncio.Lock())
    result = asyncio.run(job.forget([ARCHIVED], Filters(), dry_run=False))

    assert _told(result)["archive files"] == (1, 0)


def test_dry_run_counts_and_changes_nothing(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """It finds what the deed finds."""
    before = {path: path.read_bytes() for path in home.dir.rglob("*") if path.suffix in (".jsonl", ".parquet", ".json")}

    told = _forget(home, catalog, dry_run=True, source=marked[0].source.partition("#")[0])

    assert (told.dry_run, told.forgotten, told.epoch) == (True, 1, 3)
    assert all(path.read_bytes() == content for path, content in before.items())
    done = _forget(home, catalog, source=marked[0].source.partition("#")[0])
    assert {place: found for place, (found, _) in _told(told).items()} == {
        place: found for place, (found, _) in _told(done).items()
    }


def test_nothing_to_forget_makes_no_epoch(home: Home, catalog: DuckCatalog) -> None:
    """Neither an unknown id nor filters that match nothing do anything."""
    choices: list[dict[str, Any]] = [{"ids": [77]}, {"ids": []}, {"source": "/nowhere"}]
    for chosen in choices:
        result = _forget(home, catalog, **chosen)
        assert (result.forgotten, result.epoch, _told(result)) == (0, 3, {})


def test_example_that_only_a_backup_has_is_forgotten_there(
    home: Home, catalog: DuckCatalog, marked: list[Marked]
) -> None:
    """A restore can leave a row nowhere but in what it replaced; a filter finds it."""
    (home.backups_dir / "mine").rename(home.backups_dir / "replaced-1")
    catalog.forget([LIVE])

    result = _forget(home, catalog, source=marked[0].source)

    assert files_with(home.backups_dir, marked[0].texts) == {} and _told(result)["backups"][1] == 0


def test_damaged_copies_go(home: Home, catalog: DuckCatalog) -> None:
    """What cannot be read cannot be cleaned; what certainly has none of it stays."""
    mine = home.backups_dir / "mine" / backup.CATALOG
    content = mine.read_bytes()
    mine.write_bytes(content[:5000] + b"\xff" * 60_000 + content[65_000:])
    home.damaged_dir.mkdir()
    (home.damaged_dir / "catalog.duckdb.wal-1").write_bytes(b"who knows")
    (home.damaged_dir / "journal-1-from-2.jsonl").write_bytes(b"")

    result = _forget(home, catalog, [LIVE])

    assert not mine.parent.exists() and len(backup.found_in(home.backups_dir)) == 1
    assert [path.name for path in home.damaged_dir.iterdir()] == ["journal-1-from-2.jsonl"]
    assert _told(result)["damaged files"] == (1, 0)


def test_copy_that_an_upgrade_made_is_written_anew(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """It has an older schema, and is a copy like any other."""
    catalog.copy_to(home.dir / "catalog.before-3.duckdb")

    result = _forget(home, catalog, [LIVE])

    assert _told(result)["base copies"] == (2, 0) and files_with(home.dir, marked[0].texts) == {}
    with scrub.opened(home.dir / "catalog.before-3.duckdb", home.temp_dir) as copy:
        assert copy.rows_of([LIVE]) == (6, 0)


def test_what_others_say_too_is_no_residue(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """A text that another example has stays, and the receipt does not count it."""
    catalog.add([row(marked[0].content, "another answer", "other")])

    result = _forget(home, catalog, [LIVE])

    assert all(left == 0 for _, left in _told(result).values())
    assert files_with(home.dir, [marked[0].content]) and files_with(home.dir, marked[0].texts[1:]) == {}


def test_what_cannot_be_forgotten_is_told(home: Home, catalog: DuckCatalog, marked: list[Marked]) -> None:
    """A quarantined copy, and a file that a person put there, are found by their bytes; they are not touched."""
    for place, name in (("quarantine", "q.jsonl"), ("notes", "mine.txt")):
        (home.dir / place).mkdir()
        (home.dir / place / name).write_text(f'{{"record": "{marked[0].content}"}}')

    told = _told(_forget(home, catalog, [LIVE]))

    assert told["quarantine"] == (1, 1) and told["other files"] == (1, 1)


def test_forgotten_stays_gone(home: Home, catalog: DuckCatalog) -> None:
    """Neither a rollback nor a catalog that is made again from base copy and journal brings it back."""
    _forget(home, catalog, [LIVE, ARCHIVED, EDITED])

    back = catalog.rollback(1, None)
    assert back.forgotten == 3 and ids_of(catalog) == [4, 5]

    catalog.add([row("after", "wards")])
    epoch, shown = catalog.epoch, ids_of(catalog)
    catalog.close()
    for path in home.dir.glob("catalog.duckdb*"):
        path.unlink()
    with _opened(home) as again:
        assert (again.epoch, ids_of(again)) == (epoch, shown)
        assert again.add([row("next")]).results[0].id == 7


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
            _forget(home, catalog, [LIVE, ARCHIVED, EDITED])
    finally:
        failpoints.arm({})
    catalog.close()

    with _opened(home) as again:
        asyncio.run(_forgetting(home, again).finish_pending())

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
            _forget(home, catalog, [LIVE, ARCHIVED, EDITED])
    finally:
        failpoints.arm({})
    catalog.close()
    for path in home.dir.glob("catalog.duckdb*"):
        path.unlink()

    with _opened(home) as again:
        asyncio.run(_forgetting(home, again).finish_pending())

        assert files_with(home.dir, [text for each in marked for text in each.texts]) == {}
        assert ids_of(again) == [4, 5] and forgetting.pending(again.engine) == []


def test_derived_that_are_not_ready_are_asked_again(
    home: Home, catalog: DuckCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that is still loading holds up nothing else, and is not passed over."""
    monkeypatch.setattr(forget, "RETRY_S", 0.01)
    asked: list[list[int]] = []

    async def loading(ids: Sequence[int]) -> list[Place]:
        asked.append(list(ids))
        if len(asked) < 3:
            raise IndexUnavailableError("the search index is still loading")
        return [Place("index", 5, 1, 0)]

    async def go() -> None:
        job = _forgetting(home, catalog, loading)
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
            _forget(home, catalog, source="/secret")
    finally:
        failpoints.arm({})

    result = _forget(home, catalog, source="/secret")

    assert result.forgotten == 3 and files_with(home.dir, [text for each in marked for text in each.texts]) == {}


def test_readers_wait_for_nothing_but_the_swap(home: Home, catalog: DuckCatalog) -> None:
    """Pages are answered all the time, each from before or from after."""

    async def read_meanwhile() -> set[tuple[int, ...]]:
        seen: set[tuple[int, ...]] = set()
        job = asyncio.create_task(_forgetting(home, catalog).forget([LIVE], Filters(), dry_run=False))
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

    _forget(home, catalog, [ARCHIVED])

    assert path.stat().st_ino == before and pq.read_table(path)["id"].to_pylist() == [4]
