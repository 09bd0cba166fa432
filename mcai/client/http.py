"""HTTP/1.1 over the unix socket, parsed by httptools: a third of what importing ``http.client`` costs every command."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping

import httptools

RECEIVE_BYTES = 1 << 18
CREDENTIALS = struct.Struct("3i")
"""``struct ucred``: pid, uid, gid."""
CANNOT_SEND = "\r\n"


class BrokenAnswerError(ConnectionError):
    """The other side ended, or broke, its answer."""


class Response:
    """One answer: status and headers are there, the body comes as it is asked for."""

    def __init__(self, sock: socket.socket) -> None:
        self.headers: dict[str, str] = {}
        """Names are lower case."""
        self.is_whole = False
        self.keeps_alive = False
        self._sock = sock
        self._parts: list[bytes] = []
        self._headers_done = False
        self._parser = httptools.HttpResponseParser(self)
        while not self._headers_done:
            self._receive()
        self.status: int = self._parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        # Asked now: after the end of the message the parser says no to everything.
        self.keeps_alive = self._parser.should_keep_alive()
        self._headers_done = True

    def on_body(self, part: bytes) -> None:
        """Called by the parser."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.is_whole = True

    def _receive(self) -> None:
        data = self._sock.recv(RECEIVE_BYTES)
        if not data:
            raise BrokenAnswerError("the connection ended in the middle of an answer")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise BrokenAnswerError(f"this is no HTTP: {error}") from error

    def chunks(self) -> Iterator[bytes]:
        """Yield the body in pieces, as they come.

        Raises:
            BrokenAnswerError: it ends too early.
        """
        while self._parts or not self.is_whole:
            if not self._parts:
                self._receive()
            taken, self._parts = self._parts, []
            yield from taken

    def read(self) -> bytes:
        """Return the whole body; see `chunks`."""
        return b"".join(self.chunks())


def check_peer(sock: socket.socket) -> None:
    """Refuse to talk to another user's process.

    Raises:
        PermissionError: the listener is neither this user's nor root's. (Systems without SO_PEERCRED are not asked.)
    """
    if hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
        if uid not in (os.getuid(), 0):
            raise PermissionError(errno.EACCES, f"it belongs to user {uid}")


class Connection:
    """One connection; the next request may be sent when the last answer was read to its end."""

    def __init__(self, path: str, timeout_s: float) -> None:
        """Connect.

        Raises:
            OSError: nobody listens there.
        """
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.settimeout(timeout_s)
            self._sock.connect(path)
            check_peer(self._sock)
        except BaseException:
            self._sock.close()
            raise

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, timeout_s: float
    ) -> Response:
        """Send a request; return its answer as soon as the headers are there.

        Raises:
            ValueError: a header has a line break.
            TimeoutError: a single wait took longer than ``timeout_s``.
            ConnectionError: the other side went away.
        """
        self._sock.settimeout(timeout_s)
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if any(sign in line for line in lines for sign in CANNOT_SEND):
            raise ValueError("a header cannot have a line break")
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        head = "\r\n".join(lines) + "\r\n\r\n"
        self._sock.sendall(head.encode("latin-1") + (body or b""))
        return Response(self._sock)

    def close(self) -> None:
        """Let go of the socket."""
        self._sock.close()

    def __del__(self) -> None:
        # Each thread keeps one; when the thread ends nobody else can close it.
        self.close()
