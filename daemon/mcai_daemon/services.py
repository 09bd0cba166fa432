"""What a running daemon is made of; the routes get it handed in."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mcai.dataset.knowledge import Knowledge
from mcai.paths import Home
from mcai.settings import Settings


@dataclass(frozen=True)
class Services:
    """Everything that a request may need."""

    home: Home
    settings: Settings
    knowledge: Knowledge
    on_fatal: Callable[[], None]
    """Called when the engine is invalidated: the process has to end."""
    started_s: float = field(default_factory=time.monotonic)

    @property
    def uptime_s(self) -> float:
        return round(time.monotonic() - self.started_s, 3)


def bytes_on_disk(folder: Path) -> int:
    """Return what the files below a folder take up. Looks, never opens: opening a DuckDB file would drop its lock."""
    total = 0
    # Files come and go meanwhile; what cannot be looked at is not counted.
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += bytes_on_disk(Path(entry.path))
                continue
            with contextlib.suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_size
    return total
