"""Live, ready, startup. Live touches nothing; ready says whether requests are served; startup whether all is loaded."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec
from msgspec import Struct
from starlette.responses import Response

from mcai.errors import StoreError
from mcai_daemon.operations import Call, Operation, json_answer


class Live(Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"]


class Health(Struct, frozen=True):
    """Each part by itself; `ok` is about this probe."""

    ok: bool
    catalog: Literal["ok", "failed"]
    index: str
    """loading, ready, catching_up or failed: searches wait for it, pages never do."""


async def live(call: Call) -> Live:
    return Live("ok")


async def _health(call: Call) -> Health:
    knowledge = call.services.knowledge
    if call.services.failure.error is not None:
        return Health(ok=False, catalog="failed", index=knowledge.indexer.state)
    try:
        await asyncio.to_thread(knowledge.catalog.pending, knowledge.catalog.epoch)
    except StoreError:
        return Health(ok=False, catalog="failed", index=knowledge.indexer.state)
    return Health(ok=True, catalog="ok", index=knowledge.indexer.state)


async def ready(call: Call) -> Response:
    health = await _health(call)
    return json_answer(health, status=200 if health.ok else 503)


async def startup(call: Call) -> Response:
    health = await _health(call)
    health = msgspec.structs.replace(health, ok=health.ok and health.index != "loading")
    return json_answer(health, status=200 if health.ok else 503)


OPERATIONS = (
    Operation("GET", "/v1/health/live", "The process answers", live, Live),
    Operation("GET", "/v1/health/ready", "Requests are served (503 when not)", ready, Health),
    Operation("GET", "/v1/health/startup", "Everything is loaded, search too (503 until then)", startup, Health),
)
