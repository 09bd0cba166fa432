"""Clients against a daemon that is not ours, is broken, or is slow: every end has a name, none hangs."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mcai.client import AsyncClient, Client
from mcai.client.http import Response
from mcai.errors import DaemonError, InvalidRequestError, TimeoutExpiredError, VersionMismatchError
from mcai.paths import Home
from mcai.wire import PROTOCOL_VERSION, Request

LIVE = b'{"status":"ok"}'
VERSIONS = f"mcai-protocol: {PROTOCOL_VERSION}\r\nmcai-version: 0.1.0\r\n".encode()
ASKED = Request("GET", "/v1/health/live")

Respond = Callable[[socket.socket, int], None]


def _answer(
    body: bytes = LIVE, headers: bytes = VERSIONS, status: bytes = b"200 OK", length: int | None = None
) -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, headers, size, body)


@contextmanager
def _daemon(home: Home, respond: Respond) -> Iterator[list[bytes]]:
    """Serve a home's socket: each request is read and handed to ``respond`` with its number; yields the requests."""
    home.dir.mkdir(mode=0o700)
    requests: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(home.socket_path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed at the end of the test
            with connection:
                while data := connection.recv(65_536):
                    requests.append(data)
                    try:
                        respond(connection, len(requests))
                    except OSError:
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _says(*parts: bytes, then_close: bool = False, pause_s: float = 0.0) -> Respond:
    def respond(connection: socket.socket, number: int) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)  # lets the parts arrive apart
        if then_close:
            connection.shutdown(socket.SHUT_RDWR)

    return respond


def _asked(home: Home, kind: str, timeout_s: float = 5.0, request: Request = ASKED) -> Any:
    """Send one request by either client."""
    if kind == "Client":
        with Client(home.dir, start=False, timeout_s=timeout_s) as client:
            return client.send(request)

    async def ask() -> Any:
        async with AsyncClient(home.dir, start=False, timeout_s=timeout_s) as client:
            return await client.send(request)

    return asyncio.run(ask())


both = pytest.mark.parametrize("kind", ["Client", "AsyncClient"])


@both
@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (b"", "unknown version.*speaks protocol none"),
        (b"mcai-protocol: 0\r\nmcai-version: 0.0.1\r\n", r"0\.0\.1.*speaks protocol 0"),
        (b"MCAI-Protocol: 2\r\nMCAI-Version: 9\r\n", "9.*speaks protocol 2"),
    ],
)
@pytest.mark.parametrize("status", [b"200 OK", b"426 Upgrade Required", b"404 Not Found"])
def test_daemon_of_another_version_is_told(
    kind: str, status: bytes, headers: bytes, told: str, fresh_home: Home
) -> None:
    """An older or newer daemon is named with both versions and the way out, whatever it answers."""
    with (
        _daemon(fresh_home, _says(_answer(headers=headers, status=status))),
        pytest.raises(VersionMismatchError) as caught,
    ):
        _asked(fresh_home, kind)

    assert re.search(told, caught.value.message) and f"speaks {PROTOCOL_VERSION}" in caught.value.message
    assert "mcai daemon restart" in caught.value.hint


@both
@pytest.mark.parametrize(
    "respond",
    [
        _says(then_close=True),
        _says(b"HTTP/1.1 200 OK\r\nContent-", then_close=True),
        _says(_answer(length=1_000), then_close=True),
        _says(b"220 mail.example ESMTP\r\n", then_close=True),
        _says(b"\x00\xff" * 50, then_close=True),
        _says(b"HTTP/1.1 200 OK\r\n" + VERSIONS + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", then_close=True),
        _says(b"HTTP/1.1 200 OK\r\n" + VERSIONS + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", then_close=True),
    ],
    ids=["nothing", "half a header", "half a body", "mail", "noise", "no chunk", "half a chunk"],
)
def test_broken_answer_is_an_error_of_ours(kind: str, respond: Respond, fresh_home: Home) -> None:
    """Whatever a listener does instead of answering ends as a `DaemonError` with a hint."""
    with _daemon(fresh_home, respond), pytest.raises(DaemonError) as caught:
        _asked(fresh_home, kind)

    assert caught.value.code == "daemon" and caught.value.hint


@both
def test_request_is_sent_again_when_the_connection_went_away(kind: str, fresh_home: Home) -> None:
    """A kept connection that was closed meanwhile is no error for what may be repeated."""

    def respond(connection: socket.socket, number: int) -> None:
        if number < 3:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(_answer())

    with _daemon(fresh_home, respond) as requests:
        assert _asked(fresh_home, kind).body == LIVE
        assert len(requests) == 3


@both
def test_answer_that_breaks_off_is_asked_for_again(kind: str, fresh_home: Home) -> None:
    """Every verb may be repeated: an answer that was lost in its middle is got by the next attempt."""

    def respond(connection: socket.socket, number: int) -> None:
        if number == 1:
            connection.sendall(_answer(length=1_000))
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(_answer())

    with _daemon(fresh_home, respond) as requests:
        assert _asked(fresh_home, kind).body == LIVE
        assert len(requests) == 2


def test_interrupted_call_leaves_no_answer_behind(fresh_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C in the middle of a call the next one gets its own answer, not the one that was left unread."""

    def respond(connection: socket.socket, number: int) -> None:
        connection.sendall(_answer(b"%d" % number))

    def interrupt(self: Response) -> bytes:
        raise KeyboardInterrupt

    with _daemon(fresh_home, respond), Client(fresh_home.dir, start=False) as client:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Response, "read", interrupt)
            client.send(ASKED)

        assert client.send(ASKED).body == b"2"


@both
@pytest.mark.parametrize("respond", [_says(), _says(_answer(length=1_000))], ids=["nothing", "half a body"])
def test_silence_has_an_end(kind: str, respond: Respond, fresh_home: Home) -> None:
    """A daemon that does not answer in time is a timeout (exit code 4 of the command line)."""
    with _daemon(fresh_home, respond), pytest.raises(TimeoutExpiredError, match="/v1/health/live"):
        _asked(fresh_home, kind, timeout_s=0.1)


@both
@pytest.mark.parametrize(
    "parts",
    [
        [bytes([each]) for each in _answer()],
        [_answer()[:60], _answer()[60:]],
        [
            b"HTTP/1.1 200 OK\r\n" + VERSIONS + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + LIVE[:5],
            b"\r\na\r\n" + LIVE[5:] + b"\r\n0\r\n\r\n",
        ],
    ],
    ids=["byte by byte", "in two", "chunked"],
)
def test_answer_may_come_in_any_pieces(kind: str, parts: list[bytes], fresh_home: Home) -> None:
    """How an answer is cut into packets makes no difference."""
    with _daemon(fresh_home, _says(*parts, pause_s=0.0005)):
        assert _asked(fresh_home, kind).body == LIVE


def test_connection_is_kept_and_let_go_when_told(fresh_home: Home) -> None:
    """One connection serves many requests, until the daemon says close."""
    connections = []

    def respond(connection: socket.socket, number: int) -> None:
        connections.append(id(connection))
        connection.sendall(_answer(headers=VERSIONS + (b"Connection: close\r\n" if number == 2 else b"")))
        if number == 2:
            connection.shutdown(socket.SHUT_RDWR)

    with _daemon(fresh_home, respond), Client(fresh_home.dir, start=False) as client:
        for _ in range(3):
            assert client.send(ASKED).status == 200

    assert connections[0] == connections[1] and len(connections) == 3


@both
@pytest.mark.parametrize("key", ["a\r\nOrigin: evil", "a\nb", "\0", "schlüssel", "ключ"])
def test_key_that_no_header_can_carry_is_refused(kind: str, key: str, fresh_home: Home) -> None:
    """An idempotency key cannot smuggle in a header or a second request: it is refused before anything is sent."""
    request = Request("POST", "/v1/examples", body=b"{}", headers={"idempotency-key": key})

    with _daemon(fresh_home, _says(_answer())) as requests:
        with pytest.raises(InvalidRequestError, match="idempotency-key"):
            _asked(fresh_home, kind, request=request)
        assert requests == []
