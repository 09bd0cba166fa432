"""Examples: a page, one, add, edit, delete."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

from mcai.errors import (
    ConflictError,
    IdempotencyConflictError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    StoreFullError,
)
from mcai.filters import MAX_ID
from mcai.records import MAX_BATCH_RECORDS, AddResult, DeleteResult, Page, StoredExample
from mcai.wire import EPOCH_HEADER
from mcai.words import quoted
from mcai_daemon.operations import CURSOR, FILTERS, LIMIT, Call, Operation, read_number

MAX_BATCH_IDS = 10_000


class AddRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of at most 5,000 examples. One bad record never fails its batch: it is answered as rejected."""

    examples: list[msgspec.Raw]
    containers: dict[str, list[dict[str, Any]]] = {}
    """What the examples' containers say of their datasets, by domain; it goes to the datasets' metadata."""
    dry_run: bool = False


class DeleteRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which examples go."""

    ids: list[int]


async def page(call: Call) -> Response:
    found = await call.services.knowledge.page(call.filters, limit=call.limit, cursor=call.cursor)
    return Response(found.json, headers={EPOCH_HEADER: str(found.epoch)}, media_type="application/json")


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
    if len(body.ids) > MAX_BATCH_IDS:
        raise InvalidRequestError(f"a request may delete {MAX_BATCH_IDS:,} examples", hint="Split it.")
    # What is no 64-bit number can be no example's id: it is missing like any other unknown one.
    possible = [each for each in body.ids if abs(each) <= MAX_ID]
    done = await call.services.knowledge.delete(possible, key=call.key)
    missing = [*done.missing, *(each for each in body.ids if abs(each) > MAX_ID)]
    return msgspec.structs.replace(done, missing=missing)


async def get(call: Call) -> StoredExample:
    return await call.services.knowledge.get(_id_of(call))


async def edit(call: Call) -> StoredExample:
    return await call.services.knowledge.edit(_id_of(call), call.body)


async def delete_one(call: Call) -> DeleteResult:
    return await call.services.knowledge.delete([_id_of(call)], key=None)


def _id_of(call: Call) -> int:
    text: str = call.path["example_id"]
    example_id = read_number(text)
    if example_id is None:
        raise NotFoundError(f"there is no example {quoted(text)}", hint="An id is a whole number. See: mcai query")
    return example_id


_ONE = "/v1/examples/{example_id}"

OPERATIONS = (
    Operation(
        "GET",
        "/v1/examples",
        "A page of examples, in id order",
        page,
        Page,
        query=(*FILTERS, LIMIT, CURSOR),
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
