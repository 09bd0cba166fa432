"""Versions: the log of epochs, how two differ, and the way back to one."""

from __future__ import annotations

from msgspec import Struct

from mcai.errors import (
    ConflictError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    StoreFullError,
)
from mcai.records import EpochDiff, EpochLog, RollbackResult
from mcai.words import quoted
from mcai_daemon.operations import CURSOR, LIMIT, Call, Operation, Parameter, read_number

_DOMAIN = Parameter("domain", "string", "Only this domain, exactly.")


class RollbackRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """How far the way back goes."""

    domain: str | None = None
    """This domain alone; all of them without it."""
    dry_run: bool = False


async def log(call: Call) -> EpochLog:
    return await call.services.knowledge.log(call.query.get("domain"), limit=call.limit, cursor=call.cursor)


async def diff(call: Call) -> EpochDiff:
    missing = [name for name in ("from", "to") if name not in call.query]
    if missing:
        raise InvalidRequestError(f"{missing[0]} is missing", hint="It takes the two epochs to compare: ?from=3&to=7")
    return await call.services.knowledge.diff(call.query["from"], call.query["to"], call.query.get("domain"))


async def rollback(call: Call) -> RollbackResult:
    body: RollbackRequest = call.body
    return await call.services.knowledge.rollback(_epoch_of(call), body.domain, dry_run=body.dry_run)


def _epoch_of(call: Call) -> int:
    text: str = call.path["epoch"]
    epoch = read_number(text)
    if epoch is None:
        raise NotFoundError(f"there is no epoch {quoted(text)}", hint="See: mcai datasets log")
    return epoch


OPERATIONS = (
    Operation(
        "GET",
        "/v1/epochs",
        "What each epoch did, newest first",
        log,
        EpochLog,
        query=(_DOMAIN, LIMIT, CURSOR),
        errors=(InvalidRequestError, InvalidCursorError, NotFoundError),
    ),
    Operation(
        "GET",
        "/v1/epochs/diff",
        "How the live examples of two epochs differ, by domain",
        diff,
        EpochDiff,
        query=(
            Parameter("from", "integer", "The first epoch; 0 is the empty beginning."),
            Parameter("to", "integer", "The second epoch."),
            _DOMAIN,
        ),
        errors=(InvalidRequestError, NotFoundError),
    ),
    Operation(
        "POST",
        "/v1/epochs/{epoch}/rollback",
        "Make the examples equal to what they were right after an epoch, by a new epoch",
        rollback,
        RollbackResult,
        body=RollbackRequest,
        errors=(InvalidRequestError, NotFoundError, ConflictError, StoreFullError),
    ),
)
