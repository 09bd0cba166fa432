"""Errors on their way out: the HTTP status of each; the body is always ``{"error": {"code", "message", "hint"}}``."""

from __future__ import annotations

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mcai import __version__, errors
from mcai.errors import McaiError
from mcai.wire import PROTOCOL_HEADER, PROTOCOL_VERSION, VERSION_HEADER
from mcai.words import shortened

log = structlog.get_logger("http")

STATUS: dict[type[McaiError], int] = {
    McaiError: 500,
    errors.InputError: 400,
    errors.RecordTooLargeError: 413,
    errors.ConfigError: 400,
    errors.DaemonError: 500,
    errors.ForbiddenError: 403,
    errors.VersionMismatchError: 426,
    errors.TimeoutExpiredError: 504,
    errors.StoreError: 500,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.EpochNotReachedError: 503,
    errors.IndexUnavailableError: 503,
    errors.SnapshotError: 503,
    errors.SqlError: 400,
    errors.StoreUnavailableError: 503,
    errors.StoreFullError: 507,
    errors.SourceError: 400,
}
"""A class without a line here has its base's status."""

RETRY_AFTER_S = {503: "1", 507: "30"}

VERSIONS = {PROTOCOL_HEADER: str(PROTOCOL_VERSION), VERSION_HEADER: __version__}
"""Headers of every answer: a client that misses them takes the daemon for another version's."""


def status_of(kind: type[McaiError]) -> int:
    """Return the HTTP status of an error class."""
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


def response_to(error: McaiError) -> Response:
    """Return the answer that carries an error."""
    status = status_of(type(error))
    headers = VERSIONS | ({"retry-after": RETRY_AFTER_S[status]} if status in RETRY_AFTER_S else {})
    return Response(_body(error), status, headers, "application/json")


def _body(error: McaiError, code: str | None = None) -> bytes:
    """Return an error as JSON: no answer gives back the megabyte that it complains of."""
    told = {"code": code or error.code, "message": shortened(error.message), "hint": shortened(error.hint)}
    return msgspec.json.encode({"error": told})


async def on_mcai_error(request: Request, error: Exception) -> Response:
    """Answer an error that was raised on purpose."""
    assert isinstance(error, McaiError)
    if status_of(type(error)) >= 500:
        log.error("failed", path=request.scope["path"], code=error.code, cause=repr(error.__cause__))
    return response_to(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer what no route takes."""
    assert isinstance(error, HTTPException)
    path = request.scope["path"]
    if error.status_code == 405:
        told = McaiError(f"{request.method} is not possible on {path}", hint="See /openapi.json")
        body = _body(told, "method_not_allowed")
    else:
        body = _body(errors.NotFoundError(f"there is no route {path}", hint="See /openapi.json"))
    headers = dict(error.headers or {})
    return Response(body, error.status_code, headers, "application/json")


async def on_disconnect(request: Request, error: Exception) -> Response:
    """Answer a request that broke off in its body, if anybody still listens."""
    return response_to(errors.InvalidRequestError("the body ended too early"))


async def on_surprise(request: Request, error: Exception) -> Response:
    """Answer a fault of our own: the traceback goes to the log, never to the caller."""
    log.error("unexpected", path=request.scope["path"], exc_info=error)
    return response_to(McaiError("mcai failed unexpectedly", hint="See: mcai daemon logs"))
