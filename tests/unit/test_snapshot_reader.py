"""`open_snapshot()`: what any process reads without a daemon."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

import mcai
from mcai.embed.static import WordLlamaEmbedder
from mcai.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NoSnapshotError,
    NotFoundError,
    SnapshotError,
    StaleSnapshot,
)
from mcai.filters import Filters, make_cursor
from mcai.paths import Home
from mcai.records import Example, Page
from mcai.snapshot import Snapshot, open_snapshot
from mcai.snapshot.store import SnapshotStore
from snapshot_kit import DIM, DOMAINS, SCHEMA, change, merge_all, moment, numbered, open_store, row, vector_of

ROWS = [
    *numbered(250, emotion="Calm", source="/a/b.json#1"),
    *numbered(30, first=300, dataset_id=2, frequency_hz=8.0, created_at=moment("2025-10-17")),
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def store(home: Home) -> Iterator[SnapshotStore]:
    store = open_store(home.snapshot_dir)
    change(store, ROWS)
    store.publish()
    yield store
    store.close()


@pytest.fixture
def snapshot(home: Home, store: SnapshotStore) -> Iterator[Snapshot]:
    with open_snapshot(home=home.dir) as snapshot:
        yield snapshot


def all_ids(snapshot: Snapshot, limit: int = 100, **filters: Any) -> list[int]:
    """Return every id that the pages show, in their order."""
    found: list[int] = []
    cursor = None
    while True:
        page = snapshot.page(limit=limit, cursor=cursor, **filters)
        found += [example.id for example in page.examples]
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_pages_show_every_row_once(snapshot: Snapshot) -> None:
    """Page by page, of any size, every row comes once, and the last page says that it is the last."""
    expected = [each["id"] for each in ROWS]

    for limit in (1_000, 280, 279, 100, 7):
        assert all_ids(snapshot, limit) == expected
    assert len(snapshot.page().examples) == 100


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"domain": "neuroscience"}, 30),
        ({"domain": ["neuroscience", "physics"]}, 280),
        ({"domain": "nowhere"}, 0),
        ({"emotion": "CALM"}, 250),
        ({"frequency": "..8"}, 30),
        ({"frequency": (8, None)}, 30),
        ({"since": "2025-10-17", "until": "2025-10-18"}, 30),
        ({"source": "/a/"}, 250),
        ({"source": "/a", "domain": "neuroscience"}, 0),
    ],
)
def test_filters_are_spelled_as_for_a_client(snapshot: Snapshot, filters: dict[str, Any], count: int) -> None:
    """What `mcai.Client.page` takes, the snapshot takes."""
    assert len(all_ids(snapshot, **filters)) == count


def test_raw_is_the_answer_of_the_route(snapshot: Snapshot) -> None:
    """The page's bytes are those that the daemon would send: the record, encoded."""
    for page in (snapshot.page(), snapshot.page(limit=1_000), snapshot.page(domain="nowhere")):
        record = msgspec.json.decode(page.raw(), type=Page)
        assert msgspec.json.encode(record) == page.raw()
        assert record.examples == page.examples
        assert (record.next_cursor, record.epoch) == (page.next_cursor, page.epoch)
    assert page.raw() == b'{"examples":[],"next_cursor":null,"epoch":1}'


def test_cursors_are_those_of_the_socket(snapshot: Snapshot) -> None:
    """A walk that began over the socket goes on here: cursors name a place and the filters, nothing else."""
    page = snapshot.page(limit=10)
    assert page.next_cursor == make_cursor(Filters(), 10)

    assert snapshot.page(cursor=make_cursor(Filters(domains=("physics",)), 248), domain="physics").examples[0].id == 249
    with pytest.raises(InvalidCursorError):
        snapshot.page(cursor=page.next_cursor, domain="physics")


@pytest.mark.parametrize(
    "asked", [{"limit": 0}, {"limit": 1_001}, {"frequency": "x"}, {"since": "yesterday"}, {"frequency": (9, 8)}]
)
def test_bad_requests_are_refused_as_by_the_daemon(snapshot: Snapshot, asked: dict[str, Any]) -> None:
    """A page that no client could ask for is refused before anything is read."""
    with pytest.raises(InvalidRequestError):
        snapshot.page(**asked)


def test_get_finds_one(snapshot: Snapshot) -> None:
    """One example by its id; anything else does not exist."""
    assert snapshot.get(300) == Example(
        300, "neuroscience", "question 300", "answer 300", None, 8.0, "2025-10-17T00:00:00Z", None, {}
    )
    for unknown in (0, -1, 251, 10**30):
        with pytest.raises(NotFoundError, match=f"example {unknown} does not exist"):
            snapshot.get(unknown)
    with pytest.raises(InvalidRequestError):
        snapshot.get("300")  # type: ignore[arg-type]


def test_search_by_vector(snapshot: Snapshot) -> None:
    """The hits are the nearest rows, scored and ordered as the daemon's semantic search does."""
    result = snapshot.search(vector_of("question 17"), limit=3)

    assert (result.mode, result.epoch, result.index_epoch) == ("semantic", 1, 1)
    assert result.hits[0].content == "question 17" and result.hits[0].score == 1.0
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
    assert len(snapshot.search([1.0] + [0.0] * (DIM - 1), limit=1_000).hits) == len(ROWS)
    assert {hit.domain for hit in snapshot.search(vector_of("x"), limit=50, domain="neuroscience").hits} == {
        "neuroscience"
    }
    assert snapshot.search([0.0] * DIM).hits == []


def test_search_by_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is embedded in this process, by the model of the home's settings."""
    embedder = WordLlamaEmbedder()
    store = SnapshotStore.open(Home(tmp_path).snapshot_dir, model=embedder.model, dim=embedder.dim, timeline="first")
    texts = ["how do alpha waves relate to calm", "the price of wheat", "a recipe for bread"]
    rows = [row(at + 1, content=text) for at, text in enumerate(texts)]
    store.apply(1, [], pa.Table.from_pylist(rows, schema=SCHEMA), embedder.embed(texts), DOMAINS)
    store.publish()

    with open_snapshot(home=tmp_path) as snapshot:
        assert snapshot.search("baking bread").hits[0].id == 3
        assert snapshot._asking._embedder is not None and snapshot._asking._embedder.model == embedder.model
        monkeypatch.setattr(snapshot._asking._embedder, "embed", lambda texts: np.zeros((1, embedder.dim), np.float32))
        assert snapshot.search("means nothing").hits == []


def test_it_is_pinned_until_it_is_refreshed(home: Home, store: SnapshotStore, snapshot: Snapshot) -> None:
    """A snapshot shows its epoch to the end, also when its files are deleted; refresh() moves to the newest."""
    before = all_ids(snapshot)
    for number in range(6):
        change(store, numbered(2, first=1_000 + 10 * number), gone=[1 + number])
        store.publish()
    store.rewrite_without([1])
    merge_all(store)

    assert snapshot.epoch == 1 and all_ids(snapshot) == before
    assert snapshot.page(limit=1).epoch == 1

    assert snapshot.refresh() == snapshot.epoch == store.published_epoch
    assert all_ids(snapshot) == [each["id"] for each in ROWS if each["id"] > 6] + [
        1_000 + 10 * number + at for number in range(6) for at in range(2)
    ]


def test_refresh_keeps_what_is_mapped_and_checked(store: SnapshotStore, snapshot: Snapshot) -> None:
    """Moving on to the next generation costs no new maps of the segments that are still in it."""
    all_ids(snapshot)
    assert snapshot._published is not None
    before = snapshot._published
    assert snapshot.refresh() == 1 and snapshot._published is before
    change(store, numbered(2, first=900))
    store.publish()

    snapshot.refresh()

    assert snapshot._published.view.layers[0].segment is before.view.layers[0].segment
    assert len(snapshot._published.view.layers) == 2


def test_an_epoch_that_is_not_published_is_stale(home: Home, store: SnapshotStore) -> None:
    """Who has written epoch 2 is not served epoch 1."""
    assert open_snapshot(1, home.dir).epoch == 1
    with pytest.raises(StaleSnapshot, match="the snapshot is at epoch 1, 2 was asked for"):
        open_snapshot(min_epoch=2, home=home.dir)
    assert mcai.StaleSnapshot is StaleSnapshot


def test_a_home_without_a_snapshot_is_told(home: Home) -> None:
    """Where nothing was published, no daemon is started and nothing is made up."""
    with pytest.raises(NoSnapshotError, match="there is no snapshot in"):
        open_snapshot(home=home.dir)
    assert not list(home.dir.glob("*daemon*"))


def test_the_home_comes_from_the_environment(home: Home, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument it is MCAI_HOME as it is at the call."""
    monkeypatch.setenv("MCAI_HOME", str(home.dir))

    assert mcai.open_snapshot().page(limit=1).examples[0].id == 1


def test_closed_is_closed(snapshot: Snapshot) -> None:
    """After close() nothing is read; refresh() opens it again."""
    snapshot.close()

    with pytest.raises(SnapshotError, match="closed"):
        snapshot.page()
    snapshot.refresh()
    assert snapshot.get(1).id == 1


def test_many_threads_read_one_snapshot(store: SnapshotStore, snapshot: Snapshot) -> None:
    """Pages, single rows, searches and refreshes in many threads do not disturb each other."""
    failures: list[BaseException] = []

    def read(seed: int) -> None:
        try:
            for number in range(30):
                assert len(all_ids(snapshot, limit=97)) >= len(ROWS)
                assert snapshot.search(vector_of(f"question {seed + number}"), limit=1).hits
                if number % 5 == seed % 5:
                    snapshot.refresh()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for number in range(20):
        change(store, numbered(3, first=2_000 + 10 * number))
        store.publish()
        store.merge()
    for thread in threads:
        thread.join()

    assert failures == []


def test_a_forked_child_reads_on(snapshot: Snapshot) -> None:
    """A worker that was forked from a process with a snapshot reads the same maps."""
    expected = snapshot.page(limit=50).raw()
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if snapshot.page(limit=50).raw() == expected and len(all_ids(snapshot)) == len(ROWS) else 1)
        finally:
            os._exit(2)

    assert os.waitpid(child, 0)[1] == 0


def test_reading_loads_no_engine(home: Home, store: SnapshotStore) -> None:
    """A web worker that maps the snapshot pays for NumPy and msgspec, for no engine and no server."""
    code = (
        "import sys, mcai\n"
        f"with mcai.open_snapshot(home={str(home.dir)!r}) as snapshot:\n"
        "    assert snapshot.page().examples and snapshot.get(1) and snapshot.search([1.0] * 8).hits\n"
        "unwanted = {'pyarrow', 'duckdb', 'lancedb', 'asyncio', 'structlog', 'wordllama', 'httpx2', 'usearch'}\n"
        "print(sorted(unwanted & set(sys.modules)))"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"
