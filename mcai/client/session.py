"""What `Client` and `AsyncClient` share: everything about a conversation with the daemon except moving bytes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar
from urllib.parse import urlencode

from mcai import __version__, paths
from mcai.errors import InvalidRequestError, VersionMismatchError
from mcai.wire import (
    EPOCH_HEADER,
    PROTOCOL_HEADER,
    PROTOCOL_VERSION,
    SOCKET_HOST,
    VERSION_HEADER,
    Answer,
    Flow,
    Request,
)
from mcai.words import quoted

P = ParamSpec("P")
T = TypeVar("T")
Out = TypeVar("Out")

ATTEMPTS = 3
"""How often a repeatable request is sent when the daemon goes away under it."""


MAX_TARGET_BYTES = 60_000
"""The daemon's parser takes 65,536 bytes before the body, headers too, and would only say that this is no HTTP."""


class Session:
    """Home, versions and the epoch below which this client never reads."""

    def __init__(self, home: str | os.PathLike[str] | None, start: bool, timeout_s: float) -> None:
        self.home = paths.find_home(home)
        self.start = start and os.environ.get("MCAI_NO_START", "") in ("", "0")
        self.timeout_s = timeout_s
        self.daemon_version = ""
        """The daemon's version, known after the first answer."""
        self._epoch = 0

    def target(self, request: Request) -> str:
        """Return path and query string; reads ask for nothing older than what this client wrote.

        Raises:
            InvalidRequestError: they cannot be sent.
        """
        query = {name: value for name, value in request.query.items() if value is not None}
        if self._epoch and (request.method == "GET" or request.path == "/v1/search"):
            query["min_epoch"] = self._epoch
        try:
            target = f"{request.path}?{urlencode(query, doseq=True)}" if query else request.path
        except UnicodeEncodeError:
            raise InvalidRequestError("the request has a text that is no valid Unicode") from None
        if len(target) > MAX_TARGET_BYTES:
            raise InvalidRequestError(f"names and filters have {len(target):,} bytes, {MAX_TARGET_BYTES:,} are allowed")
        return target

    def headers(self, request: Request) -> dict[str, str]:
        """Return the headers to send.

        Raises:
            InvalidRequestError: a value that no header can carry, such as a key with a line break.
        """
        for name, value in request.headers.items():
            if not (value.isascii() and value.isprintable()):
                raise InvalidRequestError(f"{name} {quoted(value)} may have printable ASCII characters only")
        common = {
            "host": SOCKET_HOST,
            PROTOCOL_HEADER: str(PROTOCOL_VERSION),
            VERSION_HEADER: __version__,
            "accept": "application/json",
        }
        return (
            common | ({"content-type": "application/json"} if request.body is not None else {}) | dict(request.headers)
        )

    def take(self, request: Request, answer: Answer) -> Answer:
        """Check who answered and remember the epoch of what this client wrote.

        Raises:
            VersionMismatchError: the daemon speaks another protocol version.
        """
        self.check_protocol(answer.headers)
        if request.method != "GET" and answer.status < 400 and request.path != "/v1/search":
            self._epoch = max(self._epoch, int(answer.headers.get(EPOCH_HEADER, 0)))
        return answer

    def check_protocol(self, headers: Mapping[str, str]) -> None:
        """Compare the protocol versions; see `take`."""
        spoken = headers.get(PROTOCOL_HEADER, "none")
        self.daemon_version = headers.get(VERSION_HEADER, "")
        if spoken != str(PROTOCOL_VERSION):
            raise VersionMismatchError(
                f"the running daemon ({self.daemon_version or 'unknown version'}) speaks protocol {spoken}, "
                f"this mcai {__version__} speaks {PROTOCOL_VERSION}"
            )


class verb(Generic[P, T]):
    """Binds one generator of `mcai.wire.calls` to a synchronous client: same signature, plain result."""

    def __init__(self, call: Callable[P, Flow[T]]) -> None:
        self._call = call
        functools.update_wrapper(self, call)  # type: ignore[arg-type]  # copies name and docstring for help()

    def __get__(self, client: Any, owner: type | None = None) -> Callable[P, T]:
        call = self._call

        @functools.wraps(call)
        def bound(*args: P.args, **kwargs: P.kwargs) -> T:
            result: T = client.run(call(*args, **kwargs))
            return result

        return bound
