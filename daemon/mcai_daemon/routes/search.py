"""Search by words or by vector."""

from __future__ import annotations

from typing import Literal

from mcai.errors import DimensionMismatchError, EpochNotReachedError, IndexUnavailableError, InvalidRequestError
from mcai.records import SearchResult
from mcai_daemon.operations import Call, FilterFields, Operation


class SearchRequest(FilterFields, frozen=True, forbid_unknown_fields=True):
    """One of text and vector; the filters as in GET /v1/examples."""

    text: str | None = None
    vector: list[float] | None = None
    mode: Literal["hybrid", "semantic", "keyword"] | None = None
    """hybrid for a text, semantic for a vector."""
    limit: int = 10
    explain: bool = False
    min_epoch: int = 0
    """As in the query string of every read."""


async def search(call: Call) -> SearchResult:
    body: SearchRequest = call.body
    if (body.text is None) == (body.vector is None):
        raise InvalidRequestError("give either text or vector")
    call.services.knowledge.check_epoch(body.min_epoch)
    asked = body.text if body.text is not None else body.vector
    assert asked is not None
    return await call.services.knowledge.search(
        asked,
        mode=body.mode or ("hybrid" if body.text is not None else "semantic"),
        limit=body.limit,
        filters=body.filters,
        explain=body.explain,
        min_epoch=max(call.min_epoch, body.min_epoch),
    )


OPERATIONS = (
    Operation(
        "POST",
        "/v1/search",
        "The examples nearest to a text or a vector",
        search,
        SearchResult,
        body=SearchRequest,
        errors=(InvalidRequestError, DimensionMismatchError, IndexUnavailableError, EpochNotReachedError),
    ),
)
