"""Paging over the socket: each row once, whatever happens meanwhile."""

from __future__ import annotations

import threading

import pytest

from helpers import all_ids, ask, samples
from mcai.client import Client
from mcai.errors import InvalidCursorError, InvalidRequestError
from mcai.paths import Home

ROWS = 60


@pytest.fixture(scope="module")
def ids(daemon_home: Home) -> list[int]:
    """Three domains of twenty rows, taken in turn."""
    with Client(daemon_home.dir, start=False) as client:
        rows = [{**row, "domain": "abc"[number % 3]} for number, row in enumerate(samples(ROWS))]
        return [int(str(item.id)) for item in client.add(rows).results]


@pytest.mark.parametrize("limit", [1, 7, 20, 1_000])
@pytest.mark.parametrize("domain", ["a", "c", ["a", "b"], None])
def test_walk_shows_each_row_once(client: Client, ids: list[int], limit: int, domain: str | list[str] | None) -> None:
    """By whatever steps, a walk visits every row of its filter exactly once, in id order."""
    wanted = set("abc" if domain is None else domain)
    if domain is None and limit == 1:
        limit = 3

    seen = [each for each in all_ids(client, limit=limit, domain=domain) if each in ids]

    assert seen == [example_id for number, example_id in enumerate(ids) if "abc"[number % 3] in wanted]


def test_last_page_has_no_cursor(client: Client, ids: list[int]) -> None:
    """`next_cursor` is null as soon as no further row existed, also when the page was just filled."""
    full = client.page(domain="a", limit=20)
    first = client.page(domain="a", limit=19)

    assert len(full.examples) == 20 and full.next_cursor is None
    assert first.next_cursor is not None
    last = client.page(domain="a", limit=19, cursor=first.next_cursor)
    assert len(last.examples) == 1 and last.next_cursor is None


def test_unknown_domain_is_an_empty_page(client: Client, ids: list[int]) -> None:
    """A filter that nothing matches is no error."""
    page = client.page(domain="nowhere")

    assert page.examples == [] and page.next_cursor is None and page.epoch > 0


def test_filters_work_over_the_wire(client: Client, ids: list[int]) -> None:
    """Each filter arrives: the client's spelling, the query string, the store."""
    client.add(
        [
            {"content": "f1", "domain": "f", "emotion": "Calm", "frequency_hz": 10, "created_at": "2025-06-01"},
            {"content": "f2", "domain": "f", "source": "/data/x y/ä+b&c.json#1"},
            {"content": "f3", "domain": "f", "metadata": {"frequency_range": [9, 11]}},
        ]
    )

    def found(**filters: object) -> list[str]:
        return [each.content for each in client.page(domain="f", **filters).examples]  # type: ignore[arg-type]

    assert found(emotion="CALM") == ["f1"]
    assert found(frequency=(10, None)) == ["f1", "f3"] and found(frequency="..9") == ["f3"]
    assert found(since="2025-06-01", until="2025-06-02") == ["f1"] and found(until="2025-06-01") == []
    assert found(source="/data/x y") == ["f2"] and found(source="/data/x y/ä+b&c.json") == ["f2"]


def test_cursor_survives_concurrent_writes(client: Client, daemon_home: Home, ids: list[int]) -> None:
    """While another client adds 500 acknowledged rows and deletes others, each row that lives throughout comes once.

    New rows come at the end; deleted ones may or may not be met.
    """
    with Client(daemon_home.dir, start=False) as writer:
        old = [int(str(item.id)) for item in writer.add(samples(200, domain="busy")).results]
        victims = old[5::20]
        done = threading.Event()
        acknowledged: list[int] = []

        def write() -> None:
            for batch in range(10):
                added = writer.add(samples(50, first=1_000 + 50 * batch, domain="busy"))
                acknowledged.extend(int(str(item.id)) for item in added.results)
                writer.delete(victims[batch : batch + 1])
            done.set()

        page = client.page(domain="busy", limit=7)
        seen = [each.id for each in page.examples]
        thread = threading.Thread(target=write)
        thread.start()
        while page.next_cursor is not None or not done.is_set():
            if page.next_cursor is None:
                break
            page = client.page(domain="busy", limit=7, cursor=page.next_cursor)
            seen += [each.id for each in page.examples]
            if len(seen) == 49:
                done.wait()  # the writer is at least 500 rows further before the walk goes on
        thread.join()

    assert len(acknowledged) == 500
    assert seen == sorted(set(seen)), "in id order, none twice"
    assert set(old) - set(victims) <= set(seen) and set(acknowledged) <= set(seen)


def test_walk_may_go_on_after_its_place_was_deleted(client: Client, ids: list[int]) -> None:
    """A cursor is a place, not a row: the row that it came from may go."""
    added = [int(str(item.id)) for item in client.add(samples(4, domain="shrinking")).results]
    first = client.page(domain="shrinking", limit=2)
    client.delete(added[:3])

    assert [each.id for each in client.page(domain="shrinking", limit=2, cursor=first.next_cursor).examples] == added[
        3:
    ]


def test_cursor_of_other_filters_is_an_error(client: Client, ids: list[int]) -> None:
    """A cursor is bound to its filters; the limit is no filter."""
    cursor = client.page(domain="a", limit=2).next_cursor

    assert client.page(domain="a", limit=5, cursor=cursor).examples
    with pytest.raises(InvalidCursorError, match="other filters") as caught:
        client.page(domain="b", cursor=cursor)
    assert "without a cursor" in caught.value.hint
    with pytest.raises(InvalidCursorError):
        client.page(cursor=cursor)


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "%00", "a" * 500, "....", "ä"])
def test_invented_cursor_is_an_error(client: Client, cursor: str) -> None:
    """What is no cursor is refused, never taken for the beginning."""
    with pytest.raises(InvalidCursorError):
        client.page(cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1_001, 10**17])
def test_limit_beyond_1_to_1000_is_an_error(client: Client, limit: int) -> None:
    """The limit is never silently cut."""
    with pytest.raises(InvalidRequestError, match="1 to 1,000"):
        client.page(limit=limit)


def test_limits_are_inclusive(client: Client, ids: list[int]) -> None:
    """1 and 1,000 are allowed; 100 is what a page has when nothing is said."""
    assert len(client.page(limit=1).examples) == 1
    client.add(samples(120, domain="many"))
    assert len(client.page(domain="many", limit=1_000).examples) == 120
    assert len(client.page(domain="many").examples) == 100


def test_page_ahead_of_its_time_is_refused_for_now(client: Client, daemon_home: Home, ids: list[int]) -> None:
    """`min_epoch` beyond the newest epoch is a 503 that says when to come back, on every read."""
    ahead = client.status().epoch + 1
    for target in (
        "/v1/examples",
        f"/v1/examples/{ids[0]}",
        "/v1/status",
        "/v1/datasets",
        "/v1/export",
        "/v1/emotions",
    ):
        reply = ask(daemon_home, "GET", f"{target}?min_epoch={ahead}")
        assert (reply.status, reply.code) == (503, "epoch_not_reached"), target
        assert int(reply.headers["retry-after"]) >= 1
        assert ask(daemon_home, "GET", f"{target}?min_epoch={ahead - 1}").status == 200
