"""The verbs without any wire: what they send, what they make of the answers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import pytest

from mcai.client import AsyncClient, Client
from mcai.errors import DaemonError, IdempotencyConflictError, McaiError
from mcai.records import AddedItem, AddResult, NewExample
from mcai.wire import Answer, Flow, Request, calls, decode, error_of
from mcai.wire.calls import adding

T = TypeVar("T")


def _play(flow: Flow[T], *answers: Any) -> tuple[list[Request], T]:
    """Drive a verb with prepared answers; return what it sent and its result."""
    sent = [next(flow)]
    for answer in answers:
        try:
            sent.append(flow.send(Answer(200, {}, msgspec.json.encode(answer))))
        except StopIteration as done:
            return sent, done.value
    raise AssertionError("the verb wants more answers")


def _added(epoch: int, statuses: str) -> dict[str, Any]:
    words = {"i": "imported", "d": "duplicate", "r": "rejected"}
    results = [{"index": at, "status": words[sign]} for at, sign in enumerate(statuses)]
    counts = {word: statuses.count(sign) for sign, word in words.items()}
    return {"epoch": epoch, "results": results, **counts}


def _body(request: Request) -> Any:
    assert request.body is not None
    return msgspec.json.decode(request.body)


def test_filters_leave_out_what_is_not_given() -> None:
    """Only what was asked for is sent; one domain may be given as text."""
    assert calls.filters() == {} == calls.filters(domain=[])
    assert calls.filters(domain="a", emotion="", source="/x") == {"domain": ["a"], "emotion": "", "source": "/x"}
    assert calls.filters(domain=("a", "b"), frequency=(8, None)) == {"domain": ["a", "b"], "frequency": "8.0.."}


def test_batches_end_at_a_number_of_records() -> None:
    """No request carries more records than a batch may have; none is lost or moved."""
    examples = [NewExample(str(number)) for number in range(2 * calls.BATCH_RECORDS + 1)]

    batches = list(calls.batches(examples))

    assert [len(batch) for batch in batches] == [calls.BATCH_RECORDS, calls.BATCH_RECORDS, 1]
    assert [msgspec.json.decode(raw, type=NewExample) for batch in batches for raw in batch] == examples


def test_batches_end_at_a_number_of_bytes() -> None:
    """Large records make small batches; one that is larger than a batch goes alone."""
    sizes = [10, calls.BATCH_BYTES // 2, calls.BATCH_BYTES // 2, 2 * calls.BATCH_BYTES, 10]

    batches = list(calls.batches([NewExample("x" * size) for size in sizes]))

    assert [len(batch) for batch in batches] == [2, 1, 1, 1]


def test_batches_of_nothing() -> None:
    """Nothing to add is no batch at all."""
    assert list(calls.batches([])) == []


def test_add_takes_records_mappings_and_iterators() -> None:
    """Both ways of writing an example give the same bytes; fields that were left out are not sent."""
    given: list[NewExample | Mapping[str, Any]] = [NewExample("c", domain="d"), {"content": "c", "domain": "d"}]

    request = next(calls.add(iter(given)))

    assert _body(request)["examples"] == [{"content": "c", "domain": "d"}] * 2


def test_add_joins_the_answers_of_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts add up, positions go on, the epoch is the last, each batch has a key of its own."""
    monkeypatch.setattr(adding, "BATCH_RECORDS", 2)
    examples = [{"content": str(number)} for number in range(5)]

    sent, result = _play(calls.add(examples, "k"), _added(3, "id"), _added(3, "dd"), _added(4, "r"))

    assert [request.headers["idempotency-key"] for request in sent] == ["k", "k/1", "k/2"]
    assert [len(_body(request)["examples"]) for request in sent] == [2, 2, 1]
    assert (result.imported, result.duplicate, result.rejected, result.epoch) == (1, 3, 1, 4)
    assert [item.index for item in result.results] == [0, 1, 2, 3, 4]


def test_add_without_a_key_makes_one_up() -> None:
    """Two calls never share a key by accident, and a retry inside one call does."""
    keys = {next(calls.add([{"content": "c"}])).headers["idempotency-key"] for _ in range(20)}

    assert len(keys) == 20


def test_add_of_nothing_sends_nothing() -> None:
    """An empty add needs no daemon."""
    flow = calls.add([])

    with pytest.raises(StopIteration) as done:
        next(flow)

    assert done.value.value == AddResult(epoch=0, imported=0, duplicate=0, rejected=0, results=[])


@pytest.mark.parametrize(
    "value", [float, {1: object()}, "\ud800", {"k": {1, object()}}], ids=["type", "object", "surrogate", "set"]
)
def test_what_json_cannot_carry_is_refused_before_it_is_sent(value: Any) -> None:
    """An example that cannot be written is rejected by name, and fails nothing beside it."""
    flow = calls.add([{"content": "bad", "metadata": {"k": value}}, {"content": "good"}])

    assert _body(next(flow))["examples"] == [{"content": "good"}]
    answer = AddResult(
        epoch=1, imported=1, duplicate=0, rejected=0, results=[AddedItem(index=0, status="imported", id=1)]
    )
    with pytest.raises(StopIteration) as done:
        flow.send(Answer(200, {}, msgspec.json.encode(answer)))

    result: AddResult = done.value.value
    assert [(item.index, item.status) for item in result.results] == [(0, "rejected"), (1, "imported")]
    assert (result.imported, result.rejected) == (1, 1) and "JSON" in str(result.results[0].reason)


def test_search_knows_text_from_vector() -> None:
    """A text searches both ways, a vector by likeness; any sequence of numbers is a vector."""
    text, vector = next(calls.search("calm")), next(calls.search((1, 2.5)))

    assert _body(text) == {"text": "calm", "mode": "hybrid", "limit": 10, "explain": False}
    assert _body(vector) == {"vector": [1.0, 2.5], "mode": "semantic", "limit": 10, "explain": False}


def test_names_are_quoted_into_the_path() -> None:
    """A domain may have any character; it stays one part of the path."""
    assert next(calls.dataset("a/b?c#d ä")).path == "/v1/datasets/a%2Fb%3Fc%23d%20%C3%A4"
    assert next(calls.emotion("../calm")).path == "/v1/emotions/..%2Fcalm"


def test_edit_sends_only_what_changes() -> None:
    """None empties a field, leaving it out keeps it."""
    assert _body(next(calls.edit(3, response=None, content="c"))) == {"content": "c", "response": None}
    assert _body(next(calls.edit(3))) == {}


def test_failed_answer_becomes_the_daemon_s_error() -> None:
    """The error that was named is raised, whatever was asked for."""
    body = IdempotencyConflictError("no", hint="do").as_wire()

    with pytest.raises(IdempotencyConflictError, match="no") as caught:
        decode(Answer(409, {}, msgspec.json.encode(body)), AddResult)

    assert caught.value.hint == "do"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "text"}', b'{"error": {"code": 5}}', b"\xff"])
def test_failure_without_a_reason_is_told_as_such(body: bytes) -> None:
    """An answer that is none of ours gives an error of ours that names the status."""
    error = error_of(Answer(502, {}, body))

    assert type(error) is DaemonError and "502" in error.message


def test_hint_may_be_missing() -> None:
    """A daemon that sends no hint is understood."""
    error = error_of(Answer(500, {}, b'{"error": {"code": "internal", "message": "m"}}'))

    assert type(error) is McaiError and error.hint == ""


def _verbs(cls: type) -> Mapping[str, Any]:
    return {name: value for name, value in vars(cls).items() if type(value).__name__ in ("verb", "async_verb")}


def test_both_clients_have_every_verb() -> None:
    """`Client` and `AsyncClient` cannot drift apart: same verbs, same signatures, documented."""
    in_table = {
        name
        for name, value in vars(calls).items()
        if inspect.isgeneratorfunction(value) and value.__module__.startswith(calls.__name__) and name != "batches"
    }

    assert set(_verbs(Client)) == set(_verbs(AsyncClient)) == in_table
    for name in in_table:
        call = getattr(calls, name)
        assert inspect.getdoc(_verbs(Client)[name]) == inspect.getdoc(_verbs(AsyncClient)[name]) == inspect.getdoc(call)
        assert inspect.signature(getattr(Client, name)) == inspect.signature(getattr(AsyncClient, name))
