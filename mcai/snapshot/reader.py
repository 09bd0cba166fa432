"""`open_snapshot()`: pages and nearest rows for any process, from the mapped files, with no daemon and no copy.

A snapshot is pinned to the epoch that it was opened at. Where the files cannot be mapped, are damaged or not
there yet, a read goes to the daemon over the socket instead, and is counted.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Unpack

import msgspec
import numpy.typing as npt

from mcai.errors import (
    DaemonError,
    McaiError,
    NoSnapshotError,
    NotFoundError,
    SnapshotDamagedError,
    SnapshotError,
    StaleSnapshot,
)
from mcai.filters import MAX_ID, check_limit, parse_filters, read_cursor
from mcai.paths import find_home
from mcai.records import Example, Hit, Page, SearchResult
from mcai.snapshot.asking import Asking
from mcai.snapshot.generation import Published, open_current
from mcai.snapshot.pages import page_json
from mcai.snapshot.view import ALL, View
from mcai.wire import Request, decode
from mcai.wire.calls.parameters import Filtering, filters, numbers, optional_text, whole_number

if TYPE_CHECKING:
    from mcai.client import Client
    from mcai.snapshot.segment import Segment

T = TypeVar("T")
Vector: TypeAlias = "Sequence[float] | npt.NDArray[Any]"

log = logging.getLogger("mcai.snapshot")

SCORE_DIGITS = 6
"""As the daemon's answers have them."""
PUBLISH_WAIT_S = 2.0
"""A snapshot is published at most so long after a change; after that a daemon that runs is asked over the socket."""
_POLL_S = 0.02

_decode_page = msgspec.json.Decoder(Page).decode
_decode_example = msgspec.json.Decoder(Example).decode


class SnapshotPage:
    """One page. The records are made when they are asked for."""

    def __init__(self, raw: bytes, next_cursor: str | None, epoch: int) -> None:
        self.next_cursor = next_cursor
        """Where the next page begins; None when there is no further row."""
        self.epoch = epoch
        """What the page was read at."""
        self._raw = raw

    def raw(self) -> bytes:
        """Return the page as JSON: byte for byte what ``GET /v1/examples`` answers."""
        return self._raw

    @cached_property
    def examples(self) -> list[Example]:
        """The rows, in id order."""
        return _decode_page(self._raw).examples


class Snapshot:
    """One home at one epoch. Any number of threads may read it, and a child that was forked from this process.

    >>> with open_snapshot() as snapshot:                             # doctest: +SKIP
    ...     page = snapshot.page(domain="physics")
    ...     print(len(page.examples), snapshot.epoch)
    """

    def __init__(self, home: str | os.PathLike[str] | None = None, min_epoch: int | None = None) -> None:
        """Open it; see `open_snapshot`."""
        self.fallbacks = 0
        """Reads that went over the socket."""
        self.error: str | None = None
        """Why the last of them did."""
        self._home = find_home(home)
        self._client: Client | None = None
        self._asking = Asking(self._home)
        self._published: Published | None = None
        self._socket_epoch = 0
        self._scanned: set[str | None] = set()
        self._is_closed = False
        self._open(0 if min_epoch is None else whole_number(min_epoch))

    @property
    def is_mapped(self) -> bool:
        """Whether reads come from the files; else they go over the socket, and `error` says why."""
        return self._published is not None

    @property
    def epoch(self) -> int:
        """What this snapshot shows."""
        return self._published.view.epoch if self._published else self._socket_epoch

    def page(self, limit: int = 100, cursor: str | None = None, **chosen: Unpack[Filtering]) -> SnapshotPage:
        """Return a page of examples in id order; filters as in `mcai.Client.page`.

        Args:
            limit: 1 to 1,000.
            cursor: the previous page's ``next_cursor``, with the same filters; a client's page will do.

        Raises:
            InvalidCursorError: the cursor was made with other filters.
            InvalidRequestError: a filter or the limit is out of range.
        """
        query = filters(**chosen)
        wanted = parse_filters(**query) if query else ALL
        after_id = read_cursor(wanted, optional_text(cursor, "cursor"))
        check_limit(whole_number(limit, "limit"))

        def mapped(view: View) -> SnapshotPage:
            page = page_json(view, wanted, after_id, limit)
            return SnapshotPage(page.json, page.next_cursor, page.epoch)

        def asked(client: Client) -> SnapshotPage:
            query_of_page = {**query, "limit": limit, "cursor": cursor, "min_epoch": self.epoch}
            answer = client.send(Request("GET", "/v1/examples", query_of_page))
            page = decode(answer, Page)
            return SnapshotPage(answer.body, page.next_cursor, page.epoch)

        return self._read(mapped, asked)

    def get(self, example_id: int) -> Example:
        """Return one example.

        Raises:
            NotFoundError: there is no such example, or it is archived.
        """
        number = whole_number(example_id, "an id")
        unknown = NotFoundError(f"example {number} does not exist at epoch {self.epoch}", hint="See: mcai query")

        def mapped(view: View) -> Example:
            found = view.get(number) if 0 < number <= MAX_ID else None
            if found is None:
                raise unknown
            return _decode_example(found)

        def asked(client: Client) -> Example:
            stored = client.get(number)
            if stored.archived:
                raise unknown
            return Example(**{name: getattr(stored, name) for name in Example.__struct_fields__})

        return self._read(mapped, asked)

    def search(self, vector_or_text: str | Vector, limit: int = 10, **chosen: Unpack[Filtering]) -> SearchResult:
        """Find the examples nearest in meaning; filters as in `page`.

        Args:
            vector_or_text: the vector of an embedding of the snapshot's own model (any sequence of floats, a NumPy
                array too), or words, which are embedded here as the home's settings say.
            limit: 1 to 1,000 hits.

        Raises:
            DimensionMismatchError: the vector has another length than the rows' own.
            InvalidRequestError: a blank text, no numbers, or a filter or the limit is out of range.
            IndexUnavailableError: the settings name another model than the snapshot's.
        """
        begun = time.perf_counter()
        check_limit(whole_number(limit, "limit"))
        query = filters(**chosen)
        wanted = parse_filters(**query) if query else ALL
        asked = vector_or_text if isinstance(vector_or_text, str) else numbers(vector_or_text)

        def mapped(view: View) -> SearchResult:
            vector = self._asking.vector(asked, view.model)
            for layer in view.layers:
                self._load_graph(layer.segment)
            hits = _hits(view, view.nearest(vector, limit, wanted))
            took_ms = round((time.perf_counter() - begun) * 1e3, 3)
            return SearchResult(hits=hits, mode="semantic", epoch=view.epoch, index_epoch=view.epoch, took_ms=took_ms)

        def told(client: Client) -> SearchResult:
            return client.search(asked, mode="semantic", limit=limit, **chosen)

        return self._read(mapped, told)

    def refresh(self) -> int:
        """Move on to the newest generation; return its epoch.

        Raises:
            NoSnapshotError: there is none any more, and no daemon runs that would make one.
        """
        self._open(0)
        return self.epoch

    def close(self) -> None:
        """Let go of the files."""
        self._is_closed = True
        self._published = None
        if self._client is not None:
            self._client.close()

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self, min_epoch: int) -> None:
        published: Published | None = None
        try:
            published = self._newest()
            epoch = published.view.epoch
        except (NoSnapshotError, SnapshotDamagedError, OSError) as error:
            if isinstance(error, NoSnapshotError) and not self._is_served():
                raise  # to start one is for whoever writes
            epoch = self._socket_epoch = self._over_socket(lambda client: client.status().epoch, error)
        if epoch < min_epoch:
            raise StaleSnapshot(f"the snapshot is at epoch {epoch}, {min_epoch} was asked for")
        self._published, self._is_closed = published, False

    def _newest(self) -> Published:
        """Open what is in force. Where a daemon has yet to publish - it has just begun, or after a restore - wait."""
        deadline_s = time.monotonic() + PUBLISH_WAIT_S
        while True:
            try:
                return open_current(self._home.snapshot_dir, self._published)
            except NoSnapshotError:
                if time.monotonic() > deadline_s or not self._is_served():
                    raise
            time.sleep(_POLL_S)

    def _is_served(self) -> bool:
        from mcai.client import lifecycle

        return lifecycle.running(self._home) is not None

    def _read(self, mapped: Callable[[View], T], asked: Callable[[Client], T]) -> T:
        """Read from the files, or over the socket where that is not possible."""
        if self._is_closed:
            raise SnapshotError("the snapshot was closed", hint="Open it again, or refresh() it.")
        published = self._published
        cause: McaiError = SnapshotError(self.error)
        if published is not None:
            try:
                return mapped(published.view)
            except SnapshotDamagedError as error:
                cause = error
        return self._over_socket(asked, cause)

    def _over_socket(self, asked: Callable[[Client], T], cause: McaiError | OSError) -> T:
        from mcai.client import Client

        why = cause.message if isinstance(cause, McaiError) else f"the snapshot cannot be mapped: {cause}"
        if self._client is None:
            log.warning("reads go over the socket: %s", why)
            self._client = Client(self._home.dir)
        self.fallbacks += 1
        self.error = why
        try:
            return asked(self._client)
        except DaemonError as error:
            raise (cause if isinstance(cause, McaiError) else SnapshotError(why)) from error

    def _load_graph(self, segment: Segment) -> None:
        if segment.name in self._scanned:
            return
        try:
            segment.load_graph()
        except (SnapshotError, SnapshotDamagedError, OSError) as error:
            # Not worth a trip over the socket: a scan finds the same rows, somewhat later.
            log.warning("searches scan all vectors: %s", error)
            self._scanned.add(segment.name)


def open_snapshot(min_epoch: int | None = None, home: str | os.PathLike[str] | None = None) -> Snapshot:
    """Open the published snapshot of a home. No daemon is needed while the files can be read.

    Args:
        min_epoch: refuse anything older.
        home: the mcai home; ``MCAI_HOME`` as it is now by default, else the user's data folder.

    Raises:
        NoSnapshotError: nothing was published yet, and no daemon runs.
        StaleSnapshot: what is published is older than ``min_epoch``.
        SnapshotDamagedError: it is damaged, and no daemon answers instead.
    """
    return Snapshot(home, min_epoch)


def _hits(view: View, found: Sequence[tuple[int, float]]) -> list[Hit]:
    """Make hits of (id, similarity), with the scores that the daemon's semantic search gives."""
    scores = {row: round(min(1.0, max(0.0, similarity)), SCORE_DIGITS) for row, similarity in found}
    examples = view.pick(list(scores), ALL)
    best = sorted(scores.items(), key=lambda row: (-row[1], row[0]))
    return [Hit(**msgspec.structs.asdict(examples[row]), score=score) for row, score in best]
