"""An export on its way from the daemon: chunks of bytes, and what is known once they have all come."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Callable, Iterator, Mapping

from mcai.errors import DaemonError
from mcai.wire import EPOCH_HEADER

CHUNK_BYTES = 1 << 18
ROWS_HEADER = "mcai-rows"


class ExportStream:
    """Iterate over it to its end; then ``rows``, ``bytes`` and ``sha256`` are whole."""

    def __init__(self, read: Callable[[int], bytes], headers: Mapping[str, str]) -> None:
        self.epoch = int(headers.get(EPOCH_HEADER, 0))
        self.rows = int(headers.get(ROWS_HEADER, 0))
        """Known from the beginning."""
        self.bytes = 0
        self._read = read
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The hash of what has come so far."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        try:
            while chunk := self._read(CHUNK_BYTES):
                self._hash.update(chunk)
                self.bytes += len(chunk)
                yield chunk
        except (http.client.HTTPException, OSError) as error:
            raise DaemonError("the daemon went away in the middle of the export", hint="Run it again.") from error
