"""The memory-mapped snapshot: any process reads pages and nearest rows from it without a daemon and without a copy.

A generation is an immutable set of segments, named by a manifest that a pointer file names. Here is what reads it (this
package imports neither engine, and pyarrow only to write) and what writes it: `store.SnapshotStore`, one in the daemon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcai.snapshot.reader import Snapshot, open_snapshot

__all__ = ["Snapshot", "open_snapshot"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from mcai.snapshot import reader

        return getattr(reader, name)
    raise AttributeError(f"module 'mcai.snapshot' has no attribute {name!r}")
