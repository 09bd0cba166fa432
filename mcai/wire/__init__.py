"""What travels between a client and the daemon: plain requests and answers, no I/O.

`calls` is the table of verbs. Each is a generator: it yields a `Request`, is sent the `Answer` and returns a record.
``Client`` and ``AsyncClient`` only move bytes, so no verb is ever written twice.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias, TypeVar

import msgspec

from mcai.errors import NO_JSON, DaemonError, McaiError, from_wire

PROTOCOL_VERSION = 1
"""Goes up when an older client can no longer talk to a newer daemon, or the reverse."""

PROTOCOL_HEADER = "mcai-protocol"
VERSION_HEADER = "mcai-version"
EPOCH_HEADER = "mcai-epoch"
ROWS_HEADER = "mcai-rows"
"""How many rows an export will have, known from its beginning."""
KEY_HEADER = "idempotency-key"
SOCKET_HOST = "localhost"
"""The Host of a request on the unix socket, as ``curl --unix-socket`` sends it."""

T = TypeVar("T")


class Request(msgspec.Struct, frozen=True):
    """One HTTP request, ready to be sent."""

    method: str
    path: str
    query: Mapping[str, Any] = {}
    """Values are text, numbers, booleans or lists of them; None is left out."""
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    timeout_s: float | None = None
    """None: the client's own."""


class Answer(msgspec.Struct, frozen=True):
    """One HTTP answer, read to its end. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Flow: TypeAlias = Generator[Request, Answer, T]


class _Error(msgspec.Struct):
    code: str
    message: str
    hint: str = ""


class _Envelope(msgspec.Struct):
    error: _Error


_decode_error = msgspec.json.Decoder(_Envelope).decode  # made once, before there are threads: see mcai.records


def error_of(answer: Answer) -> McaiError:
    """Make the error that a failed answer names."""
    try:
        error = _decode_error(answer.body).error
    except NO_JSON:
        return DaemonError(f"the daemon answered HTTP {answer.status} without a reason")
    return from_wire(error.code, error.message, error.hint)


def decode(answer: Answer, record: type[T]) -> T:
    """Read an answer's body as ``record``.

    Raises:
        McaiError: the one that the daemon named, when the status says that it failed.
    """
    if answer.status >= 400:
        raise error_of(answer)
    return msgspec.json.decode(answer.body, type=record)
