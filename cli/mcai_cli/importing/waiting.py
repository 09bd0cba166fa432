"""Waits until what was imported can be found: the search index follows the store with a delay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mcai.records import Status
from mcai_cli.importing.progress import Advance
from mcai_cli.output import note

if TYPE_CHECKING:
    from mcai.client.sync import Client

POLL_S = 0.1
STALLED_S = 60.0
"""An index that makes no headway for so long is waited for no longer."""


def wait_for_index(client: Client, epoch: int, advance: Advance) -> int:
    """Wait until the search index has taken in an epoch, has failed, or makes no headway.

    Returns:
        The epoch that the index has reached; below ``epoch`` when the wait was given up, which stderr then says.
    """
    last_mark, moved_at = (-1, -1), time.monotonic()
    while True:
        status = client.status()
        if status.index_epoch >= epoch:
            return status.index_epoch
        mark = (status.index_epoch, status.index.pending)
        if mark != last_mark:
            last_mark, moved_at = mark, time.monotonic()
        if status.index.state == "failed" or time.monotonic() - moved_at > STALLED_S:
            note(_gave_up(status))
            return status.index_epoch
        advance.to_index, advance.indexing = status.index.pending, True
        time.sleep(POLL_S)


def _gave_up(status: Status) -> str:
    why = f"failed: {status.index.error}" if status.index.state == "failed" else "makes no headway"
    return (
        f"note: everything is stored, but the search index {why} ({status.index.pending:,} rows to go). "
        "See: mcai status, mcai daemon logs"
    )
