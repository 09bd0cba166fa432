"""A page as JSON, cut out of a view: the rows are ready-made, only the frame around them is written."""

from __future__ import annotations

from dataclasses import dataclass

from mcai.filters import Filters, make_cursor
from mcai.snapshot.view import View


@dataclass(frozen=True)
class PageJson:
    """A `records.Page`, encoded."""

    json: bytes
    epoch: int


def page_json(view: View, filters: Filters, after_id: int, limit: int) -> PageJson:
    """Return the page behind an id.

    Raises:
        SnapshotDamagedError: a file of the snapshot is damaged.
    """
    rows = view.page(filters, after_id, limit)
    cursor = b'"%s"' % make_cursor(filters, rows.last_id).encode() if rows.more else b"null"
    return PageJson(b'{"examples":[%s],"next_cursor":%s,"epoch":%d}' % (rows.json, cursor, view.epoch), view.epoch)
