"""Versions through the whole stack: the log, differences, and the way back, by domain and as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from helpers import ask, sample, samples
from mcai.client import Client, lifecycle
from mcai.errors import ConflictError, InvalidCursorError, InvalidRequestError, NotFoundError
from mcai.paths import Home

Rows = list[dict[str, Any]]


@pytest.fixture
def own(fresh_home: Home) -> Iterator[Client]:
    """A client of an empty home of its own, for tests that count epochs."""
    with Client(fresh_home.dir) as client:
        yield client


def rows(client: Client, **filters: Any) -> Rows:
    """Every live example, whole, in id order."""
    with client.export(**filters) as stream:
        return [msgspec.json.decode(line) for line in b"".join(stream).splitlines()]


def history(client: Client) -> dict[int, Rows]:
    """Make one change of every kind; return what was live after each epoch, 0 included."""
    states: dict[int, Rows] = {0: []}

    def done(epoch: int) -> None:
        assert epoch == max(states) + 1
        states[epoch] = rows(client)

    added = client.add([*samples(6, domain="a"), *samples(4, first=6, domain="b")])
    ids = [item.id for item in added.results if isinstance(item.id, int)]
    done(added.epoch)
    done(client.edit(ids[0], response="edited once").epoch)
    done(client.edit(ids[0], response="edited twice", emotion="calm").epoch)
    done(client.edit(ids[1], domain="b").epoch)
    done(client.delete([ids[2], ids[7]]).epoch)
    done(client.add(samples(3, first=20, domain="c")).epoch)
    done(client.drop_dataset("b").epoch)
    done(client.add([sample(7, domain="b")]).epoch)  # what was deleted comes again, under a new id
    return states


def test_every_epoch_can_be_gone_back_to(own: Client) -> None:
    """After a rollback the examples are, ids and all, what they were; going back is an epoch and can be undone."""
    states = history(own)
    head = max(states)
    for epoch in [*states, head]:
        before = rows(own)
        result = own.rollback(epoch)
        assert rows(own) == states[epoch]
        assert result.restored or result.removed or before == states[epoch]
        assert own.diff(epoch, result.epoch).domains == []
    assert rows(own) == states[head]


def test_log_tells_every_epoch_newest_first(own: Client) -> None:
    """Kind and counts of each change; a domain's log has the epochs that touched it, and pages lead through all."""
    history(own)
    log = own.log()
    assert [entry.op for entry in reversed(log.entries)] == [
        "add",
        "edit",
        "edit",
        "edit",
        "delete",
        "add",
        "delete dataset",
        "add",
    ]
    assert [entry.epoch for entry in log.entries] == list(range(8, 0, -1)) and log.next_cursor is None
    first = log.entries[-1]
    assert [(each.domain, each.added, each.removed) for each in first.domains] == [("a", 6, 0), ("b", 4, 0)]
    moved = log.entries[4]
    assert [(each.domain, each.added, each.removed) for each in moved.domains] == [("a", 0, 1), ("b", 1, 0)]
    assert [entry.epoch for entry in own.log("c").entries] == [6]
    paged = []
    cursor = None
    while True:
        page = own.log("b", limit=2, cursor=cursor)
        paged += page.entries
        cursor = page.next_cursor
        if cursor is None:
            break
    assert paged == own.log("b").entries and [entry.epoch for entry in paged] == [8, 7, 5, 4, 1]
    with pytest.raises(InvalidCursorError):
        own.log("a", cursor=own.log("b", limit=2).next_cursor)


def test_diff_counts_by_id(own: Client) -> None:
    """Added, removed and edited examples by domain, in both directions; what went and came back is no difference."""
    states = history(own)
    there = {each.domain: (each.added, each.removed, each.edited) for each in own.diff(1, 6).domains}
    assert there == {"a": (0, 2, 1), "b": (1, 1, 0), "c": (3, 0, 0)}
    back = {each.domain: (each.removed, each.added, each.edited) for each in own.diff(6, 1).domains}
    assert back == there
    assert [each.domain for each in own.diff(1, 6, "c").domains] == ["c"]
    assert own.diff(3, 3).domains == []
    own.rollback(3)
    assert own.diff(3, max(states) + 1).domains == []


def test_a_domain_goes_back_alone(own: Client) -> None:
    """One domain becomes what it was, one that moved elsewhere comes home; the others stay as they are."""
    states = history(own)
    others = rows(own, domain=["c"])
    own.rollback(3, "a")
    assert rows(own, domain="a") == [row for row in states[3] if row["domain"] == "a"]
    assert rows(own, domain="c") == others


def test_a_domain_does_not_take_another_s_place(own: Client) -> None:
    """Where an example has a row's place by now, going back for one domain alone is refused and changes nothing."""
    first = own.add([sample(1, domain="a")])
    [item] = first.results
    assert isinstance(item.id, int)
    own.edit(item.id, domain="b")
    own.add([sample(1, domain="a")])
    now = rows(own)
    with pytest.raises(ConflictError):
        own.rollback(first.epoch, "b")  # the example that moved there would have to go home
    assert rows(own) == now and own.status().epoch == 3


def test_a_dry_run_foretells_and_changes_nothing(own: Client) -> None:
    """The counts are those of the deed; no epoch is made."""
    history(own)
    now, epoch = rows(own), own.status().epoch
    told = own.rollback(2, dry_run=True), own.drop_dataset("a", dry_run=True)
    assert all(each.dry_run and each.epoch == epoch for each in told)
    assert rows(own) == now and own.status().epoch == epoch
    done = own.rollback(2)
    assert (done.restored, done.removed, done.dry_run) == (told[0].restored, told[0].removed, False)


def test_search_follows_a_rollback(own: Client) -> None:
    """What came back is found again, what went is found no more."""
    first = own.add([{"content": "the lighthouse keeper counts gulls", "domain": "sea"}])
    own.drop_dataset("sea")
    own.add([{"content": "a tram driver counts stops", "domain": "land"}])
    own.rollback(first.epoch)
    hits = own.search("who counts", mode="keyword").hits
    assert [hit.domain for hit in hits] == ["sea"]


def test_a_dropped_domain_is_gone_and_comes_back(own: Client) -> None:
    """Nothing of it is listed; its triples are free; a rollback brings its examples with their ids."""
    added = own.add(samples(3, domain="drafts"))
    before = rows(own)
    assert own.drop_dataset("drafts").removed == 3
    assert own.datasets().total == 0 and rows(own) == []
    own.rollback(added.epoch)
    assert rows(own) == before and own.dataset("drafts").examples == 3


def test_history_survives_a_restart(fresh_home: Home, own: Client) -> None:
    """Log and way back are the same after the daemon was stopped and started."""
    states = history(own)
    log = own.log()
    lifecycle.stop(fresh_home)
    assert own.log() == log
    own.rollback(2)
    assert rows(own) == states[2]


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("rollback", (999,)),
        ("rollback", (-1,)),
        ("rollback", (1, "nope")),
        ("diff", (0, 999)),
        ("diff", (0, 1, "nope")),
        ("log", ("nope",)),
        ("drop_dataset", ("nope",)),
    ],
)
def test_what_never_was_is_refused(client: Client, verb: str, arguments: tuple[Any, ...]) -> None:
    """An unknown epoch or domain is a 404 with its name, and nothing is changed."""
    epoch = client.add(samples(2)).epoch
    with pytest.raises(NotFoundError, match=r"999|-1|nope"):
        getattr(client, verb)(*arguments)
    assert client.status().epoch == epoch


@pytest.mark.parametrize("limit", [0, 1001, -5])
def test_limits_of_the_log_are_those_of_pages(client: Client, limit: int) -> None:
    """1 to 1,000; beyond is an error."""
    with pytest.raises(InvalidRequestError):
        client.log(limit=limit)


def test_the_routes_speak_the_contract_s_names(daemon_home: Home, client: Client) -> None:
    """`from` and `to` in the query and in the answer; the answer's epoch in a header too."""
    epoch = client.add(samples(2, domain="routes")).epoch
    diff = ask(daemon_home, "GET", f"/v1/epochs/diff?from=0&to={epoch}&domain=routes")
    change = {"domain": "routes", "added": 2, "removed": 0, "edited": 0}
    assert diff.status == 200 and diff.json() == {"from": 0, "to": epoch, "domains": [change]}
    gone = ask(daemon_home, "DELETE", "/v1/datasets/routes?dry_run=true").json()
    assert gone == {"dry_run": True, "epoch": epoch, "restored": 0, "removed": 2, "forgotten": 0}
    log = ask(daemon_home, "GET", "/v1/epochs?limit=1")
    assert log.json()["entries"][0].keys() == {"epoch", "at", "op", "domains"}
    assert log.headers["mcai-epoch"] == str(epoch)
