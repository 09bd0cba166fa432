"""Batches of records on their way to the daemon: sent in order by a thread of their own, or kept on disk first."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import msgspec

from mcai.records import AddResult

IN_FLIGHT = 2
"""Batches that may wait or be under way; more would only take memory."""


class Batch(msgspec.Struct, frozen=True):
    """Records for one request."""

    number: int
    examples: list[msgspec.Raw]
    """Each a `NewExample` as JSON."""
    files: list[int]
    """The number of each example's file."""
    containers: dict[str, list[dict[str, Any]]]
    """Metadata of datasets that goes with them, by domain."""


class Sender:
    """A pipeline: the next batch is read while the daemon writes the last.

    Answers are settled in the caller's thread, in order, so nothing needs a lock. The error of a batch is raised by a
    later `put` or by `finish`.
    """

    def __init__(self, send: Callable[[Batch], AddResult], settle: Callable[[Batch, AddResult], None]) -> None:
        """Make a pipeline.

        Args:
            send: asks the daemon; called in the sending thread.
            settle: takes an answer; called in the caller's thread.
        """
        self._send = send
        self._settle = settle
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="migrate-send")
        self._pending: deque[tuple[Batch, Future[AddResult]]] = deque()

    def put(self, batch: Batch) -> None:
        """Send a batch as soon as those before it are sent; waits while too many are under way."""
        self._pending.append((batch, self._pool.submit(self._send, batch)))
        while len(self._pending) > IN_FLIGHT:
            self._settle_oldest()

    def finish(self) -> None:
        """Wait until every batch is settled."""
        while self._pending:
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        batch, answer = self._pending.popleft()
        self._settle(batch, answer.result())

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class Spool:
    """Batches in a nameless temporary file: what ``--strict`` reads before it sends anything."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="mcai-migrate-")  # noqa: SIM115 - `close` ends it

    def put(self, batch: Batch) -> None:
        """Append a batch."""
        self._file.write(msgspec.json.encode(batch) + b"\n")

    def __iter__(self) -> Iterator[Batch]:
        self._file.seek(0)
        for line in self._file:
            yield msgspec.json.decode(line, type=Batch)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
