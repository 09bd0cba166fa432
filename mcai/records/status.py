"""What runs, and how far index and snapshot are."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class DaemonInfo(Struct, frozen=True):
    """The process that answers."""

    pid: int
    version: str
    uptime_s: float
    socket: str
    ready: bool


class IndexInfo(Struct, frozen=True):
    """The search index beside the store."""

    state: Literal["loading", "ready", "catching_up", "failed"]
    model: str
    dim: int
    rows: int
    pending: int
    """Rows that are stored and not yet indexed."""
    error: str | None = None
    unindexed_rows: int = 0
    """Rows that a search finds by scanning, until the next upkeep."""
    fragments: int = 0
    bytes: int = 0


class GraphInfo(Struct, frozen=True):
    """The graph index over the vectors of the snapshot's base."""

    state: Literal["none", "building", "ready", "failed"]
    """Without a ready one, searches scan all vectors: slower, and exact."""
    rows: int = 0
    recall: float | None = None
    """recall@10 against the exact scan, measured on a sample when it was built."""
    error: str | None = None


class SnapshotInfo(Struct, frozen=True):
    """The memory-mapped snapshot."""

    epoch: int
    """What is published: any process can map it."""
    view_epoch: int
    """What the daemon serves from it, its tail in memory included."""
    rows: int
    segments: int
    tail_rows: int
    bytes: int
    fallbacks: int
    """Reads that went to the catalog because the snapshot could not serve them."""
    graph: GraphInfo
    error: str | None = None


class RecoveryInfo(Struct, frozen=True):
    """What had to be mended at the daemon's start."""

    at: str
    cause: str
    recovered_epochs: int
    lost_epochs: int
    kept: list[str]
    """Where the damaged files lie."""


class Status(Struct, frozen=True):
    """What runs and how far it is."""

    daemon: DaemonInfo
    examples: int
    datasets: int
    epoch: int
    index_epoch: int
    index: IndexInfo
    home: str
    bytes_on_disk: int
    timeline: str = ""
    """Changes with every restore."""
    snapshot: SnapshotInfo | None = None
    recovery: RecoveryInfo | None = None
    """None when the last start found everything in order."""
    settings: dict[str, str | int | float] = {}
    """What the daemon read at its start, secrets masked."""
