"""The peak of a process's anonymous memory, by asking the kernel often."""

from __future__ import annotations

import re
import threading
from pathlib import Path

POLL_S = 0.02


class PeakMemory:
    """Watches one process while its ``with`` block runs; `anonymous_mib` is the highest value seen."""

    def __init__(self, pid: int) -> None:
        self.anonymous_mib = 0.0
        self._status_path = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(POLL_S):
            self.anonymous_mib = max(self.anonymous_mib, self._now_mib())

    def _now_mib(self) -> float:
        found = re.search(r"^RssAnon:\s+(\d+) kB", self._status_path.read_text(), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()
