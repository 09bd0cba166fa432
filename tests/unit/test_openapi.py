"""The OpenAPI document: made from the table of operations, so nothing in it may dangle or be missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from mcai import __version__
from mcai_daemon.openapi import document
from mcai_daemon.operations import FILTERS, Operation
from mcai_daemon.routes import OPERATIONS


@pytest.fixture(scope="module")
def api() -> Any:
    return msgspec.json.decode(document(OPERATIONS))


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for member in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(member)


def _told(api: Any, operation: Operation) -> Any:
    return api["paths"][re.sub(r"\{(\w+):\w+\}", r"{\1}", operation.path)][operation.method.lower()]


def test_document_is_what_it_says(api: Any) -> None:
    """Version of the format, title and version of mcai, a server, paths and components."""
    assert api["openapi"] == "3.1.0" and api["info"] == {**api["info"], "title": "mcai", "version": __version__}
    assert api["servers"] and api["paths"] and api["components"]["schemas"]


def test_every_reference_leads_somewhere(api: Any) -> None:
    """No ``$ref`` dangles, and no component is left that nothing refers to."""
    used = {node["$ref"] for node in _nodes(api) if "$ref" in node}
    names = {f"#/components/schemas/{name}" for name in api["components"]["schemas"]}

    assert used == names


def test_every_operation_is_documented_once(api: Any) -> None:
    """The table and the document agree; operation ids are unique."""
    documented = [told for methods in api["paths"].values() for told in methods.values()]

    assert len(documented) == len(OPERATIONS) == len({told["operationId"] for told in documented})
    assert all(told["summary"] for told in documented)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_operation_tells_all_that_it_takes_and_answers(api: Any, operation: Operation) -> None:
    """Path parameters, query parameters, body, the answer's schema and each error that it may end in."""
    told = _told(api, operation)
    by_place = {
        place: {each["name"] for each in told["parameters"] if each["in"] == place} for place in ("path", "query")
    }

    assert by_place["path"] == set(re.findall(r"\{(\w+)", operation.path))
    assert by_place["query"] == {each.name for each in operation.query} | {"min_epoch"}
    assert all(each["required"] for each in told["parameters"] if each["in"] == "path")
    assert all(each["schema"]["type"] for each in told["parameters"])
    assert ("requestBody" in told) == (operation.body is not None)
    assert told["responses"]["200"]["content"][operation.media_type]["schema"]
    errors = {status: answer for status, answer in told["responses"].items() if status != "200"}
    assert sum(answer["description"].count("`") // 2 for answer in errors.values()) == len(operation.errors)
    assert all(answer["content"]["application/json"]["schema"]["$ref"].endswith("/Error") for answer in errors.values())


def test_filters_are_the_same_everywhere() -> None:
    """What can be paged can be exported by the same filters."""
    names = [parameter.name for parameter in FILTERS]

    assert names == ["domain", "emotion", "frequency", "since", "until", "source"]
    for operation in OPERATIONS:
        given = [parameter.name for parameter in operation.query]
        # A domain alone is a place in the history, no filter of examples.
        assert set(given) & set(names) <= {"domain"} or given[: len(names)] == names
