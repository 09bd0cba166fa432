"""`Client`: one kept connection a thread over the unix socket. Imports nothing that is slow to import."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from mcai.client.http import Connection, Response
from mcai.client.session import ATTEMPTS, Session, verb
from mcai.errors import DaemonError, DaemonNotRunningError, TimeoutExpiredError
from mcai.wire import Answer, Flow, Request, calls, error_of

if TYPE_CHECKING:
    from mcai.client.export import ExportStream

T = TypeVar("T")

EXPORT_TIMEOUT_S = 600.0
"""A Parquet file is written whole before its first byte is sent."""


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
    log = verb(calls.log)
    diff = verb(calls.diff)
    rollback = verb(calls.rollback)
    drop_dataset = verb(calls.drop_dataset)
    rotate = verb(calls.rotate)
    archived = verb(calls.archived)
    restore_archived = verb(calls.restore_archived)
    backup = verb(calls.backup)
    backups = verb(calls.backups)
    forget = verb(calls.forget)
    doctor = verb(calls.doctor)
    sql = verb(calls.sql)

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
        """Send one request; starts the daemon when it is absent, repeats the request when the daemon goes away.

        Raises:
            DaemonNotRunningError: no daemon, and it may not be started.
            TimeoutExpiredError: no answer in time.
            DaemonError: the daemon goes away under every attempt.
        """

        def read(connection: Connection, response: Response) -> Answer:
            answer = Answer(response.status, response.headers, response.read())
            self._keep(connection, response)
            return answer

        return self.session.take(request, self._ask(request, read))

    @contextmanager
    def export(self, *, format: str = "jsonl", **filters: Any) -> Iterator[ExportStream]:
        """Stream an export of what the filters (see `calls.filters`) pick, as it was at one epoch.

        Args:
            format: ``jsonl`` or ``parquet``.
        """
        from mcai.client.export import ExportStream

        query = {"format": format, **calls.filters(**filters)}
        request = Request("GET", "/v1/export", query, timeout_s=EXPORT_TIMEOUT_S)
        connection, response = self._ask(request, lambda connection, response: (connection, response))
        # The connection is this stream's alone: it may be left before its end, and other calls may come meanwhile.
        with closing(connection):
            stream = ExportStream(response.chunks(), response.headers)
            self.session.check_protocol(response.headers)
            if response.status >= 400:
                raise error_of(Answer(response.status, response.headers, b"".join(stream)))
            yield stream

    def close(self) -> None:
        """Close this thread's connection; the client stays usable."""
        kept = self._taken()
        if kept is not None:
            kept.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(self, request: Request, finish: Callable[[Connection, Response], T]) -> T:
        """Send a request and hand its answer to ``finish``. Every verb may be repeated: a lost answer is asked again.

        The connection is nobody else's meanwhile, and one on which anything went wrong - an interrupt too - is never
        used again: an unread answer on it would be taken for that of the next request.
        """
        timeout_s = request.timeout_s or self.session.timeout_s
        for attempt in range(1, ATTEMPTS + 1):
            connection = None
            try:
                connection = self._taken() or Connection(str(self.session.home.socket_path), timeout_s)
                response = connection.request(
                    request.method,
                    self.session.target(request),
                    self.session.headers(request),
                    request.body,
                    timeout_s,
                )
                return finish(connection, response)
            except BaseException as error:
                if connection is not None:
                    connection.close()
                self._recover(error, request, last=attempt == ATTEMPTS)
        raise DaemonNotRunningError("the daemon starts and ends at once", hint="Look at: mcai daemon logs")

    def _recover(self, error: BaseException, request: Request, *, last: bool) -> None:
        """Make the next attempt possible, or raise why there is none."""
        match error:
            case FileNotFoundError() | NotADirectoryError() | ConnectionRefusedError():
                if not self.session.start:
                    raise DaemonNotRunningError() from error
                from mcai.client import lifecycle  # not needed where a daemon answers

                lifecycle.start(self.session.home)
            case TimeoutError():
                raise TimeoutExpiredError(f"no whole answer to {request.method} {request.path} in time") from error
            case ConnectionError():
                # A kept connection that the daemon closed meanwhile, or a daemon that died under the request.
                if last:
                    raise DaemonError("the daemon went away before it answered", hint="Try again.") from error
            case OSError():
                raise DaemonError(
                    f"the socket {self.session.home.socket_path} cannot be used: {error.strerror or error}",
                    hint="Set MCAI_HOME to a folder of your own.",
                ) from error
            case _:
                raise error

    def _taken(self) -> Connection | None:
        """Take this thread's kept connection, if there is one; one from before a fork belongs to the parent."""
        kept: tuple[int, Connection] | None = getattr(self._local, "kept", None)
        self._local.kept = None
        return kept[1] if kept is not None and kept[0] == os.getpid() else None

    def _keep(self, connection: Connection, response: Response) -> None:
        if response.keeps_alive:
            self._local.kept = os.getpid(), connection
        else:
            connection.close()
