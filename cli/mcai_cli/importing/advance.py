"""How far an import is: counters that the engine keeps, for whoever watches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mcai.formats import Progress


@dataclass
class Advance:
    """Counters of one import. Only the engine writes them; a watcher may read them at any time."""

    total_bytes: int = 0
    """Of all files; 0 while it is not known."""
    finished_bytes: int = 0
    """Of the files that are read to their end."""
    current: Progress = field(default_factory=Progress)
    """The file that is being read."""
    settled: int = 0
    """Records whose fate is known."""
    to_index: int = 0
    """Rows that the search index has still to take in, once everything is sent."""
    indexing: bool = False

    @property
    def done_bytes(self) -> int:
        """Bytes read so far."""
        return self.finished_bytes + self.current.bytes_read


@contextmanager
def every(seconds: float, show: Callable[[], None]) -> Iterator[None]:
    """Call ``show`` again and again, in a thread of its own, while the context lasts."""
    over = threading.Event()

    def keep_showing() -> None:
        while not over.wait(seconds):
            show()

    watcher = threading.Thread(target=keep_showing, name="migrate-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
