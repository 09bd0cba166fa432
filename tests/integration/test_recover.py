"""Recovering: from kill -9, from a lost or stale file, without a human, and without losing what was acknowledged."""

from __future__ import annotations

import shutil
import socket
import threading
import uuid
from collections.abc import Iterator, Sized

import pytest

from helpers import all_ids, contents, kill, log_of, raws, sample, samples, wait_until
from mcai.client import Client, lifecycle
from mcai.errors import DaemonError, EpochNotReachedError
from mcai.paths import Home

KILLS = 3
BATCH = 20


@pytest.fixture
def client(fresh_home: Home) -> Iterator[Client]:
    """A client of the test's own home, which starts the daemon when it is absent, as any program's does."""
    with Client(fresh_home.dir) as client:
        yield client


def test_dead_owner_and_its_stale_socket_are_replaced(fresh_home: Home, client: Client) -> None:
    """After kill -9 the next call works, and every acknowledged row is there (I1, I7)."""
    client.add(samples(50))
    first = client.status().daemon.pid
    kill(fresh_home)
    assert fresh_home.socket_path.is_socket(), "a killed daemon leaves its socket"

    assert client.status().daemon.pid != first
    assert contents(client) == [f"question {number}" for number in range(50)]


def test_socket_file_of_anybody_is_replaced(fresh_home: Home, client: Client) -> None:
    """A file or a dead socket at the socket's place does not keep the daemon from starting."""
    fresh_home.dir.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(fresh_home.socket_path))

    assert client.status().examples == 0


@pytest.mark.parametrize("text", [b"", b"no json", b'{"pid": 1, "version": "0", "started_at": ""}'])
def test_lock_file_means_nothing_without_its_lock(fresh_home: Home, client: Client, text: bytes) -> None:
    """What a dead daemon, or one killed while it wrote, left in its lock file is no owner."""
    fresh_home.dir.mkdir(mode=0o700)
    fresh_home.lock_path.write_bytes(text)

    assert lifecycle.running(fresh_home) is None
    assert client.status().examples == 0


def test_kill_in_the_middle_of_adding_loses_and_doubles_nothing(fresh_home: Home) -> None:
    """A writer that retries with its keys ends with each row exactly once, however often the daemon was killed.

    (I1: nothing acknowledged is lost. I2: no second copy.)
    """
    acknowledged: dict[int, int] = {}
    batches = 60
    failures: list[BaseException] = []
    run = uuid.uuid4().hex

    def write() -> None:
        try:
            with Client(fresh_home.dir) as client:
                for batch in range(batches):
                    rows = samples(BATCH, first=BATCH * batch)
                    while True:  # what a program does that meets a daemon which went away
                        try:
                            done = client.add_batch(raws(rows), key=f"{run}/{batch}")
                            break
                        except DaemonError:
                            continue
                    assert (done.imported, done.duplicate) == (BATCH, 0), "a replay answers what came first"
                    acknowledged.update({BATCH * batch + item.index: int(str(item.id)) for item in done.results})
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(1, KILLS + 1):
        _wait_for(acknowledged, number * batches * BATCH // (KILLS + 1), writer)
        kill(fresh_home)
    writer.join()

    assert failures == []
    with Client(fresh_home.dir) as client:
        ids = all_ids(client, limit=1_000)
        assert ids == sorted(set(ids)) and len(ids) == batches * BATCH
        assert sorted(acknowledged.values()) == ids
        assert sorted(contents(client)) == sorted(sample(number)["content"] for number in range(batches * BATCH))
        assert client.datasets().total == client.status().examples == len(ids)
    assert log_of(fresh_home).count('"event": "serving"') == KILLS + 1


def _wait_for(acknowledged: Sized, goal: int, writer: threading.Thread) -> None:
    wait_until(lambda: len(acknowledged) >= goal or not writer.is_alive(), f"{goal} rows are acknowledged")


def test_retry_after_a_lost_answer_gets_the_first_one(fresh_home: Home, client: Client) -> None:
    """The daemon dies between storing and answering: the retry does not add again."""
    rows = raws(samples(3))
    first = client.add_batch(rows, key="one")
    kill(fresh_home)

    assert client.add_batch(rows, key="one") == first
    assert client.add_batch(rows, key="two").duplicate == 3


def test_restart_catches_up_what_was_not_indexed(fresh_home: Home, client: Client) -> None:
    """Killed right after an acknowledgement, the daemon finds the row by search all the same; what was deleted, not.

    (I3: the index holds what is live. I5: no deleted row in a search.)
    """
    client.add([*samples(5), sample(100, content="the aurora borealis glows")])
    assert client.search("aurora borealis").hits
    gone = client.search("aurora borealis").hits[0].id
    client.delete([gone])
    client.add([sample(101, content="the tide follows the moon")])
    kill(fresh_home)

    found = client.search("the tide follows the moon")

    assert found.hits[0].content == "the tide follows the moon" and found.index_epoch == found.epoch
    assert gone not in {hit.id for hit in client.search("aurora borealis", limit=100).hits}
    assert client.status().index.rows == 6


def test_index_that_is_gone_is_made_anew(fresh_home: Home, client: Client) -> None:
    """The vectors' folder is derived: removed while nothing runs, it is rebuilt from the catalog."""
    client.add(samples(30))
    assert client.search("question 7").hits
    lifecycle.stop(fresh_home)
    shutil.rmtree(fresh_home.vectors_dir)

    found = client.search("question 7", mode="keyword")

    assert found.hits[0].content == "question 7"
    assert client.status().index.rows == 30


def test_damaged_index_is_made_anew(fresh_home: Home, client: Client) -> None:
    """An index whose own files are torn is dropped and rebuilt; rows are not at stake (I6)."""
    client.add(samples(30))
    assert client.search("question 7").hits
    lifecycle.stop(fresh_home)
    torn = [path for path in fresh_home.vectors_dir.rglob("*") if path.is_file() and "_versions" in path.parts]
    assert torn
    for path in torn:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    found = client.search("question 7", mode="keyword")

    assert found.hits[0].content == "question 7"
    wait_until(lambda: client.status().index.rows == 30, "the index is whole again")


def test_index_of_another_history_is_dropped(fresh_home: Home, client: Client) -> None:
    """An index of a catalog that is no more (this one came from a backup, say) would answer with wrong rows.

    It is known by when its epoch was committed, not by its number: the new history may be longer already.
    A client that wrote in the lost history is told, rather than read below what it wrote.
    """
    client.add(samples(5))
    client.add([sample(9, content="only ever in the lost history")])
    assert client.search("lost history").hits
    lifecycle.stop(fresh_home)
    fresh_home.catalog_path.unlink()
    shutil.rmtree(fresh_home.journal_dir)

    with Client(fresh_home.dir) as fresh:
        fresh.add([sample(1, content="a fresh beginning")])
        with pytest.raises(EpochNotReachedError, match="epoch 1, 2 was asked for"):
            client.page()
        for number in (2, 3):
            fresh.add([sample(number, content=f"fresh row {number}")])

        assert [hit.content for hit in fresh.search("beginning history", "keyword").hits] == ["a fresh beginning"]
        assert fresh.status().index.rows == 3
