"""The cheapest HTTP/1.1 client that Python allows: what is measured is the server, not its client's library."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
READ_BYTES = 1 << 18

Address = str | tuple[str, int]
"""Path of a unix socket, or host and port."""


def connect(address: Address, timeout_s: float = 60.0) -> socket.socket:
    """Open a connection."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(address)
        if family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        connection.close()
        raise
    return connection


def message(target: str, body: Any = None, method: str | None = None) -> bytes:
    """Return one request as bytes; a body that is not None is sent as JSON."""
    payload = b"" if body is None else json.dumps(body).encode()
    head = f"{method or ('GET' if body is None else 'POST')} {target} HTTP/1.1\r\nhost: localhost\r\n"
    if body is not None:
        head += f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n"
    return head.encode() + b"\r\n" + payload


class Response:
    """One answer that comes in pieces."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._body_at = 0
        self._length: int | None = None

    def feed(self, piece: bytes) -> bool:
        """Take in a piece; tell whether the answer is whole.

        Raises:
            ConnectionError: the server hung up.
        """
        if not piece:
            raise ConnectionError("the server closed the connection in the middle of an answer")
        self._received += piece
        if not self._body_at:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return False
            self._body_at = end + 4
            found = _LENGTH.search(self._received, 0, self._body_at)
            self._length = int(found[1]) if found else None
            if found is None and not _CHUNKED.search(self._received, 0, self._body_at):
                raise ConnectionError("the answer has neither a length nor chunks")
        if self._length is None:
            return self._received.endswith(b"0\r\n\r\n")
        return len(self._received) >= self._body_at + self._length

    @property
    def status(self) -> int:
        return int(self._received[9:12])

    @property
    def body(self) -> bytes:
        """The body, without chunk marks."""
        raw = bytes(self._received[self._body_at :])
        if self._length is not None:
            return raw
        whole = b""
        while raw:
            size, _, raw = raw.partition(b"\r\n")
            whole, raw = whole + raw[: int(size, 16)], raw[int(size, 16) + 2 :]
        return whole


class Connection:
    """One kept connection, one request at a time."""

    def __init__(self, address: Address) -> None:
        self._socket = connect(address)

    def send(self, request: bytes) -> bytes:
        """Send a request made by `message`; return the body of its answer.

        Raises:
            ConnectionError: the server hung up, or answered with an error.
        """
        answer = self._exchange(request)
        if answer.status >= 400:
            raise ConnectionError(f"HTTP {answer.status}: {answer.body[:300].decode(errors='replace')}")
        return answer.body

    def succeeds(self, request: bytes) -> bool:
        """Send a request; tell whether it was answered without an error."""
        return self._exchange(request).status < 400

    def _exchange(self, request: bytes) -> Response:
        self._socket.sendall(request)
        answer = Response()
        while not answer.feed(self._socket.recv(READ_BYTES)):
            pass
        return answer

    def ask(self, target: str, body: Any = None) -> Any:
        """Send one request; return its JSON answer."""
        return json.loads(self.send(message(target, body)))

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
