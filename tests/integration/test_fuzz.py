"""Random requests over the raw socket: the daemon lives on, and says what is wrong in its one shape."""

from __future__ import annotations

import random
import string

from helpers import Reply, connect, log_of, pid_of
from mcai.client import Client
from mcai.paths import Home
from mcai_daemon.routes import OPERATIONS

REQUESTS = 500
SEED = 20_261_123

_PIECES = [
    "0",
    "-1",
    "1e999",
    "null",
    "a" * 300,
    "%00",
    "%ff",
    "%2e%2e%2f",
    "{}",
    "[]",
    "&",
    "=",
    "#",
    "?",
    "\u00e4",
    "..",
    "'",
    '"',
]
_BODIES = [
    b"",
    b"{}",
    b"[]",
    b'{"examples": [{}]}',
    b'{"examples": [{"content": "fuzz"}]}',
    b'{"ids": [1, -1]}',
    b'{"text": "fuzz"}',
    b'{"vector": [1]}',
    b'{"content": "\\ud800"}',
    b'{"examples": [' + b"[" * 3_000,
]


def _mutate(dice: random.Random, raw: bytes) -> bytes:
    """Change a few bytes, or leave some out."""
    changed = bytearray(raw)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed))
        match dice.randrange(3):
            case 0:
                changed[at] = dice.randrange(256)
            case 1:
                del changed[at : at + dice.randint(1, 20)]
            case _:
                changed[at:at] = dice.randbytes(dice.randint(1, 8))
        if not changed:
            return b"\0"
    return bytes(changed)


def _request(dice: random.Random) -> bytes:
    """Return something between a sound request and noise."""
    if dice.random() < 0.1:
        return dice.randbytes(dice.randint(1, 400))
    operation = dice.choice(OPERATIONS)
    method = operation.method if dice.random() < 0.8 else dice.choice(["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD"])
    path = operation.path.replace("{example_id}", str(dice.randint(0, 5))).partition("{")[0]
    path += dice.choice(_PIECES) if dice.random() < 0.3 else ""
    names = [each.name for each in operation.query] + ["min_epoch", "x"]
    query = "&".join(f"{dice.choice(names)}={dice.choice(_PIECES)}" for _ in range(dice.randint(0, 3)))
    body = dice.choice(_BODIES) if dice.random() < 0.7 else dice.randbytes(dice.randint(0, 200))
    lines = [f"{method} {path}?{query} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    if dice.random() < 0.3:
        lines.append("".join(dice.choices(string.printable.strip(), k=12)) + ": " + dice.choice(_PIECES))
    raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return _mutate(dice, raw) if dice.random() < 0.3 else raw


def _send(home: Home, raw: bytes) -> bytes:
    """Send bytes and close the sending half; return all that comes back."""
    answer = b""
    with connect(home) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(1)
            while data := connection.recv(65_536):
                answer += data
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was read to its end
    return answer


def _check(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert status in (200, 307) or 400 <= status < 500 or status in (503, 507), head
    chunked = b"transfer-encoding" in head.lower()
    if status >= 400 and body and not chunked and b"HTTP/1.1" not in body:
        assert Reply(status, {}, body).code != "internal"


def test_random_requests_do_no_harm(daemon_home: Home, client: Client) -> None:
    """Whatever comes, the daemon answers with an error that it knows, or not at all; it stays the same process."""
    client.add([{"content": f"row {number}"} for number in range(5)])
    pid, dice = pid_of(daemon_home), random.Random(SEED)
    answered = 0
    for number in range(REQUESTS):
        raw = _request(dice)
        answer = _send(daemon_home, raw)
        try:
            if answer:
                answered += 1
                _check(answer)
        except AssertionError as error:
            raise AssertionError(f"seed {SEED}, request {number}: {raw!r} was answered {answer[:500]!r}") from error

    assert pid_of(daemon_home) == pid and client.status().daemon.pid == pid
    assert answered > REQUESTS / 2, "most of it is requests"
    assert '"event": "unexpected"' not in log_of(daemon_home) and "Traceback" not in log_of(daemon_home)
