"""What many test files need: sample rows, a real daemon that is waited for or killed, and requests as bytes."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from mcai.client import Client, lifecycle
from mcai.paths import Home

PATIENCE_S = 30.0


def wait_until(holds: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Return as soon as a condition holds; fail with ``what`` was waited for when it never does."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain until {what}"
        time.sleep(0.01)


def sample(number: int, **fields: Any) -> dict[str, Any]:
    """Return one example that no other number gives."""
    return {"content": f"question {number}", "response": f"answer {number}", "domain": "samples", **fields}


def samples(count: int, first: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """Return ``count`` examples, all different."""
    return [sample(number, **fields) for number in range(first, first + count)]


def raws(examples: Sequence[Mapping[str, Any]]) -> list[msgspec.Raw]:
    """Return examples as `Client.add_batch` takes them."""
    return [msgspec.Raw(msgspec.json.encode(example)) for example in examples]


def all_ids(client: Client, **filters: Any) -> list[int]:
    """Return every id that the pages of a query show, in their order."""
    ids: list[int] = []
    cursor = None
    while True:
        page = client.page(cursor=cursor, **filters)
        ids += [example.id for example in page.examples]
        cursor = page.next_cursor
        if cursor is None:
            return ids


def contents(client: Client, **filters: Any) -> list[str]:
    """Return every content of a home in id order."""
    with client.export(**filters) as stream:
        return [msgspec.json.decode(line)["content"] for line in b"".join(stream).splitlines()]


def pid_of(home: Home) -> int:
    """Return the pid of the daemon that owns a home now."""
    owner = lifecycle.running(home)
    assert owner is not None and owner.pid, f"no daemon owns {home.dir}"
    return owner.pid


def kill(home: Home) -> None:
    """End a home's daemon as a power cut would, and wait until its lock is free."""
    os.kill(pid_of(home), signal.SIGKILL)
    wait_until(lambda: lifecycle.running(home) is None, "the killed daemon's lock is free")


def log_of(home: Home) -> str:
    """Return what the home's daemon wrote."""
    return home.log_path.read_text("utf-8") if home.log_path.exists() else ""


@contextmanager
def spawned(
    home: Home, *, environment: Mapping[str, str] | None = None, before: Callable[[], None] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the daemon as a child, so that its exit code can be asked; it ends with the block.

    Args:
        home: what it serves.
        environment: variables on top of this process's own.
        before: called in the child before the daemon is executed.
    """
    home.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with home.log_path.open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "mcai_daemon", "--home", str(home.dir)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(environment or {})},
            preexec_fn=before,
        )
    try:
        wait_until(lambda: lifecycle.answers(home) or child.poll() is not None, "the daemon listens")
        assert child.poll() is None, log_of(home)
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


@dataclass(frozen=True)
class Reply:
    """One answer as it came over the socket. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The error's code; the body must be an error of the contract's one shape."""
        told = self.json()
        assert set(told) == {"error"} and set(told["error"]) == {"code", "message", "hint"}, told
        assert all(isinstance(value, str) for value in told["error"].values()), told
        assert "Traceback" not in self.body.decode() and told["error"]["message"], told
        return str(told["error"]["code"])


def connect(home: Home, timeout_s: float = 10.0) -> socket.socket:
    """Return a connection to the home's socket."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(str(home.socket_path))
    except BaseException:
        connection.close()
        raise
    return connection


def ask(
    home: Home, method: str, target: str, body: Any = b"", headers: Mapping[str, str | None] | None = None
) -> Reply:
    """Send one request exactly as told and read its answer.

    Args:
        home: whose daemon is asked.
        method: as it goes onto the request line.
        target: path and query, already quoted.
        body: bytes as they are; anything else is sent as JSON.
        headers: on top of Host and Content-Length; None leaves one of these out.
    """
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    given: dict[str, str | None] = {"Host": "localhost", "Content-Length": str(len(raw)), **(headers or {})}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value is not None)]
    with connect(home) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + raw)
        response = http.client.HTTPResponse(connection, method=method)
        try:
            response.begin()
            read = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, read, response.read())
        finally:
            response.close()


def python(code: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a piece of Python in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, **options)
