"""The file that takes the rejected records, so that they can be mended and imported again."""

from __future__ import annotations

import fcntl
import os
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from mcai.formats import Rejected, write_quarantine_line
from mcai.paths import Home


class Quarantine:
    """A JSON-lines file that is created with its first record: readable by its owner alone, as the data itself is."""

    def __init__(self, home: Home, run_id: str, started: datetime) -> None:
        """Name the file; nothing is created yet.

        Args:
            started: in UTC; part of the name, so that files sort by time.
        """
        self.failure: str | None = None
        """Why rejected records could not be written; the import itself goes on."""
        self._path = home.quarantine_dir / f"migrate-{started:%Y%m%dT%H%M%SZ}-{run_id}.jsonl"
        self._out: BinaryIO | None = None

    @property
    def path(self) -> Path | None:
        """The file, when there is one."""
        return self._path if self._out else None

    def write(self, rejected: Rejected) -> None:
        """Add one record, with where it was found and why it was not taken; a failure is kept in ``failure``."""
        if self.failure:
            return
        try:
            if self._out is None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
                self._out = os.fdopen(descriptor, "wb")
                fcntl.flock(self._out, fcntl.LOCK_SH)  # `mcai forget` leaves alone what is still being written
            write_quarantine_line(rejected, self._out)
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Put everything onto the disk."""
        if self._out is None or self._out.closed:
            return
        try:
            self._out.flush()
            os.fsync(self._out.fileno())
            self._out.close()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = f"the quarantine {self._path} cannot be written: {error.strerror or error}"
