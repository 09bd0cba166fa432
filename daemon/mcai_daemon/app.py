"""The application: operations in, one ASGI callable out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from mcai.errors import FatalStoreError, McaiError
from mcai.wire import EPOCH_HEADER
from mcai_daemon import failures
from mcai_daemon.guards import Guards
from mcai_daemon.openapi import document
from mcai_daemon.operations import Call, Operation, json_answer, key_of, read_body, read_query
from mcai_daemon.routes import OPERATIONS
from mcai_daemon.services import Services

Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(services: Services) -> Starlette:
    """Return the application that serves these services."""
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in OPERATIONS:
        by_path[operation.path].append(operation)
    routes = [
        Route(path, _endpoint(operations, services), methods=[each.method for each in operations])
        for path, operations in by_path.items()
    ]
    api = document(OPERATIONS)

    async def openapi(_: Request) -> Response:
        return Response(api, media_type="application/json")

    app = Starlette(
        routes=[*routes, Route("/openapi.json", openapi)],
        middleware=[Middleware(Guards)],
        exception_handlers={
            McaiError: failures.on_mcai_error,
            HTTPException: failures.on_http_error,
            ClientDisconnect: failures.on_disconnect,
            Exception: failures.on_surprise,
        },
    )
    # /v1/status/ is no route of ours: an error that says so, not an empty redirect.
    app.router.redirect_slashes = False
    return app


def _endpoint(operations: Sequence[Operation], services: Services) -> Endpoint:
    by_method = {operation.method: operation for operation in operations}

    async def endpoint(request: Request) -> Response:
        operation = by_method["GET" if request.method == "HEAD" else request.method]
        query = read_query(request, operation.query)
        raw = await request.body() if operation.body is not None else b""
        call = Call(
            services=services,
            path=request.path_params,
            query=query,
            body=read_body(raw, operation.body) if operation.body is not None else None,
            key=key_of(request, raw) if operation.body is not None else None,
        )
        services.knowledge.check_epoch(call.min_epoch)
        epoch = services.knowledge.catalog.epoch
        try:
            answer = await operation.handler(call)
        except FatalStoreError as error:
            services.failure.report(error)
            raise
        response = answer if isinstance(answer, Response) else json_answer(answer)
        # Every answer names its epoch; one that does not name its own was read at this one or later.
        response.headers.setdefault(EPOCH_HEADER, str(epoch))
        return response

    return endpoint
