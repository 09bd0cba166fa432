"""Who may speak on the unix socket: this user's processes, no browser, in a protocol that both sides know."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mcai.errors import ForbiddenError, InvalidRequestError, McaiError, RecordTooLargeError, VersionMismatchError
from mcai.wire import PROTOCOL_HEADER, PROTOCOL_VERSION, SOCKET_HOST
from mcai_daemon.failures import VERSIONS, response_to

MAX_BODY_BYTES = 32 << 20
_BROWSER_HEADERS = ("origin", "referer", "sec-fetch-site")
_CREDENTIALS = struct.Struct("3i")


class PeerCheckedProtocol(HttpToolsProtocol):
    """Drops connections of other users: the socket's mode is the first fence, this is the second."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        if hasattr(socket, "SO_PEERCRED"):
            _, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
            if uid not in (os.getuid(), 0):
                transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in the shape of every other error."""
        answer = response_to(InvalidRequestError(msg))
        headers = [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(
            b"\r\n".join([b"HTTP/1.1 400 Bad Request", *headers, b"connection: close", b"", answer.body])
        )
        self.transport.close()


class Guards:
    """Refuses before routing; puts the versions on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_versions(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(VERSIONS)
            await send(message)

        error = _refusal(Headers(scope=scope))
        app = self._app if error is None else response_to(error)
        await app(scope, _limited(receive), send_with_versions)


def _refusal(headers: Headers) -> McaiError | None:
    if headers.get("host", "").lower() != SOCKET_HOST:
        return ForbiddenError("this Host is not served here", hint="Send Host: localhost on the unix socket.")
    if any(name in headers for name in _BROWSER_HEADERS):
        return ForbiddenError("requests of web pages are not served here")
    spoken = headers.get(PROTOCOL_HEADER)
    if spoken is not None and spoken != str(PROTOCOL_VERSION):
        return VersionMismatchError(f"the client speaks protocol {spoken[:8]}, this daemon {PROTOCOL_VERSION}")
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        return _too_large()
    return None


def _too_large() -> RecordTooLargeError:
    return RecordTooLargeError(f"a request may have {MAX_BODY_BYTES >> 20} MiB", hint="Send smaller batches.")


def _limited(receive: Receive) -> Receive:
    """A body without a length counts while it comes."""
    taken = 0

    async def counted() -> Any:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise _too_large()
        return message

    return counted
