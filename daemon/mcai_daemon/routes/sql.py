"""One read-only query, run by a process of its own on a copy of the catalog."""

from __future__ import annotations

from msgspec import Struct

from mcai.errors import InvalidRequestError, SqlError, StoreFullError
from mcai.records import SqlResult
from mcai_daemon.operations import Call, Operation


class SqlRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked."""

    query: str
    """One SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE or EXPLAIN."""


async def sql(call: Call) -> SqlResult:
    body: SqlRequest = call.body
    if not body.query.strip():
        raise InvalidRequestError("the query is blank", hint="For example: SELECT domain, examples FROM datasets")
    return await call.services.sandbox.run(body.query)


OPERATIONS = (
    Operation(
        "POST",
        "/v1/sql",
        "Run one read-only query on a copy of the catalog",
        sql,
        SqlResult,
        body=SqlRequest,
        errors=(InvalidRequestError, SqlError, StoreFullError),
    ),
)
