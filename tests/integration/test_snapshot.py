"""The mapped snapshot beside the real daemon: the same bytes, soon after each write, at hardly any memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

import mcai
from helpers import all_ids, ask, samples, wait_until
from mcai.client import Client, lifecycle
from mcai.errors import McaiError, StaleSnapshot
from mcai.paths import Home
from snapshot_kit import numbered, published

TESTS_DIR = Path(__file__).resolve().parents[1]
ROWS = 400


def snapshot_at(home: Home, epoch: int) -> mcai.Snapshot:
    """Return the snapshot of a home as soon as this epoch is published."""
    opened: list[mcai.Snapshot] = []

    def is_published() -> bool:
        try:
            opened.append(mcai.open_snapshot(min_epoch=epoch, home=home.dir))
        except (StaleSnapshot, mcai.McaiError):
            return False
        return True

    wait_until(is_published, f"epoch {epoch} is published")
    return opened[0]


@pytest.fixture(scope="module")
def filled(daemon_home: Home) -> Home:
    with Client(daemon_home.dir) as client:
        client.add(samples(ROWS, emotion="Calm", metadata={"tags": ["a", {"b": None}], "n": 2.5}, source="/a/b.json#1"))
        client.add(samples(50, first=ROWS, domain="o'brien ☕", response='quoted "text"\n', frequency_hz=8.0))
        client.delete([3, 5])
        client.edit(7, content="edited")
    return daemon_home


@pytest.mark.parametrize(
    ("filters", "query"),
    [
        ({}, ""),
        ({"limit": 1_000}, "limit=1000"),
        ({"domain": "o'brien ☕"}, "domain=o%27brien%20%E2%98%95"),
        ({"emotion": "calm", "limit": 7}, "emotion=calm&limit=7"),
        ({"frequency": "7..9"}, "frequency=7..9"),
        ({"source": "/nowhere"}, "source=/nowhere"),
    ],
)
def test_raw_has_the_bytes_of_the_route(filled: Home, client: Client, filters: dict[str, object], query: str) -> None:
    """A page's raw() is byte for byte what GET /v1/examples answers, its cursor included."""
    epoch = client.status().epoch

    page = snapshot_at(filled, epoch).page(**filters)  # type: ignore[arg-type]

    assert page.raw() == ask(filled, "GET", f"/v1/examples?{query}").body
    if page.next_cursor is not None:
        again = client.page(cursor=page.next_cursor, **filters)  # type: ignore[arg-type]
        assert again.examples[0].id > page.examples[-1].id


def test_a_write_is_published_soon_and_read_by_its_epoch(filled: Home, client: Client) -> None:
    """Who was told epoch E gets a snapshot of E or newer, in which the row is."""
    added = client.add([{"content": "just written", "domain": "news"}])

    snapshot = snapshot_at(filled, added.epoch)

    assert [example.content for example in snapshot.page(domain="news").examples] == ["just written"]
    assert snapshot.get(added.results[0].id).content == "just written"  # type: ignore[arg-type]


def test_search_finds_what_the_daemon_finds(filled: Home, client: Client) -> None:
    """A semantic search in this process has the hits and the scores of the daemon's."""
    snapshot = snapshot_at(filled, client.status().epoch)
    text = "question 17 and its answer"

    mine, its = snapshot.search(text, limit=5), client.search(text, mode="semantic", limit=5)

    assert [hit.id for hit in mine.hits] == [hit.id for hit in its.hits]
    assert [hit.score for hit in mine.hits] == pytest.approx([hit.score for hit in its.hits], abs=1e-4)


def test_readers_see_whole_epochs_while_others_write(filled: Home) -> None:
    """A reader that walks and refreshes while batches come and go never sees half of one."""
    stop = threading.Event()

    def write() -> None:
        with Client(filled.dir) as client:
            number = 0
            while not stop.is_set():
                added = client.add(samples(10, first=10_000 + 10 * number, domain="batch"))
                client.delete([item.id for item in added.results if isinstance(item.id, int)])
                number += 1

    snapshot = snapshot_at(filled, 1)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = set()
        for _ in range(200):
            snapshot.refresh()
            seen.add(snapshot.epoch)
            assert len(snapshot.page(domain="batch").examples) in (0, 10)
    finally:
        stop.set()
        writer.join()
    assert snapshot.fallbacks == 0


def test_damaged_files_cost_nothing_but_time(fresh_home: Home) -> None:
    """With every data file damaged, a reader starts the daemon and gets the right rows; the snapshot is made anew."""
    with Client(fresh_home.dir) as client:
        epoch = client.add(samples(60)).epoch
        snapshot_at(fresh_home, epoch).close()
        expected = all_ids(client)
    lifecycle.stop(fresh_home)
    for path in [*fresh_home.snapshot_dir.glob("*.arrow"), *fresh_home.snapshot_dir.glob("*.vectors")]:
        raw = bytearray(path.read_bytes())
        raw[64:] = bytes(byte ^ 0x55 for byte in raw[64:])
        path.write_bytes(raw)

    snapshot = mcai.open_snapshot(home=fresh_home.dir)

    assert [example.id for example in snapshot.page(limit=1_000).examples] == expected
    assert snapshot.fallbacks == 1 and snapshot.error is not None and "damaged" in snapshot.error

    def is_sound() -> bool:
        snapshot.refresh()
        before = snapshot.fallbacks
        try:
            return len(snapshot.page(limit=1_000).examples) == 60 and snapshot.fallbacks == before
        except McaiError:
            return False

    wait_until(is_sound, "the snapshot is made anew")


READER = """
import gc, sys, mcai, numpy
def private_mb(*kinds):
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.split(":")[0] in kinds) / 1e3
small, big = sys.argv[1:]
mcai.open_snapshot(home=small).page(limit=1).examples
gc.collect()
dirty, unshared = private_mb("Private_Dirty"), private_mb("Private_Dirty", "Private_Clean")
snapshot = mcai.open_snapshot(home=big)
rows, cursor, more = 0, None, True
while more:
    page = snapshot.page(limit=1000, cursor=cursor)
    rows, cursor = rows + len(page.examples), page.next_cursor
    more = cursor is not None
del page
gc.collect()
print("read", flush=True); sys.stdin.readline()
added = private_mb("Private_Dirty") - dirty, private_mb("Private_Dirty", "Private_Clean") - unshared
maps = sum("/snapshot/" in line for line in open("/proc/self/maps"))
print(rows, *added, maps, flush=True); sys.stdin.readline()
"""


def test_one_more_reader_costs_hardly_any_memory(tmp_path: Path) -> None:
    """A process that reads every row adds little of its own, because what it reads is mapped and shared."""
    small, big = Home(tmp_path / "small"), Home(tmp_path / "big")
    published(small.snapshot_dir, numbered(3)).close()
    published(big.snapshot_dir, numbered(20_000, content="of 800 bytes " * 60)).close()
    command = [sys.executable, "-c", READER, str(small.dir), str(big.dir)]
    readers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ})
        for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout is not None and reader.stdout.readline() == "read\n"
    told: list[list[float]] = []
    for reader in readers:  # each is asked while the other has everything mapped, too
        assert reader.stdin is not None and reader.stdout is not None
        reader.stdin.write("\n")
        reader.stdin.flush()
        told.append(msgspec.json.decode("[" + reader.stdout.readline().replace(" ", ",") + "]", type=list[float]))
    for reader in readers:
        reader.communicate("\n")

    for rows, dirty_mb, unshared_mb, maps in told:
        assert rows == 20_000 and maps >= 4
        assert dirty_mb < 5 and unshared_mb < 5, "MB; the files have 17"
