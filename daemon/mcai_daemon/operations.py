"""One HTTP operation: what it takes, what it answers and who does it. Routes and OpenAPI are made from these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Struct
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from mcai.errors import NO_JSON, InvalidRequestError, McaiError
from mcai.filters import MAX_ID, Filters, parse_filters
from mcai.store.base import Key
from mcai.suggest import did_you_mean
from mcai.wire import EPOCH_HEADER, KEY_HEADER
from mcai.words import quoted, whole
from mcai_daemon.services import Services

T = TypeVar("T")
ExampleId = Annotated[int, msgspec.Meta(ge=-MAX_ID, le=MAX_ID)]
Kind = Literal["string", "integer", "boolean", "array"]

DEFAULT_LIMIT = 100


class _AnyName(Convertor[str]):
    """A path parameter that takes every name, with slashes and line breaks: what is wrong with one its route says."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("name", _AnyName())


@dataclass(frozen=True)
class Parameter:
    """One query parameter."""

    name: str
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()


FILTERS = (
    Parameter("domain", "array", "Exact domain names; any of them."),
    Parameter("emotion", "string", "Emotion, compared without case."),
    Parameter("frequency", "string", "LO..HI in Hz, inclusive; an end may be empty."),
    Parameter("since", "string", "ISO 8601, inclusive; the record's own date."),
    Parameter("until", "string", "ISO 8601, exclusive."),
    Parameter("source", "string", "Path prefix, by whole components."),
)
LIMIT = Parameter("limit", "integer", f"1 to 1,000; {DEFAULT_LIMIT} by default.")
CURSOR = Parameter("cursor", "string", "next_cursor of the previous answer, with the same filters.")
DRY_RUN = Parameter("dry_run", "boolean", "Tell what would happen, change nothing.")
MIN_EPOCH = Parameter("min_epoch", "integer", "Never answer from before this epoch.")


@dataclass(frozen=True)
class Call:
    """One request, checked against its operation."""

    services: Services
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any
    key: Key | None

    @property
    def min_epoch(self) -> int:
        return int(self.query.get("min_epoch") or 0)

    @property
    def filters(self) -> Filters:
        given = {each.name: self.query[each.name] for each in FILTERS if self.query.get(each.name) is not None}
        return parse_filters(**given)

    @property
    def limit(self) -> int:
        return int(self.query.get("limit", DEFAULT_LIMIT))

    @property
    def cursor(self) -> str | None:
        return self.query.get("cursor")


class FilterFields(Struct, frozen=True, forbid_unknown_fields=True):
    """The filters of a body; those of a query string are `FILTERS`."""

    domain: str | list[str] = []
    """One exact name or several."""
    emotion: str | None = None
    frequency: str | None = None
    since: str | None = None
    until: str | None = None
    source: str | None = None

    @property
    def filters(self) -> Filters:
        return parse_filters(
            domain=[self.domain] if isinstance(self.domain, str) else self.domain,
            emotion=self.emotion,
            frequency=self.frequency,
            since=self.since,
            until=self.until,
            source=self.source,
        )


class Selection(FilterFields, frozen=True, forbid_unknown_fields=True):
    """Some examples: by id, or by filters."""

    ids: list[ExampleId] | None = None

    def chosen(self) -> tuple[list[int] | None, Filters]:
        """Return the ids, None when there are none, and the filters.

        Raises:
            InvalidRequestError: there are both: whether an example must meet one or the other nobody can know.
        """
        filters = self.filters
        if self.ids is not None and filters:
            raise InvalidRequestError("give either ids or filters, not both")
        return self.ids, filters


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    summary: str
    handler: Handler
    answer: Any
    """The record that it answers with; None when it answers with a Response of its own."""
    query: Sequence[Parameter] = ()
    body: Any = None
    media_type: str = "application/json"
    errors: Sequence[type[McaiError]] = field(default_factory=tuple)


def json_answer(record: Any, *, status: int = 200) -> Response:
    """Return a record as JSON, its epoch in a header too."""
    headers = {EPOCH_HEADER: str(record.epoch)} if hasattr(record, "epoch") else None
    return Response(msgspec.json.encode(record), status, headers, "application/json")


def read_query(request: Request, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Read the query string.

    Raises:
        InvalidRequestError: an unknown parameter, or a value of the wrong kind.
    """
    known = {each.name: each for each in (*parameters, MIN_EPOCH)}
    values: dict[str, Any] = {}
    for name in request.query_params:
        if name not in known:
            raise InvalidRequestError(
                f"there is no parameter {quoted(name)} here", hint=did_you_mean(name, known, "See /openapi.json")
            )
        values[name] = _value(known[name], request.query_params.getlist(name))
    return values


def _value(parameter: Parameter, given: list[str]) -> Any:
    text = given[-1]
    if parameter.kind == "array":
        return given
    if parameter.kind == "integer":
        number = read_number(text)
        if number is None:
            raise InvalidRequestError(f"{parameter.name} must be a whole number of 64 bits, not {quoted(text)}")
        return number
    if parameter.kind == "boolean":
        if text not in ("true", "false", "1", "0"):
            raise InvalidRequestError(f"{parameter.name} must be true or false, not {quoted(text)}")
        return text in ("true", "1")
    if parameter.choices and text not in parameter.choices:
        raise InvalidRequestError(f"{parameter.name} must be one of {', '.join(parameter.choices)}, not {quoted(text)}")
    return text


def read_number(text: str) -> int | None:
    """Read a 64-bit number from a path or a query string, None when the text is none."""
    number = whole(text)
    return number if number is not None and abs(number) <= MAX_ID else None


def read_body(raw: bytes, record: type[T]) -> T:
    """Read a JSON body. No body at all is an object without fields, where the fields are known.

    Raises:
        InvalidRequestError: it is no JSON, or no such record; the message names the field.
    """
    if not raw and isinstance(record, type) and issubclass(record, Struct):
        raw = b"{}"
    try:
        return msgspec.json.decode(raw, type=record)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"the body does not fit: {error}", hint="See /openapi.json") from error
    except NO_JSON as error:
        raise InvalidRequestError(f"the body is no JSON: {error}") from error


def key_of(request: Request, raw: bytes) -> Key | None:
    """Return the request's idempotency key with the hash of its body.

    Raises:
        InvalidRequestError: the key is empty or too long.
    """
    name = request.headers.get(KEY_HEADER)
    if name is None:
        return None
    if not 1 <= len(name) <= 200:
        raise InvalidRequestError("an idempotency key has 1 to 200 characters")
    scope = f"{request.method} {request.scope['path']}\n".encode()
    return Key(name, blake2b(scope + raw, digest_size=16).digest())
