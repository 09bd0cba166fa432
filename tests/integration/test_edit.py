"""Editing over the socket."""

from __future__ import annotations

from typing import Any

import pytest

from helpers import ask, sample
from mcai.client import Client
from mcai.errors import ConflictError, InvalidRequestError, NotFoundError
from mcai.paths import Home


@pytest.fixture
def example_id(client: Client, request: pytest.FixtureRequest) -> int:
    """A new example, full of values."""
    full = sample(0, content=request.node.name, emotion="calm", frequency_hz=10.0, created_at="2025-01-01")
    return int(str(client.add([{**full, "source": "/a#1", "metadata": {"k": [1]}}]).results[0].id))


def test_changed_fields_change_and_the_others_stay(client: Client, example_id: int) -> None:
    """An edit keeps the id and whatever it does not name; a later read shows it."""
    before = client.get(example_id)

    edited = client.edit(example_id, response="new", metadata={"k": 2})

    assert (edited.id, edited.response, edited.metadata) == (example_id, "new", {"k": 2})
    for name in ("domain", "content", "emotion", "frequency_hz", "created_at", "source"):
        assert getattr(edited, name) == getattr(before, name)
    assert client.get(example_id) == edited and edited.epoch == before.epoch + 1


def test_none_empties_a_field(client: Client, example_id: int) -> None:
    """None is a value: it takes away what may be absent."""
    edited = client.edit(example_id, response=None, emotion=None, frequency_hz=None, created_at=None)

    assert (edited.response, edited.emotion, edited.frequency_hz, edited.created_at) == (None,) * 4


@pytest.mark.parametrize("changes", [{}, {"emotion": "calm"}, {"metadata": {"k": [1]}, "frequency_hz": 10}], ids=str)
def test_edit_that_changes_nothing_makes_no_epoch(client: Client, example_id: int, changes: dict[str, Any]) -> None:
    """Saying again what is there already is no change."""
    before = client.status().epoch

    assert client.edit(example_id, **changes).epoch == before == client.status().epoch


def test_edit_onto_another_example_is_refused(client: Client, example_id: int) -> None:
    """409 names the example that has this domain, content and response already."""
    other = client.get(int(str(client.add([sample(1, content=f"other of {example_id}")]).results[0].id)))

    with pytest.raises(ConflictError, match=f"example {other.id}"):
        client.edit(example_id, content=other.content, response=other.response)


def test_unknown_id_is_not_found(client: Client) -> None:
    """There is nothing to edit; the message names the id."""
    with pytest.raises(NotFoundError, match="999999999"):
        client.edit(999_999_999, content="x")


@pytest.mark.parametrize(
    "changes",
    [
        {"content": " "},
        {"content": None},
        {"nonsense": 1},
        {"id": 5},
        {"frequency_hz": -1},
        {"metadata": []},
        {"domain": 7},
    ],
    ids=str,
)
def test_unusable_change_is_refused(
    daemon_home: Home, client: Client, example_id: int, changes: dict[str, Any]
) -> None:
    """400 names the field, and nothing is changed."""
    before = client.get(example_id)

    reply = ask(daemon_home, "PATCH", f"/v1/examples/{example_id}", changes)

    assert (reply.status, reply.code) == (400, "invalid_request")
    assert next(iter(changes)) in reply.json()["error"]["message"]
    assert client.get(example_id) == before


def test_client_s_own_check_is_the_daemon_s(client: Client, example_id: int) -> None:
    """The error of the daemon is the error that the client raises."""
    with pytest.raises(InvalidRequestError, match="content is blank"):
        client.edit(example_id, content="\n")
