"""Hooks for Gunicorn: the daemon is started and warmed once, each worker maps the snapshot and gets a client.

    from mcai.gunicorn import on_starting, post_fork         # in gunicorn.conf.py
    from mcai.gunicorn import client, snapshot               # in the application

Gunicorn itself is not imported. The home is MCAI_HOME's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mcai.client import Client
from mcai.errors import DaemonError, NoSnapshotError
from mcai.snapshot import Snapshot, open_snapshot
from mcai.wire import Request

WARM_TIMEOUT_S = 60.0
"""How long the start waits until search is loaded and a snapshot is there; then the workers start all the same."""
LOOK_AGAIN_S = 0.5
"""A worker asks so often at most whether there is a newer snapshot: it costs reading a small file."""
_POLL_S = 0.05


@dataclass
class _Worker:
    client: Client
    snapshot: Snapshot | None = None
    looked_s: float = 0.0


_worker: _Worker | None = None


def on_starting(server: Any) -> None:
    """Start the daemon when it is absent, and wait until it answers everything; once, before there are workers.

    Args:
        server: Gunicorn's arbiter; only its log is used.

    Raises:
        DaemonError: the daemon cannot be started, and there is no snapshot to read without it.
    """
    deadline_s = time.monotonic() + WARM_TIMEOUT_S
    try:
        with Client() as starter:
            is_warm = _until(lambda: starter.send(Request("GET", "/v1/health/startup")).status == 200, deadline_s)
            is_mapped = _until(_is_published, deadline_s)
    except DaemonError as error:
        if not _is_published():
            raise
        server.log.warning("mcai: %s; the workers read the snapshot alone", error.message)
        return
    if is_warm and is_mapped:
        server.log.info("mcai: the daemon is warm, the snapshot is published")
    else:
        server.log.warning("mcai: the %s is not ready yet", "snapshot" if is_warm else "daemon's search")


def post_fork(server: Any, worker: Any) -> None:
    """Map the snapshot for one worker and make its client; neither is shared with another process.

    Args:
        server: Gunicorn's arbiter; not used.
        worker: the new worker; only its log is used.
    """
    global _worker
    _worker = _Worker(Client())
    try:
        snapshot()
    except NoSnapshotError as error:
        worker.log.warning("mcai: %s; it is looked for again with each request", error.message)


def client() -> Client:
    """Return this worker's client: it writes, and asks what a snapshot cannot answer. Any thread may use it."""
    return _mine().client


def snapshot() -> Snapshot:
    """Return this worker's snapshot, moved on when a newer one was published; call it once a request.

    Raises:
        NoSnapshotError: nothing was published yet.
    """
    mine = _mine()
    if mine.snapshot is None:
        mine.snapshot, mine.looked_s = open_snapshot(), time.monotonic()
    elif time.monotonic() - mine.looked_s >= LOOK_AGAIN_S:
        with contextlib.suppress(NoSnapshotError):  # withdrawn, by a restore: a new one follows
            mine.snapshot.refresh()
        mine.looked_s = time.monotonic()
    return mine.snapshot


def _mine() -> _Worker:
    """Return what belongs to this worker; made here where no hook ran."""
    global _worker
    if _worker is None:
        _worker = _Worker(Client())
    return _worker


def _is_published() -> bool:
    try:
        with open_snapshot() as snapshot:
            return snapshot.is_mapped
    except NoSnapshotError:
        return False


def _until(holds: Callable[[], bool], deadline_s: float) -> bool:
    """Wait until a condition holds; return whether it does."""
    while not holds():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_POLL_S)
    return True
