"""The daemon describes itself: what /openapi.json says is what the routes do."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from helpers import Reply, ask, wait_until
from mcai import __version__
from mcai.client import Client
from mcai.errors import NotFoundError
from mcai.paths import Home
from mcai_daemon.operations import Operation
from mcai_daemon.routes import OPERATIONS

BODIES: Mapping[tuple[str, str], Any] = {
    ("POST", "/v1/examples"): {"examples": [{"content": "described", "emotion": "calm", "metadata": {"k": 1}}]},
    ("DELETE", "/v1/examples"): {"ids": [999_999_999]},
    ("PATCH", "/v1/examples/{example_id}"): {"response": "described"},
    ("POST", "/v1/search"): {"text": "described", "explain": True},
    ("POST", "/v1/sql"): {"query": "SELECT 1 AS one"},
    ("POST", "/v1/epochs/{epoch}/rollback"): {"dry_run": True},
    ("POST", "/v1/rotate"): {"max": 1_000_000},
    ("POST", "/v1/archive/restore"): {},
    ("POST", "/v1/backups"): {"dest": "{fresh}"},
    ("POST", "/v1/forget"): {"ids": [999_999_999]},
}
QUERIES: Mapping[tuple[str, str], str] = {
    ("DELETE", "/v1/datasets/{domain:name}"): "?dry_run=true",
    ("GET", "/v1/epochs/diff"): "?from=0&to=1",
}
KINDS: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
"""JSON Schema's names of types."""


@pytest.fixture(scope="module")
def api(daemon_home: Home) -> Any:
    return ask(daemon_home, "GET", "/openapi.json").json()


@pytest.fixture
def places(client: Client) -> Mapping[str, str]:
    """What stands for the variable parts of paths; the example is the test's own."""
    [item] = client.add([{"content": uuid.uuid4().hex, "response": "described"}]).results
    return {"example_id": str(item.id), "domain": "general", "name": "calm", "epoch": "1"}


def _ask(home: Home, operation: Operation, places: Mapping[str, str]) -> Reply:
    target = re.sub(r"\{(\w+)(:\w+)?\}", lambda place: places[place[1]], operation.path)
    target += QUERIES.get((operation.method, operation.path), "")
    if operation.body is None:
        return ask(home, operation.method, target)
    body = BODIES[operation.method, operation.path]
    fresh = {name: str(home.dir.parent / uuid.uuid4().hex) for name, value in body.items() if value == "{fresh}"}
    return ask(home, operation.method, target, body | fresh)


def _check(value: Any, schema: Mapping[str, Any], api: Any, at: str) -> None:
    """Hold a value against the parts of JSON Schema that the document uses."""
    if "$ref" in schema:
        schema = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        faults = []
        for choice in schema["anyOf"]:
            try:
                return _check(value, choice, api, at)
            except AssertionError as fault:
                faults.append(fault)
        raise AssertionError(f"{at}: {value!r} is none of {schema['anyOf']}: {faults}")
    assert "type" not in schema or isinstance(value, KINDS[schema["type"]]), f"{at}: {value!r} is no {schema['type']}"
    assert "enum" not in schema or value in schema["enum"], f"{at}: {value!r} is none of {schema['enum']}"
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema.get("required", ())) <= set(value), f"{at}: {schema['required']} are required"
        assert set(value) <= set(schema["properties"]), f"{at}: {sorted(value)} has undeclared fields"
        for name, member in value.items():
            _check(member, schema["properties"][name], api, f"{at}.{name}")
    for number, member in enumerate(value) if isinstance(value, list) else ():
        _check(member, schema.get("items", {}), api, f"{at}[{number}]")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_route_answers_what_it_declares(
    daemon_home: Home, api: Any, places: Mapping[str, str], operation: Operation
) -> None:
    """Every route of the table is served, and its answer has the declared fields and types."""
    if operation.path.endswith("/startup"):
        wait_until(lambda: _ask(daemon_home, operation, places).status == 200, "everything is loaded")

    reply = _ask(daemon_home, operation, places)

    assert reply.status == 200, reply.body
    declared = api["paths"][re.sub(r":\w+\}", "}", operation.path)][operation.method.lower()]["responses"]["200"][
        "content"
    ]
    [(media_type, content)] = declared.items()
    assert reply.headers["content-type"].startswith(media_type)
    if media_type == "application/json":
        _check(reply.json(), content["schema"], api, "answer")


def test_error_answers_what_it_declares(daemon_home: Home, api: Any) -> None:
    """An error has the declared shape too."""
    _check(ask(daemon_home, "GET", "/nowhere").json(), api["components"]["schemas"]["Error"], api, "error")


def test_what_is_asked_here_are_routes() -> None:
    """A body or a query for a route that has another name would silently not be sent."""
    assert {*BODIES, *QUERIES} <= {(each.method, each.path) for each in OPERATIONS}


def test_every_answer_names_its_epoch(daemon_home: Home, client: Client, places: Mapping[str, str]) -> None:
    """A client learns from any answer how far the store was."""
    written = client.status().epoch
    for operation in OPERATIONS:
        reply = _ask(daemon_home, operation, places)
        assert reply.status in (200, 503) and int(reply.headers["mcai-epoch"]) >= written, operation.path


def test_status_tells_what_runs(daemon_home: Home, client: Client, places: Mapping[str, str]) -> None:
    """Version, socket, counts and the state of the index, as they are."""
    status = client.status()

    assert (status.daemon.version, status.daemon.socket) == (__version__, str(daemon_home.socket_path))
    assert status.daemon.ready and status.daemon.uptime_s >= 0
    assert status.examples == client.datasets().total == len(client.page(limit=1_000).examples)
    assert status.datasets == len(client.datasets().datasets)
    assert status.bytes_on_disk >= daemon_home.catalog_path.stat().st_size
    assert status.index.dim == 256 and status.index.error is None
    wait_until(lambda: client.status().index_epoch == client.status().epoch, "the index has caught up")
    assert client.status().index.pending == 0 and client.status().index.rows == status.examples


def test_health_is_told_part_by_part(daemon_home: Home) -> None:
    """Live and ready answer from the first moment, startup when search is loaded too."""
    assert ask(daemon_home, "GET", "/v1/health/live").json() == {"status": "ok"}
    ready = ask(daemon_home, "GET", "/v1/health/ready")
    assert ready.status == 200 and ready.json()["ok"] and ready.json()["catalog"] == "ok"
    wait_until(lambda: ask(daemon_home, "GET", "/v1/health/startup").status == 200, "search is loaded")
    assert ask(daemon_home, "GET", "/v1/health/startup").json()["index"] in ("ready", "catching_up")


def test_emotions_are_there_from_the_first_start(client: Client) -> None:
    """The catalog is loaded into the store; one emotion is found whatever the case, a near miss names the nearest."""
    emotions = client.emotions().emotions

    assert len(emotions) >= 34 and [each.name for each in emotions] == sorted(each.name for each in emotions)
    assert all(each.personality_template and each.band for each in emotions)
    assert client.emotion(" Calm ") in emotions
    with pytest.raises(NotFoundError, match="clam") as caught:
        client.emotion("clam")
    assert caught.value.hint == "Did you mean 'calm'?"


def test_dataset_that_is_mistyped_names_the_nearest(client: Client, places: Mapping[str, str]) -> None:
    """A near miss is told what was probably meant."""
    with pytest.raises(NotFoundError, match="genral") as caught:
        client.dataset("genral")

    assert caught.value.hint == "Did you mean 'general'?"
