"""Waits until what was imported can be found: the search index follows the store with a delay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mcai.errors import McaiError
from mcai.records import Status
from mcai_cli.importing.advance import Advance
from mcai_cli.output import counted, note

if TYPE_CHECKING:
    from mcai.client.sync import Client

FIRST_POLL_S = 0.05
LONGEST_POLL_S = 0.5
STALLED_S = 600.0
"""An index that makes no headway for so long is waited for no longer."""


def index_epoch(client: Client, epoch: int, advance: Advance, *, wait: bool) -> int | None:
    """Tell how far the search index is; an import that is over is never turned into a failure by it.

    Args:
        epoch: what the index should take in.
        wait: until it has, has failed or makes no headway. Ctrl-C ends the wait alone.

    Returns:
        The epoch that the index has reached, None when it cannot be told; what is missing is said on stderr.
    """
    try:
        return _wait(client, epoch, advance) if wait else client.status().index_epoch
    except KeyboardInterrupt:
        note("note: everything is stored; the search index goes on in the background. See: mcai status")
    except McaiError as error:
        note(f"note: everything is stored, but the search index cannot be asked: {error.message}. {error.hint}")
    return None


def _wait(client: Client, epoch: int, advance: Advance) -> int:
    last_mark, moved_at = (-1, -1), time.monotonic()
    poll_s = FIRST_POLL_S
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
        time.sleep(poll_s)
        poll_s = min(poll_s * 1.5, LONGEST_POLL_S)


def _gave_up(status: Status) -> str:
    why = f"failed: {status.index.error}" if status.index.state == "failed" else "makes no headway"
    return (
        f"note: everything is stored, but the search index {why} ({counted(status.index.pending, 'row')} to go). "
        "See: mcai status, mcai daemon logs"
    )
