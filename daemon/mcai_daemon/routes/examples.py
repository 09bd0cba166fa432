"""Examples: a page, one, add, edit, delete."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from mcai.errors import (
    ConflictError,
    IdempotencyConflictError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    StoreFullError,
)
from mcai.records import MAX_BATCH_RECORDS, AddResult, DeleteResult, Page, StoredExample
from mcai_daemon.operations import FILTERS, Call, Operation, Parameter

DEFAULT_LIMIT = 100
MAX_ID = (1 << 63) - 1


class AddRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of at most 5,000 examples. One bad record never fails its batch: it is answered as rejected."""

    examples: list[msgspec.Raw]
    containers: dict[str, list[dict[str, Any]]] = {}
    """What the examples' containers say of their datasets, by domain; it goes to the datasets' metadata."""
    dry_run: bool = False


class DeleteRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which examples go."""

    ids: list[int]


async def page(call: Call) -> Page:
    return await call.services.knowledge.page(
        call.filters, limit=call.query.get("limit", DEFAULT_LIMIT), cursor=call.query.get("cursor")
    )


async def add(call: Call) -> AddResult:
    body: AddRequest = call.body
    if len(body.examples) > MAX_BATCH_RECORDS:
        raise InvalidRequestError(
            f"a batch may have {MAX_BATCH_RECORDS:,} examples, not {len(body.examples):,}", hint="Split it."
        )
    return await call.services.knowledge.add(
        body.examples, key=call.key, containers=body.containers, dry_run=body.dry_run
    )


async def delete(call: Call) -> DeleteResult:
    body: DeleteRequest = call.body
    if not body.ids:
        raise InvalidRequestError("name the ids to delete")
    _check_ids(body.ids)
    return await call.services.knowledge.delete(body.ids, key=call.key)


async def get(call: Call) -> StoredExample:
    _check_ids([call.path["example_id"]])
    return await call.services.knowledge.get(call.path["example_id"])


async def edit(call: Call) -> StoredExample:
    _check_ids([call.path["example_id"]])
    return await call.services.knowledge.edit(call.path["example_id"], call.body)


async def delete_one(call: Call) -> DeleteResult:
    _check_ids([call.path["example_id"]])
    return await call.services.knowledge.delete([call.path["example_id"]], key=None)


def _check_ids(ids: list[int]) -> None:
    if any(not -MAX_ID <= each <= MAX_ID for each in ids):
        raise NotFoundError("an id is a 64-bit number")


_LIMIT = Parameter("limit", "integer", "1 to 1,000; 100 by default.")
_CURSOR = Parameter("cursor", "string", "next_cursor of the previous page, with the same filters.")
_ONE = "/v1/examples/{example_id:int}"

OPERATIONS = (
    Operation(
        "GET",
        "/v1/examples",
        "A page of examples, in id order",
        page,
        Page,
        query=(*FILTERS, _LIMIT, _CURSOR),
        errors=(InvalidRequestError, InvalidCursorError),
    ),
    Operation(
        "POST",
        "/v1/examples",
        "Add a batch; an Idempotency-Key makes a retry harmless",
        add,
        AddResult,
        body=AddRequest,
        errors=(InvalidRequestError, IdempotencyConflictError, StoreFullError),
    ),
    Operation("DELETE", "/v1/examples", "Delete examples", delete, DeleteResult, body=DeleteRequest),
    Operation("GET", _ONE, "One example, archived or not", get, StoredExample, errors=(NotFoundError,)),
    Operation(
        "PATCH",
        _ONE,
        "Change fields of one example",
        edit,
        StoredExample,
        body=dict[str, Any],
        errors=(InvalidRequestError, NotFoundError, ConflictError),
    ),
    Operation("DELETE", _ONE, "Delete one example", delete_one, DeleteResult),
)
