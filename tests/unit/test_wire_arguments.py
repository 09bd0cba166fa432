"""What a program passes to a verb: of another type than it must be, it is refused by name before anything is sent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import compile_path

from mcai.client.session import MAX_TARGET_BYTES, Session
from mcai.errors import InvalidRequestError
from mcai.wire import Request, calls
from mcai.wire.calls.parameters import segment
from mcai_daemon.routes import OPERATIONS


@pytest.mark.parametrize("limit", ["a", "10", 1.5, True, None, np.float64(3), np.array([1, 2])])
def test_a_limit_is_a_whole_number(limit: Any) -> None:
    """On every verb that has one."""
    for flow in (
        calls.page(limit=limit),
        calls.log(limit=limit),
        calls.archived(limit=limit),
        calls.search("x", limit=limit),
    ):
        with pytest.raises(InvalidRequestError, match="limit is a whole number"):
            next(flow)
    assert next(calls.page(limit=np.int64(3))).query["limit"] == 3  # type: ignore[arg-type]


def test_a_number_has_an_end() -> None:
    """One that Python itself cannot write is refused, not met further down."""
    with pytest.raises(InvalidRequestError, match="at most 100 digits"):
        next(calls.get(10**5_000))


@pytest.mark.parametrize("example_id", [True, "1", 1.0, None, b"1"])
def test_an_id_is_a_whole_number(example_id: Any) -> None:
    """True is not the first example."""
    for flow in (calls.get(example_id), calls.edit(example_id, content="x"), calls.delete([example_id])):
        with pytest.raises(InvalidRequestError, match="an id is a whole number"):
            next(flow)


@pytest.mark.parametrize("ids", [5, None, object()])
def test_ids_are_a_list(ids: Any) -> None:
    """One number is no list of them."""
    with pytest.raises(InvalidRequestError, match="ids is a list of numbers"):
        next(calls.delete(ids))


@pytest.mark.parametrize(
    ("given_filter", "name"),
    [
        *[({each: value}, each) for each in ("emotion", "since", "until", "source") for value in (5, b"x", ["x"])],
        *[({"domain": value}, "domain") for value in (5, b"x", ["a", 5], [b"a"])],
        *[({"frequency": value}, "frequency") for value in (5, (1, 2, 3), ("a", "b"), (True, 1), b"1..2")],
    ],
    ids=str,
)
def test_a_filter_of_another_type_is_named(given_filter: dict[str, Any], name: str) -> None:
    """Not sent as whatever text Python makes of it."""
    with pytest.raises(InvalidRequestError, match=f"^{name} is "):
        calls.filters(**given_filter)


@pytest.mark.parametrize(
    "vector", [5, None, b"12", {"a": 1}, ["1"], [[1.0]], [True], [1j], np.zeros((2, 2)), np.zeros(())]
)
def test_a_vector_is_a_sequence_of_numbers(vector: Any) -> None:
    """Whatever else could be turned into numbers is none."""
    with pytest.raises(InvalidRequestError, match="a vector is a sequence of numbers"):
        next(calls.search(vector))


@pytest.mark.parametrize("vector", [[float("nan")], np.array([1.0, np.inf])])
def test_a_vector_has_finite_numbers(vector: Any) -> None:
    """JSON has no others."""
    with pytest.raises(InvalidRequestError, match="no numbers"):
        next(calls.search(vector))


@pytest.mark.parametrize("name", [5, None, b"x", "\ud800"])
def test_a_name_is_a_text(name: Any) -> None:
    """A name that goes into a path is one, and can be encoded."""
    for flow in (calls.dataset(name), calls.drop_dataset(name)):
        with pytest.raises(InvalidRequestError, match="domain"):
            next(flow)
    with pytest.raises(InvalidRequestError, match="emotion"):
        next(calls.emotion(name))


@given(
    st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["..", ".", "a/b", "%2F", "a\n", "?#", "//"])
)
def test_every_name_arrives_as_it_is(name: str) -> None:
    """Through a path, whatever is in it: the routes that take a name take every one."""
    sent = segment(name, "domain")
    assert sent not in (".", "..") and not set(sent) & set("/?#\n")
    taking = [each.path for each in OPERATIONS if ":name}" in each.path]
    assert len(taking) == 3
    for path in taking:
        pattern, _, convertors = compile_path(path)
        (parameter,) = convertors
        match = pattern.match(path.partition("{")[0] + name)
        assert match is not None and match[parameter] == name


def test_what_cannot_be_sent_is_said_before() -> None:
    """A request line too long for the daemon's parser, or with half a character, names its fault itself."""
    session = Session("/nowhere", start=False, timeout_s=1)
    with pytest.raises(InvalidRequestError, match=f"{MAX_TARGET_BYTES:,} are allowed"):
        session.target(Request("GET", "/v1/examples", {"domain": ["x" * MAX_TARGET_BYTES]}))
    with pytest.raises(InvalidRequestError, match="no valid Unicode"):
        session.target(Request("GET", "/v1/examples", {"domain": ["\ud800"]}))
