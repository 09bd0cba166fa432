"""A writer that adds row after row, while something else happens to its daemon."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from uuid import uuid4

from mcai.client import Client
from mcai.errors import McaiError


class Writer:
    """Adds one row at a time, in a thread of its own, while its ``with`` block runs."""

    def __init__(self, home_dir: Path) -> None:
        self.taken_ms: list[float] = []
        """How long each acknowledged row took."""
        self.error: McaiError | None = None
        """Why it ended before the block did."""
        self._home_dir = home_dir
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def _write(self) -> None:
        run = uuid4().hex
        with Client(self._home_dir, start=False) as client:
            try:
                while not self._ended.is_set():
                    begun = time.perf_counter()
                    client.add([{"content": f"row {len(self.taken_ms)} of writer {run}", "response": "kept"}])
                    self.taken_ms.append((time.perf_counter() - begun) * 1e3)
            except McaiError as error:
                self.error = error

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()
