"""The home as a whole: backups, forgetting for good, and its health."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, structs

from mcai.errors import ConflictError, InvalidRequestError, StoreFullError
from mcai.records import BackupResult, Backups, DoctorReport, ForgetResult
from mcai.words import quoted
from mcai_daemon.operations import Call, ExampleId, Operation, Selection


class BackupRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a backup goes, and what is in it."""

    dest: str
    """The absolute path of a folder that does not exist yet."""
    all: bool = False
    """Jobs, artifacts and cache too, not the catalog and its journal alone."""


class ForgetRequest(Selection, frozen=True, forbid_unknown_fields=True):
    """Which examples are forgotten: some ids, or what filters pick. One of the two is needed."""

    dry_run: bool = False
    id: ExampleId | list[ExampleId] | None = None
    """More ids, named as the command line names them: one or several."""

    def __post_init__(self) -> None:
        if self.id is not None:
            more = [self.id] if isinstance(self.id, int) else self.id
            structs.force_setattr(self, "ids", [*(self.ids or []), *more])


async def backup(call: Call) -> BackupResult:
    body: BackupRequest = call.body
    dest = Path(body.dest)
    if not dest.is_absolute() or "\0" in body.dest:
        raise InvalidRequestError(f"dest {quoted(body.dest)} is no absolute path")
    return await call.services.upkeep.backup(dest, body.all)


async def backups(call: Call) -> Backups:
    return await call.services.upkeep.backups()


async def forget(call: Call) -> ForgetResult:
    body: ForgetRequest = call.body
    ids, filters = body.chosen()
    if not ids and not filters:
        raise InvalidRequestError(
            "nothing is named that could be forgotten", hint="Give ids, a source or other filters."
        )
    return await call.services.forgetting.forget(ids or [], filters, dry_run=body.dry_run)


async def doctor(call: Call) -> DoctorReport:
    return await call.services.upkeep.doctor()


OPERATIONS = (
    Operation("GET", "/v1/backups", "The backups in the home, newest first", backups, Backups),
    Operation(
        "POST",
        "/v1/backups",
        "Write a backup while everything goes on",
        backup,
        BackupResult,
        body=BackupRequest,
        errors=(InvalidRequestError, ConflictError, StoreFullError),
    ),
    Operation(
        "POST",
        "/v1/forget",
        "Remove examples from every place, the history and the home's backups too",
        forget,
        ForgetResult,
        body=ForgetRequest,
        errors=(InvalidRequestError, StoreFullError),
    ),
    Operation("GET", "/v1/doctor", "Examine everything in the home; nothing is changed", doctor, DoctorReport),
)
