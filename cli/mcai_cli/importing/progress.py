"""Shows on stderr how far an import is."""

from __future__ import annotations

import math
import sys
import time
from contextlib import AbstractContextManager

from mcai_cli.importing.advance import Advance, every
from mcai_cli.output import counted, note

LINE_EVERY_S = 10.0


def watch(advance: Advance) -> AbstractContextManager[None]:
    """Show on stderr how far an import is, while the context lasts: a bar for people, now and then a line elsewhere."""
    if sys.stderr.isatty():
        from mcai_cli.show.bar import watch_bar

        return watch_bar(advance)
    return _watch_lines(advance)


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
