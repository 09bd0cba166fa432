"""What a running daemon is made of; the routes get it handed in."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mcai.dataset.knowledge import Knowledge
from mcai.errors import FatalStoreError
from mcai.paths import Home
from mcai.records import RecoveryInfo
from mcai.settings import Settings
from mcai.store.sandbox.host import Sandbox
from mcai.upkeep.forget import Forgetting
from mcai.upkeep.rotation import Rotation
from mcai.upkeep.service import Upkeep


class EngineFailure:
    """Whether the engine has given up. Any part may report it; then the process is no more ready, and ends."""

    def __init__(self) -> None:
        self.error: FatalStoreError | None = None
        self._then: Callable[[], None] = lambda: None

    def then(self, end: Callable[[], None]) -> None:
        """Say what happens on a report."""
        self._then = end
        if self.error is not None:
            end()

    def report(self, error: FatalStoreError) -> None:
        """Say that only a new process can go on. Of several errors the first counts."""
        self.error = self.error or error
        self._then()


@dataclass(frozen=True)
class Services:
    """Everything that a request may need."""

    home: Home
    settings: Settings
    knowledge: Knowledge
    rotation: Rotation
    forgetting: Forgetting
    upkeep: Upkeep
    sandbox: Sandbox
    failure: EngineFailure
    recovery: RecoveryInfo | None
    """What this start had to mend."""
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
