"""Deleting over the socket."""

from __future__ import annotations

import pytest

from helpers import all_ids, ask, samples
from mcai.client import Client
from mcai.errors import NotFoundError
from mcai.paths import Home


def _add(client: Client, count: int, domain: str) -> list[int]:
    return [int(str(item.id)) for item in client.add(samples(count, domain=domain)).results]


def test_deleted_is_gone_and_missing_is_named(client: Client) -> None:
    """Deleted rows are found by no read; unknown ids are told and are no error."""
    ids = _add(client, 3, "gone")

    result = client.delete([ids[0], 999_999_999, ids[2], ids[0]])

    assert (result.deleted, result.missing) == (2, [999_999_999])
    assert all_ids(client, domain="gone") == [ids[1]] and client.dataset("gone").examples == 1
    with pytest.raises(NotFoundError, match=f"example {ids[0]} does not exist"):
        client.get(ids[0])


def test_freed_triple_gets_a_new_id(client: Client) -> None:
    """What is added after a delete is new: its id is higher than any before."""
    [first] = _add(client, 1, "freed")
    client.delete([first])

    [second] = _add(client, 1, "freed")

    assert second > first


def test_one_can_be_deleted_by_its_path(daemon_home: Home, client: Client) -> None:
    """DELETE of one example answers like the batch; a second time it is missing."""
    [example_id] = _add(client, 1, "by path")

    first = ask(daemon_home, "DELETE", f"/v1/examples/{example_id}")
    again = ask(daemon_home, "DELETE", f"/v1/examples/{example_id}")

    assert (first.status, first.json()["deleted"], first.json()["missing"]) == (200, 1, [])
    assert (again.status, again.json()["deleted"], again.json()["missing"]) == (200, 0, [example_id])


def test_delete_without_ids_is_refused(daemon_home: Home) -> None:
    """Naming nothing is an error, never everything."""
    bodies: list[dict[str, list[int] | None]] = [{"ids": []}, {}, {"ids": None}]
    for body in bodies:
        reply = ask(daemon_home, "DELETE", "/v1/examples", body)
        assert (reply.status, reply.code) == (400, "invalid_request")


def test_retry_with_its_key_answers_the_same(daemon_home: Home, client: Client) -> None:
    """A delete whose answer was lost is not told that its rows are missing."""
    ids = _add(client, 2, "retried")
    key = {"Idempotency-Key": "delete retried"}

    first = ask(daemon_home, "DELETE", "/v1/examples", {"ids": ids}, key)
    again = ask(daemon_home, "DELETE", "/v1/examples", {"ids": ids}, key)

    assert first.json() == again.json() == {"epoch": first.json()["epoch"], "deleted": 2, "missing": []}


@pytest.mark.parametrize("example_id", [10**18, (1 << 63) - 1, 1 << 63, 10**30])
def test_id_of_any_size_is_answered(daemon_home: Home, example_id: int) -> None:
    """An id that no example can have is not found; it breaks nothing."""
    assert ask(daemon_home, "GET", f"/v1/examples/{example_id}").code == "not_found"
    assert ask(daemon_home, "DELETE", "/v1/examples", {"ids": [example_id]}).status in (200, 400, 404)
