"""The archive: what rotation moves there, what lies in it, and what comes back."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from mcai.errors import InvalidCursorError, InvalidRequestError, StoreFullError
from mcai.filters import MAX_ID
from mcai.records import ArchiveRestoreResult, Page, RotateResult
from mcai_daemon.operations import CURSOR, FILTERS, LIMIT, Call, Operation, Selection


class RotateRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """How much stays."""

    max: Annotated[int, Meta(ge=1, le=MAX_ID)] | None = None
    """So many examples of each domain, 1 or more; without it the policy of the settings holds."""
    dry_run: bool = False


class ArchiveRestoreRequest(Selection, frozen=True, forbid_unknown_fields=True):
    """Which archived examples come back: some ids, or what filters pick; all of them when neither is given."""


async def rotate(call: Call) -> RotateResult:
    body: RotateRequest = call.body
    return await call.services.rotation.rotate(body.max, dry_run=body.dry_run)


async def archived(call: Call) -> Page:
    return await call.services.knowledge.archived(call.filters, limit=call.limit, cursor=call.cursor)


async def restore(call: Call) -> ArchiveRestoreResult:
    body: ArchiveRestoreRequest = call.body
    ids, filters = body.chosen()
    return await call.services.knowledge.restore_archived(ids, filters)


OPERATIONS = (
    Operation(
        "POST",
        "/v1/rotate",
        "Move the oldest examples of each domain to the archive",
        rotate,
        RotateResult,
        body=RotateRequest,
        errors=(InvalidRequestError, StoreFullError),
    ),
    Operation(
        "GET",
        "/v1/archive",
        "A page of archived examples, in id order",
        archived,
        Page,
        query=(*FILTERS, LIMIT, CURSOR),
        errors=(InvalidRequestError, InvalidCursorError),
    ),
    Operation(
        "POST",
        "/v1/archive/restore",
        "Bring examples back from the archive",
        restore,
        ArchiveRestoreResult,
        body=ArchiveRestoreRequest,
        errors=(InvalidRequestError, StoreFullError),
    ),
)
