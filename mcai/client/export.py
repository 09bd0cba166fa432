"""An export on its way from the daemon: chunks of bytes, and what is known once they have all come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from mcai.errors import DaemonError, TimeoutExpiredError
from mcai.wire import EPOCH_HEADER, ROWS_HEADER


class ExportStream:
    """Iterate over it to its end; then ``rows``, ``bytes`` and ``sha256`` are whole."""

    def __init__(self, chunks: Iterator[bytes], headers: Mapping[str, str]) -> None:
        self.epoch = int(headers.get(EPOCH_HEADER, 0))
        self.rows = int(headers.get(ROWS_HEADER, 0))
        """Known from the beginning."""
        self.bytes = 0
        self._chunks = chunks
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The hash of what has come so far."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._chunks:
                self._hash.update(chunk)
                self.bytes += len(chunk)
                yield chunk
        except TimeoutError as error:
            raise TimeoutExpiredError("the export did not go on in time", hint="Run it again.") from error
        except OSError as error:
            raise DaemonError("the daemon went away in the middle of the export", hint="Run it again.") from error
