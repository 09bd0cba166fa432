"""A small WSGI application over mcai: reads come from the mapped snapshot, writes go to the daemon.

GET /page?domain=physics&cursor=...    a page of examples, as JSON
GET /search?text=...                   the nearest examples, as JSON
POST /add                              adds the JSON example in the body
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from mcai import McaiError
from mcai.gunicorn import client, snapshot

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request."""
    try:
        status, body = "200 OK", answer(environ)
    except (McaiError, msgspec.DecodeError) as error:
        told = error.as_wire() if isinstance(error, McaiError) else {"error": {"message": str(error)}}
        status, body = "400 Bad Request", msgspec.json.encode(told)
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def answer(environ: dict[str, Any]) -> bytes:
    """Return the body of an answer."""
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
        case "GET", "/page":
            # The rows are ready-made JSON in a file that all workers have mapped: nothing is decoded or copied twice.
            return snapshot().page(domain=query.get("domain"), cursor=query.get("cursor")).raw()
        case "GET", "/search":
            return msgspec.json.encode(client().search(query["text"], limit=5))
        case "POST", "/add":
            example = msgspec.json.decode(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            return msgspec.json.encode(client().add([example]))
    raise McaiError("there is nothing here", hint="Try /page, /search?text=... or POST /add.")
