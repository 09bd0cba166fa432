"""The verbs on the archive: move the oldest examples there, look at it, bring them back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from mcai.records import ArchiveRestoreResult, Page, RotateResult
from mcai.wire import Flow, Request, decode
from mcai.wire.calls.history import CHANGE_TIMEOUT_S
from mcai.wire.calls.parameters import Filtering, filters, paging, selection, to_json


def rotate(max_rows: int | None = None, *, dry_run: bool = False) -> Flow[RotateResult]:
    """Move the oldest examples of each domain to the archive.

    Args:
        max_rows: keep so many a domain, 1 or more; without it the policy of the settings holds, off by default.
        dry_run: tell what would happen and change nothing.

    Raises:
        InvalidRequestError: ``max_rows`` is below 1.
    """
    body = to_json({"max": max_rows, "dry_run": dry_run})
    return decode((yield Request("POST", "/v1/rotate", body=body, timeout_s=CHANGE_TIMEOUT_S)), RotateResult)


def archived(*, limit: int = 100, cursor: str | None = None, **chosen: Unpack[Filtering]) -> Flow[Page]:
    """Return a page of archived examples in id order; arguments as for `page`."""
    query = {**filters(**chosen), **paging(limit, cursor)}
    return decode((yield Request("GET", "/v1/archive", query)), Page)


def restore_archived(ids: Iterable[int] | None = None, **chosen: Unpack[Filtering]) -> Flow[ArchiveRestoreResult]:
    """Bring examples back from the archive: those with these ids, or those that the filters pick; else all of them."""
    body = to_json(selection(ids, chosen))
    request = Request("POST", "/v1/archive/restore", body=body, timeout_s=CHANGE_TIMEOUT_S)
    return decode((yield request), ArchiveRestoreResult)
