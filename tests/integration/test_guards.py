"""What the daemon refuses before any handler sees it, and how it says no."""

from __future__ import annotations

import http.client
import os
import threading
from typing import Any

import pytest

from helpers import Reply, ask, connect
from mcai import __version__
from mcai.client import Client
from mcai.paths import Home
from mcai.wire import PROTOCOL_VERSION
from mcai_daemon.guards import MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Host": None}, 403, "forbidden"),
        ({"Host": ""}, 403, "forbidden"),
        ({"Host": "evil.example"}, 403, "forbidden"),
        ({"Host": "localhost.evil.example"}, 403, "forbidden"),
        ({"Host": "127.0.0.1"}, 403, "forbidden"),
        ({"Origin": "http://evil.example"}, 403, "forbidden"),
        ({"Origin": "null"}, 403, "forbidden"),
        ({"Origin": "http://localhost"}, 403, "forbidden"),
        ({"Referer": "http://evil.example/page"}, 403, "forbidden"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "forbidden"),
        ({"Sec-Fetch-Site": "none"}, 403, "forbidden"),
        ({"mcai-protocol": "999"}, 426, "version_mismatch"),
        ({"mcai-protocol": "0"}, 426, "version_mismatch"),
        ({"mcai-protocol": ""}, 426, "version_mismatch"),
        ({"mcai-protocol": "x" * 1_000}, 426, "version_mismatch"),
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "target"), [("GET", "/v1/status"), ("POST", "/v1/examples"), ("GET", "/nowhere")])
def test_stranger_is_refused_before_routing(
    daemon_home: Home, method: str, target: str, headers: dict[str, str | None], status: int, code: str
) -> None:
    """Web pages, other hosts and other protocols get no answer from any handler, whatever the route."""
    reply = ask(daemon_home, method, target, b"", headers)

    assert (reply.status, reply.code) == (status, code)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST"])
def test_curl_is_welcome(daemon_home: Home, host: str) -> None:
    """A plain request with Host localhost and nothing else is served: no version header is needed."""
    assert ask(daemon_home, "GET", "/v1/health/live", headers={"Host": host}).json() == {"status": "ok"}


def test_every_answer_names_the_versions(daemon_home: Home) -> None:
    """Success, error and refusal alike carry protocol and version."""
    for reply in (
        ask(daemon_home, "GET", "/v1/status"),
        ask(daemon_home, "GET", "/nowhere"),
        ask(daemon_home, "GET", "/v1/status", headers={"Origin": "x"}),
    ):
        assert (reply.headers["mcai-protocol"], reply.headers["mcai-version"]) == (str(PROTOCOL_VERSION), __version__)


def test_body_that_says_it_is_too_long_is_refused(daemon_home: Home) -> None:
    """A length beyond the limit is refused without waiting for the body."""
    reply = ask(daemon_home, "POST", "/v1/examples", headers={"Content-Length": str(MAX_BODY_BYTES + 1)})

    assert (reply.status, reply.code) == (413, "record_too_large")


def _chunked(home: Home, size: int) -> Reply:
    """Send a body without a length; return the answer, which may come before its end."""
    with connect(home, timeout_s=30) as connection:
        connection.sendall(
            b"POST /v1/examples HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

        def send() -> None:
            chunk = b"x" * (1 << 20)
            try:
                for _ in range(size >> 20):
                    connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                connection.sendall(b"0\r\n\r\n")
            except OSError:
                return  # the daemon has answered and does not read on

        sender = threading.Thread(target=send)
        sender.start()
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        reply = Reply(response.status, dict(response.getheaders()), response.read())
        response.close()
        connection.close()
        sender.join()
        return reply


def test_body_that_grows_too_long_is_refused(daemon_home: Home, client: Client) -> None:
    """A body without a length is counted while it comes, and cut off."""
    reply = _chunked(daemon_home, MAX_BODY_BYTES + (4 << 20))

    assert (reply.status, reply.code) == (413, "record_too_large")
    assert client.status().examples == 0


def test_body_without_a_length_is_read(daemon_home: Home) -> None:
    """Below the limit it is a body like any other (here: one that is no JSON)."""
    reply = _chunked(daemon_home, 1 << 20)

    assert (reply.status, reply.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", "/v2/status"),
        ("GET", "/v1/statuses"),
        ("GET", "/v1/examples/abc"),
        ("GET", "/v1/examples/-1"),
        ("GET", "/v1/examples/1/2"),
        ("GET", "/v1/../etc/passwd"),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd"),
        ("GET", "//v1/status"),
        ("GET", "/" + "x" * 5_000),
        ("GET", "/v1/emotions/no_such_emotion"),
        ("GET", "/v1/datasets/no%20such%20domain"),
    ],
)
def test_unknown_route_is_404(daemon_home: Home, method: str, target: str) -> None:
    """What is not there is an error of the one shape, with a hint."""
    reply = ask(daemon_home, method, target)

    assert (reply.status, reply.code) == (404, "not_found") and reply.json()["error"]["hint"]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/status"),
        ("PUT", "/v1/examples"),
        ("PATCH", "/v1/examples"),
        ("DELETE", "/v1/search"),
        ("GET", "/v1/search"),
        ("OPTIONS", "/v1/status"),
        ("TRACE", "/v1/status"),
        ("POST", "/openapi.json"),
        ("BREW", "/v1/status"),
    ],
)
def test_wrong_method_is_405(daemon_home: Home, method: str, target: str) -> None:
    """A route says which methods it takes."""
    reply = ask(daemon_home, method, target)

    if method == "BREW":
        assert reply.status in (400, 405) and reply.code
        return
    assert (reply.status, reply.code) == (405, "method_not_allowed") and reply.headers["allow"]


def test_head_is_a_get_without_a_body(daemon_home: Home) -> None:
    """HEAD answers the headers of GET."""
    reply = ask(daemon_home, "HEAD", "/v1/status")

    assert (reply.status, reply.body) == (200, b"") and int(reply.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"no json",
        b"\xff\xfe",
        b"null",
        b"5",
        b"[" * 100_000,
        b'{"examples": ' + b"[" * 100_000,
        b'{"examples": [{"a": NaN}]}',
    ],
    ids=lambda body: body[:20],
)
@pytest.mark.parametrize(
    ("method", "target"), [("POST", "/v1/examples"), ("POST", "/v1/search"), ("PATCH", "/v1/examples/1")]
)
def test_body_that_is_no_json_is_400(daemon_home: Home, method: str, target: str, body: bytes) -> None:
    """Anything that is not the JSON asked for is refused with what is wrong about it."""
    reply = ask(daemon_home, method, target, body)

    assert (reply.status, reply.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        {"examples": {}},
        {"examples": None},
        {"example": []},
        {"examples": [], "x": 1},
        {"examples": [], "dry_run": "no"},
    ],
    ids=str,
)
def test_body_of_another_shape_names_the_field(daemon_home: Home, body: dict[str, Any]) -> None:
    """A field of the wrong type, a missing or an unknown one is named."""
    reply = ask(daemon_home, "POST", "/v1/examples", body)

    assert (reply.status, reply.code) == (400, "invalid_request")
    assert any(name in reply.json()["error"]["message"] for name in ("examples", *body))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("domian=a", "Did you mean 'domain'?"),
        ("Limit=5", "Did you mean 'limit'?"),
        ("x=1", "See /openapi.json"),
        ("limit=ten", "whole number"),
        ("limit=", "whole number"),
        ("limit=1.5", "whole number"),
        ("limit=--5", "whole number"),
        ("limit=%2B5", "whole number"),
        ("limit=5_0", "whole number"),
        ("limit=" + "9" * 5_000, "whole number"),
        ("limit=0", "1 to 1,000"),
        ("limit=1001", "1 to 1,000"),
        ("min_epoch=soon", "whole number"),
        ("frequency=high", "frequency"),
        ("since=yesterday", "since"),
        ("until=%FF", "until"),
        ("cursor=abc", "cursor"),
    ],
)
def test_unusable_query_is_400(daemon_home: Home, query: str, told: str) -> None:
    """An unknown parameter names the nearest one; a value that cannot be used is named."""
    reply = ask(daemon_home, "GET", f"/v1/examples?{query}")

    assert (reply.status, reply.code in ("invalid_request", "invalid_cursor")) == (400, True)
    assert told in str(reply.json())


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v1/examples HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nno colon here\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nName: a\x00b\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=lambda raw: raw[:40],
)
def test_what_is_no_http_is_400(daemon_home: Home, raw: bytes) -> None:
    """Bytes that are no HTTP get the one shape of an error too (or nothing, when there is no request at all)."""
    with connect(daemon_home) as connection:
        connection.sendall(raw)
        connection.shutdown(1)
        answer = b""
        while data := connection.recv(65_536):
            answer += data

    if answer:
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        assert Reply(status, {}, body).code and 400 <= status < 500


def test_many_headers_and_long_ones_do_no_harm(daemon_home: Home) -> None:
    """A request with a hundred kilobytes of headers is answered or refused, quickly."""
    long = ask(daemon_home, "GET", "/v1/status", headers={"X-Long": "x" * 60_000})
    many = ask(daemon_home, "GET", "/v1/status", headers={f"X-{number}": "y" for number in range(2_000)})

    assert {long.status, many.status} <= {200, 400, 431}


def test_slow_sender_holds_nobody_up(daemon_home: Home, client: Client) -> None:
    """Fifty connections that begin a request and never end it leave room for others."""
    lazy = [connect(daemon_home) for _ in range(50)]
    for connection in lazy:
        connection.sendall(b"POST /v1/examples HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")

    assert client.status().daemon.pid != os.getpid()
    for connection in lazy:
        connection.close()
