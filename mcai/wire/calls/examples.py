"""The verbs on stored examples: page, get, search, edit, delete."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias, Unpack

from msgspec import UNSET, UnsetType

from mcai.records import DeleteResult, Page, SearchResult, StoredExample
from mcai.wire import KEY_HEADER, Flow, Request, decode
from mcai.wire.calls.parameters import Filtering, filters, id_list, numbers, paging, to_json, whole_number

Mode: TypeAlias = Literal["hybrid", "semantic", "keyword"]

BATCH_IDS = 5_000


def page(*, limit: int = 100, cursor: str | None = None, **chosen: Unpack[Filtering]) -> Flow[Page]:
    """Return a page of examples in id order; filters as in `filters`.

    Args:
        limit: 1 to 1,000.
        cursor: the previous page's ``next_cursor``, with the same filters.

    Raises:
        InvalidCursorError: the cursor was made with other filters.
        InvalidRequestError: a filter or the limit is out of range.
    """
    query = {**filters(**chosen), **paging(limit, cursor)}
    return decode((yield Request("GET", "/v1/examples", query)), Page)


def get(example_id: int) -> Flow[StoredExample]:
    """Return one example, archived or not.

    Raises:
        NotFoundError: there is no such id.
    """
    return decode((yield Request("GET", f"/v1/examples/{whole_number(example_id, 'an id')}")), StoredExample)


def search(
    text_or_vector: str | Sequence[float],
    mode: Mode | None = None,
    limit: int = 10,
    *,
    explain: bool = False,
    **chosen: Unpack[Filtering],
) -> Flow[SearchResult]:
    """Find the examples nearest to a text, or to a vector of the index's own length.

    Args:
        text_or_vector: words, or the vector of an embedding (any sequence of floats, a NumPy array too).
        mode: hybrid by default, semantic for a vector.
        limit: 1 to 1,000 hits.
        explain: add to each hit where its score comes from.

    Raises:
        DimensionMismatchError: the vector has another length than the index.
        InvalidRequestError: an empty text, or a mode that a vector cannot have.
    """
    is_text = isinstance(text_or_vector, str)
    asked: dict[str, Any] = {"text": text_or_vector} if is_text else {"vector": numbers(text_or_vector)}
    asked |= {
        "mode": mode or ("hybrid" if is_text else "semantic"),
        "limit": whole_number(limit, "limit"),
        "explain": explain,
    }
    asked |= filters(**chosen)
    return decode((yield Request("POST", "/v1/search", body=to_json(asked))), SearchResult)


def edit(
    example_id: int,
    *,
    content: str | UnsetType = UNSET,
    response: str | UnsetType | None = UNSET,
    domain: str | UnsetType = UNSET,
    emotion: str | UnsetType | None = UNSET,
    frequency_hz: float | UnsetType | None = UNSET,
    created_at: str | UnsetType | None = UNSET,
    metadata: dict[str, Any] | UnsetType = UNSET,
) -> Flow[StoredExample]:
    """Change fields of one example; its id stays. None clears a field that may be empty.

    Raises:
        NotFoundError: there is no such id, or it is archived.
        ConflictError: another example has this domain, content and response already.
    """
    given = {
        "content": content,
        "response": response,
        "domain": domain,
        "emotion": emotion,
        "frequency_hz": frequency_hz,
        "created_at": created_at,
        "metadata": metadata,
    }
    changes = {name: value for name, value in given.items() if value is not UNSET}
    return decode(
        (yield Request("PATCH", f"/v1/examples/{whole_number(example_id, 'an id')}", body=to_json(changes))),
        StoredExample,
    )


def delete(ids: Iterable[int]) -> Flow[DeleteResult]:
    """Delete examples, archived ones too; ids that do not exist are named in ``missing``."""
    wanted = id_list(ids)
    epoch = deleted = 0
    missing: list[int] = []
    for begin in range(0, max(len(wanted), 1), BATCH_IDS):
        body = to_json({"ids": wanted[begin : begin + BATCH_IDS]})
        request = Request("DELETE", "/v1/examples", body=body, headers={KEY_HEADER: uuid.uuid4().hex})
        done = decode((yield request), DeleteResult)
        epoch, deleted = max(epoch, done.epoch), deleted + done.deleted
        missing += done.missing
    return DeleteResult(epoch=epoch, deleted=deleted, missing=missing)
