"""Adding over the socket: what a program sends, and what becomes of it."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from helpers import ask, contents, raws, samples
from mcai.client import Client
from mcai.errors import IdempotencyConflictError
from mcai.paths import Home
from mcai.records import MAX_BATCH_RECORDS, MAX_RECORD_BYTES, NewExample
from mcai.wire import calls

POST = ("POST", "/v1/examples")


@pytest.fixture
def domain() -> str:
    """A domain of the test's own in the file's shared home."""
    return f"domain {uuid.uuid4().hex}"


def test_example_comes_back_field_for_field(client: Client, domain: str) -> None:
    """What was added is what get, page and export show; `add` keeps the caller's source, or none."""
    full = NewExample(
        "Grüße 👋\n\u2028",
        "",
        domain,
        "Calm",
        7.83,
        "2025-10-17T02:39:20.063180+02:00",
        "/a b.json#3",
        {"nested": [1, 2.5, None, {"k": True}], "n": 2**63},
    )
    bare = {"content": "bare", "domain": domain}

    result = client.add([full, bare])
    one, other = (client.get(int(str(item.id))) for item in result.results)

    assert (one.content, one.response, one.domain, one.emotion) == (full.content, "", domain, "Calm")
    assert (one.frequency_hz, one.created_at) == (7.83, "2025-10-17T00:39:20.063180Z")
    assert (one.source, one.metadata) == ("/a b.json#3", full.metadata)
    assert (other.response, other.emotion, other.frequency_hz, other.created_at, other.source) == (None,) * 5
    assert other.metadata == {} and not other.archived and other.epoch >= result.epoch
    fields = [
        {name: getattr(each, name) for name in client.page().examples[0].__struct_fields__} for each in (one, other)
    ]
    assert [msgspec.to_builtins(each) for each in client.page(domain=domain).examples] == fields
    with client.export(domain=domain) as stream:
        assert [msgspec.json.decode(line) for line in b"".join(stream).splitlines()] == fields


def test_any_number_is_split(client: Client, domain: str) -> None:
    """More than a request may carry is several requests and one answer."""
    count = 2 * calls.BATCH_RECORDS + 5

    result = client.add({**each, "domain": domain} for each in samples(count))

    assert (result.imported, len(result.results)) == (count, count)
    assert [item.index for item in result.results] == list(range(count))
    assert client.dataset(domain).examples == count == len(contents(client, domain=domain))


def test_rejected_and_duplicate_records_leave_the_others_alone(client: Client, domain: str) -> None:
    """Each record of a batch has an answer of its own, at its own place, with a reason where it was refused."""
    good = {"content": "good", "domain": domain}
    bad: list[dict[str, Any]] = [
        {"content": "  "},
        {"response": "no content"},
        {"content": 5},
        {"content": "c", "created_at": "soon"},
        {"content": "c", "unheard_of": 1},
        {"content": "c" * (MAX_RECORD_BYTES + 1)},
    ]

    result = client.add([bad[0], good, *bad[1:], good, {"content": "last", "domain": domain}])

    statuses = [item.status for item in result.results]
    assert statuses == ["rejected", "imported", *["rejected"] * 5, "duplicate", "imported"]
    assert all(item.reason for item in result.results if item.status == "rejected")
    assert (result.imported, result.duplicate, result.rejected) == (2, 1, 6)
    assert contents(client, domain=domain) == ["good", "last"]


def test_deeply_nested_record_leaves_the_others_alone(client: Client, domain: str) -> None:
    """A record that is nested too deeply to be decoded is rejected by itself (a caller may write any JSON)."""
    deep = msgspec.Raw(b'{"content": "deep", "metadata": {"k": ' + b"[" * 500 + b"]" * 500 + b"}}")

    result = client.add_batch([*raws([{"content": "good", "domain": domain}]), deep], key=domain)

    assert [item.status for item in result.results] == ["imported", "rejected"]
    assert "nested" in str(result.results[1].reason)


def test_same_key_is_the_same_request(client: Client, domain: str) -> None:
    """A retry of `add` with its key answers what the first answered, batch by batch."""
    examples = [{**each, "domain": domain} for each in samples(calls.BATCH_RECORDS + 3)]
    first = client.add(examples, idempotency_key=domain)

    assert client.add(examples, idempotency_key=domain) == first
    assert client.dataset(domain).examples == len(examples)


def test_same_key_with_another_body_is_refused(client: Client, domain: str) -> None:
    """A key that was used for something else is a conflict, and nothing is added."""
    client.add([{"content": "a", "domain": domain}], idempotency_key=domain)

    with pytest.raises(IdempotencyConflictError) as caught:
        client.add([{"content": "b", "domain": domain}], idempotency_key=domain)

    assert caught.value.hint and contents(client, domain=domain) == ["a"]


def test_dry_run_changes_nothing(client: Client, domain: str) -> None:
    """Duplicates are told, rows and epoch stay."""
    batch = raws([{"content": "a", "domain": domain}, {"content": "a", "domain": domain}, {"content": ""}])
    before = client.status().epoch

    result = client.add_batch(batch, key=domain, dry_run=True)

    assert (result.imported, result.duplicate, result.rejected, result.epoch) == (1, 1, 1, before)
    assert client.status().epoch == before and client.page(domain=domain).examples == []


def test_container_metadata_shows_with_the_dataset(client: Client, domain: str) -> None:
    """What a file says of itself is the dataset's metadata."""
    client.add_batch(raws([{"content": "a", "domain": domain}]), key=domain, containers={domain: [{"title": "A"}]})

    shown = client.dataset(domain)

    assert (shown.domain, shown.examples, shown.metadata) == (domain, 1, {"title": "A"})
    assert shown in client.datasets().datasets and shown.created_at.endswith("Z")


@pytest.mark.parametrize("name", ["a/b", "..", "?x=1#y", "50 %", "ü/ß", "a//b/", "%2F"])
def test_domain_may_have_any_name(client: Client, name: str) -> None:
    """A domain is found by its name whatever signs it has."""
    client.add([{"content": f"of {name}", "domain": name}])

    assert client.dataset(name).domain == name
    assert [each.domain for each in client.page(domain=name).examples] == [name]


def test_writers_at_once_do_not_meet(client: Client, domain: str) -> None:
    """Many threads share one client: each row is there once, each answer belongs to its question."""

    def write(number: int) -> list[str]:
        rows = [{"content": f"{number}/{each}", "domain": domain} for each in range(10)]
        items = client.add(rows).results
        return [client.get(int(str(item.id))).content for item in items]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(write, range(16)))

    assert found == [[f"{number}/{each}" for each in range(10)] for number in range(16)]
    assert client.dataset(domain).examples == 160


def test_too_many_records_in_one_request_are_refused(daemon_home: Home) -> None:
    """Beyond 5,000 the request is refused as a whole, with a way out."""
    reply = ask(daemon_home, *POST, {"examples": [{"content": "c"}] * (MAX_BATCH_RECORDS + 1)})

    assert (reply.status, reply.code) == (400, "invalid_request")
    assert "5,000" in reply.json()["error"]["message"]


def test_record_larger_than_a_request_is_rejected(client: Client, domain: str) -> None:
    """What no request can carry is rejected by its size; what is beside it is added."""
    added = client.add([{"content": "x" * (33 << 20), "domain": domain}, {"content": "small", "domain": domain}])

    assert [item.status for item in added.results] == ["rejected", "imported"]
    assert "1 MiB" in str(added.results[0].reason)


@pytest.mark.parametrize("length", [0, 201])
def test_unusable_key_is_refused(daemon_home: Home, length: int) -> None:
    """A key has 1 to 200 characters."""
    reply = ask(daemon_home, *POST, {"examples": []}, {"Idempotency-Key": "k" * length})

    assert (reply.status, reply.code) == (400, "invalid_request")


def test_every_write_is_one_epoch(client: Client, domain: str) -> None:
    """A batch is one epoch, a batch that changes nothing none; every answer names the epoch it was read at."""
    before = client.status().epoch
    added = client.add([{"content": "a", "domain": domain}, {"content": "b", "domain": domain}])
    again = client.add([{"content": "a", "domain": domain}])

    assert added.epoch == before + 1 == again.epoch == client.page().epoch == client.status().epoch
    assert client.dataset(domain).version == added.epoch


def test_unserialisable_example_never_leaves(client: Client) -> None:
    """What cannot be written as JSON is rejected, and says so."""
    added = client.add([{"content": object()}])

    assert added.rejected == 1 and "JSON" in str(added.results[0].reason)
