"""`Client`: one kept connection a thread over the unix socket. Imports nothing that is slow to import."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from mcai.client import lifecycle
from mcai.client.export import ExportStream
from mcai.client.http import Connection, Response
from mcai.client.session import ATTEMPTS, Session, verb
from mcai.errors import DaemonError, DaemonNotRunningError, TimeoutExpiredError
from mcai.wire import Answer, Flow, Request, calls, error_of

T = TypeVar("T")

_ABSENT = (FileNotFoundError, NotADirectoryError, ConnectionRefusedError)


class Client:
    """The daemon, as Python calls. One client serves many threads; after a fork it makes new connections by itself.

    >>> client = Client()                              # doctest: +SKIP
    >>> client.add([{"domain": "physics", "content": "What is light?", "response": "..."}]).imported
    >>> [hit.content for hit in client.search("photons", limit=3).hits]
    """

    def __init__(
        self, home: str | os.PathLike[str] | None = None, *, start: bool = True, timeout_s: float = 30.0
    ) -> None:
        """Make a client; nothing is contacted before its first call.

        Args:
            home: the mcai home; ``MCAI_HOME`` as it is now by default, else the user's data folder.
            start: start the daemon when it is absent (``MCAI_NO_START=1`` switches it off for good).
            timeout_s: how long one answer may take.
        """
        self.session = Session(home, start, timeout_s)
        self._local = threading.local()

    status = verb(calls.status)
    datasets = verb(calls.datasets)
    dataset = verb(calls.dataset)
    page = verb(calls.page)
    get = verb(calls.get)
    search = verb(calls.search)
    add = verb(calls.add)
    add_batch = verb(calls.add_batch)
    edit = verb(calls.edit)
    delete = verb(calls.delete)
    emotions = verb(calls.emotions)
    emotion = verb(calls.emotion)

    def run(self, flow: Flow[T]) -> T:
        """Drive one verb to its result."""
        try:
            request = next(flow)
            while True:
                request = flow.send(self.send(request))
        except StopIteration as done:
            result: T = done.value
            return result

    def send(self, request: Request) -> Answer:
        """Send one request; starts the daemon and repeats the request where that is safe.

        Raises:
            DaemonNotRunningError: no daemon, and it may not be started.
            TimeoutExpiredError: no answer in time.
            DaemonError: the daemon went away and the request cannot be repeated.
        """
        response = self._open(request)
        try:
            body = response.read()
        except TimeoutError as error:
            self._drop()
            raise TimeoutExpiredError(f"no whole answer to {request.method} {request.path} in time") from error
        except ConnectionError as error:
            self._drop()
            raise DaemonError("the daemon went away in the middle of its answer", hint="Try again.") from error
        if not response.keeps_alive:
            self._drop()
        return self.session.take(request, Answer(response.status, response.headers, body))

    @contextmanager
    def export(self, *, format: str = "jsonl", **filters: Any) -> Iterator[ExportStream]:
        """Stream an export of what the filters (see `calls.filters`) pick, as it was at one epoch.

        Args:
            format: ``jsonl`` or ``parquet``.
        """
        query = {"format": format, **calls.filters(**filters)}
        response = self._open(Request("GET", "/v1/export", query))
        try:
            self.session.check_protocol(response.headers)
            if response.status >= 400:
                raise error_of(Answer(response.status, response.headers, response.read()))
            yield ExportStream(response.chunks(), response.headers)
        finally:
            # It may have been left before its end.
            self._drop()

    def close(self) -> None:
        """Close this thread's connection; the client stays usable."""
        self._drop()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self, request: Request) -> Response:
        timeout_s = request.timeout_s or self.session.timeout_s
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._connection(timeout_s).request(
                    request.method,
                    self.session.target(request),
                    self.session.headers(request),
                    request.body,
                    timeout_s,
                )
            except _ABSENT as error:
                self._drop()
                if not self.session.start:
                    raise DaemonNotRunningError() from error
                lifecycle.start(self.session.home)
            except TimeoutError as error:
                self._drop()
                raise TimeoutExpiredError(f"no answer to {request.method} {request.path} in time") from error
            except ConnectionError as error:
                # A kept connection that the daemon closed meanwhile, or a daemon that died under the request.
                self._drop()
                if attempt == ATTEMPTS or not request.repeatable:
                    raise DaemonError("the daemon went away before it answered", hint="Try again.") from error
            except OSError as error:
                self._drop()
                raise DaemonError(
                    f"the socket {self.session.home.socket_path} cannot be used: {error.strerror or error}",
                    hint="Set MCAI_HOME to a folder of your own.",
                ) from error
        raise DaemonNotRunningError("the daemon starts and ends at once", hint="Look at: mcai daemon logs")

    def _connection(self, timeout_s: float) -> Connection:
        kept: tuple[int, Connection] | None = getattr(self._local, "kept", None)
        if kept is None or kept[0] != os.getpid():
            # A connection that was made before a fork belongs to the parent.
            kept = os.getpid(), Connection(str(self.session.home.socket_path), timeout_s)
            self._local.kept = kept
        return kept[1]

    def _drop(self) -> None:
        kept: tuple[int, Connection] | None = getattr(self._local, "kept", None)
        if kept is not None:
            kept[1].close()
            self._local.kept = None
