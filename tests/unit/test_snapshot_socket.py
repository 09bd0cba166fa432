"""`open_snapshot()` where the files are of no use: reads go over the socket, searches scan, damage is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from mcai.client import Client
from mcai.errors import (
    DaemonNotRunningError,
    NotFoundError,
    SnapshotDamagedError,
    StaleSnapshot,
)
from mcai.paths import Home
from mcai.records import Example, Page, StoredExample
from mcai.snapshot import Snapshot, graph, merging, open_snapshot
from mcai.snapshot.store import SnapshotStore
from mcai.wire import Answer, Request
from snapshot_kit import change, moment, numbered, open_store, row, vector_of

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


class FakeClient:
    """Answers as the daemon of a home with one row would, at epoch 9."""

    example = Example(4, "physics", "from the daemon", None, None, None, None, None, {})

    def __init__(self, archived: bool = False) -> None:
        self.archived = archived
        self.sent: list[Request] = []

    def send(self, request: Request) -> Answer:
        self.sent.append(request)
        return Answer(200, {}, msgspec.json.encode(Page([self.example], None, 9)))

    def get(self, example_id: int) -> StoredExample:
        return StoredExample(**msgspec.structs.asdict(self.example), archived=self.archived, epoch=9)

    def close(self) -> None:
        pass


def damage(home: Home, ending: str) -> Path:
    """Flip every byte of the middle of one file."""
    (path,) = home.snapshot_dir.glob(f"*.{ending}")
    raw = bytearray(path.read_bytes())
    for at in range(len(raw) // 4, len(raw) // 4 * 3):
        raw[at] ^= 0xFF
    path.write_bytes(raw)
    return path


def test_damaged_rows_come_over_the_socket(home: Home, store: SnapshotStore, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read from the files is asked of the daemon, at no older epoch, and counted; the log says why."""
    path = damage(home, "arrow")
    snapshot = open_snapshot(home=home.dir)
    client = FakeClient()
    snapshot._client = client  # type: ignore[assignment]

    page = snapshot.page(limit=1_000, domain="physics")

    assert page.examples == [client.example] and page.epoch == 9
    assert msgspec.json.decode(page.raw(), type=Page).examples == page.examples
    (request,) = client.sent
    assert request.query == {"domain": ["physics"], "limit": 1_000, "cursor": None, "min_epoch": 1}
    assert snapshot.get(200) == client.example
    assert snapshot.fallbacks == 2
    assert snapshot.error is not None and str(path) in snapshot.error
    snapshot._client = FakeClient(archived=True)  # type: ignore[assignment]
    with pytest.raises(NotFoundError):
        snapshot.get(200)


@pytest.mark.parametrize("trouble", ["no memory", "no such device", "permission"])
def test_where_mapping_fails_reads_go_over_the_socket(
    home: Home, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """A file system or a limit that allows no maps costs speed, not the data."""
    client = FakeClient()
    monkeypatch.setattr(Client, "send", lambda self, request: client.send(request))
    monkeypatch.setattr(Client, "status", lambda self: type("Status", (), {"epoch": 9})())
    error = {"no memory": OSError(12, "x"), "no such device": OSError(19, "x"), "permission": PermissionError(13, "x")}

    def refuse(*args: object, **options: object) -> None:
        raise error[trouble]

    monkeypatch.setattr("mmap.mmap", refuse)
    snapshot = open_snapshot(9, home.dir)

    assert snapshot.epoch == 9 and snapshot.page().examples == [client.example]
    assert snapshot.fallbacks == 2 and "cannot be mapped" in (snapshot.error or "")
    with pytest.raises(StaleSnapshot):
        open_snapshot(10, home.dir)

    monkeypatch.undo()
    assert snapshot.refresh() == 1 and len(all_ids(snapshot)) == len(ROWS)


def test_damage_is_told_where_no_daemon_answers(
    home: Home, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a daemon the error names the damaged file, not the missing daemon."""
    monkeypatch.setenv("MCAI_NO_START", "1")
    path = damage(home, "json")
    with pytest.raises(SnapshotDamagedError, match=path.name) as caught:
        open_snapshot(home=home.dir)
    assert isinstance(caught.value.__cause__, DaemonNotRunningError)


def test_a_graph_is_used_and_a_damaged_one_is_passed_over_once(
    home: Home, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A search goes through the graph that was published; a damaged one costs speed, one warning, and no hit."""
    monkeypatch.setattr(merging, "GRAPH_FROM_ROWS", 100)
    monkeypatch.setattr(graph.Graph, "pays", lambda self, limit: True)
    scanned = open_snapshot(home=home.dir).search(vector_of("x"), limit=5)
    due = store.graph_due()
    assert due is not None
    told = asyncio.run(graph.build(due.vectors_path, due.rows, due.dim, due.out_path))
    assert store.attach_graph(due.segment_name, told)

    with open_snapshot(home=home.dir) as snapshot:
        assert snapshot.search(vector_of("x"), limit=5).hits == scanned.hits
        assert snapshot._published is not None and snapshot._published.view.layers[0].segment.graph is not None
    with due.out_path.open("r+b") as file:
        file.seek(1_000)
        file.write(b"\xff" * 50)
    with open_snapshot(home=home.dir) as snapshot:
        for _ in range(2):
            assert snapshot.search(vector_of("x"), limit=5).hits == scanned.hits
        assert snapshot.fallbacks == 0
    assert [record.message for record in caplog.records] == [f"searches scan all vectors: {due.out_path} is damaged"]


def test_a_page_of_many_segments_is_put_together_in_order(home: Home, store: SnapshotStore) -> None:
    """Edited rows lie in later segments and show in their old places."""
    change(store, [row(number, content="edited") for number in range(1, 250, 3)])
    store.publish()
    change(store, [row(number, content="again") for number in range(2, 250, 6)])
    store.publish()

    page = open_snapshot(home=home.dir).page(limit=1_000)

    assert [example.id for example in page.examples] == [each["id"] for each in ROWS]
    assert [example.content for example in page.examples[:3]] == ["edited", "again", "question 3"]
    assert np.unique([example.id for example in page.examples]).size == len(ROWS)
