"""How far an import is: counters that the engine keeps and that a watcher thread shows on stderr."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from mcai.formats import Progress
from mcai_cli.output import counted, note

LINE_EVERY_S = 10.0


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


def watch(advance: Advance) -> AbstractContextManager[None]:
    """Show on stderr how far an import is, while the context lasts: a bar for people, now and then a line elsewhere."""
    if sys.stderr.isatty():
        from mcai_cli.show.bar import watch_bar

        return watch_bar(advance)
    return _watch_lines(advance)


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


def _watch_lines(advance: Advance) -> AbstractContextManager[None]:
    started = time.monotonic()
    return every(LINE_EVERY_S, lambda: note(line(advance, time.monotonic() - started)))


def line(advance: Advance, elapsed_s: float) -> str:
    """Return one line of progress: share, records, rate, remaining time."""
    if advance.indexing:
        return f"migrate: indexing, {counted(advance.to_index, 'row')} to go"
    rate = f"{counted(advance.settled, 'record')}, {advance.settled / elapsed_s:,.0f}/s"
    if not advance.total_bytes or not advance.done_bytes:
        return f"migrate: {rate}"
    share = min(advance.done_bytes / advance.total_bytes, 1.0)
    return f"migrate: {share:.0%}, {rate}, about {math.ceil(elapsed_s * (1 / share - 1))} s to go"
