"""A page as JSON, cut out of a view: the rows are ready-made, only the frame around them is written."""

from __future__ import annotations

from dataclasses import dataclass

from mcai.filters import Filters, make_cursor
from mcai.snapshot.view import View


@dataclass(frozen=True)
class PageJson:
    """A `records.Page`, encoded."""

    json: bytes
    next_cursor: str | None
    epoch: int


def page_json(view: View, filters: Filters, after_id: int, limit: int) -> PageJson:
    """Return the page behind an id, with the bytes that msgspec would make of its record.

    Raises:
        SnapshotDamagedError: a file of the snapshot is damaged.
    """
    rows = view.page(filters, after_id, limit)
    cursor = make_cursor(filters, rows.last_id) if rows.more else None
    told = b"null" if cursor is None else b'"%b"' % cursor.encode()
    return PageJson(
        b'{"examples":[%b],"next_cursor":%b,"epoch":%d}' % (rows.json, told, view.epoch), cursor, view.epoch
    )
