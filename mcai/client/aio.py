"""`AsyncClient`: the same verbs for asyncio, over httpx2 (imported on first use)."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from mcai.client import lifecycle
from mcai.client.session import ATTEMPTS, Session
from mcai.errors import DaemonError, DaemonNotRunningError, TimeoutExpiredError
from mcai.wire import Answer, Flow, Request, calls

if TYPE_CHECKING:
    import httpx2

P = ParamSpec("P")
T = TypeVar("T")


class async_verb(Generic[P, T]):
    """Binds one generator of `mcai.wire.calls` to an asynchronous client."""

    def __init__(self, call: Callable[P, Flow[T]]) -> None:
        self._call = call
        functools.update_wrapper(self, call)  # type: ignore[arg-type]  # copies name and docstring for help()

    def __get__(self, client: Any, owner: type | None = None) -> Callable[P, Coroutine[Any, Any, T]]:
        call = self._call

        @functools.wraps(call)
        async def bound(*args: P.args, **kwargs: P.kwargs) -> T:
            result: T = await client.run(call(*args, **kwargs))
            return result

        return bound


class AsyncClient:
    """The daemon, as awaitable calls. Belongs to one event loop; use it as ``async with AsyncClient() as client``."""

    def __init__(
        self, home: str | os.PathLike[str] | None = None, *, start: bool = True, timeout_s: float = 30.0
    ) -> None:
        """Make a client; nothing is contacted before its first call. Arguments as for `Client`."""
        self.session = Session(home, start, timeout_s)
        self._http: tuple[int, httpx2.AsyncClient] | None = None

    status = async_verb(calls.status)
    datasets = async_verb(calls.datasets)
    dataset = async_verb(calls.dataset)
    page = async_verb(calls.page)
    get = async_verb(calls.get)
    search = async_verb(calls.search)
    add = async_verb(calls.add)
    add_batch = async_verb(calls.add_batch)
    edit = async_verb(calls.edit)
    delete = async_verb(calls.delete)
    emotions = async_verb(calls.emotions)
    emotion = async_verb(calls.emotion)
    log = async_verb(calls.log)
    diff = async_verb(calls.diff)
    rollback = async_verb(calls.rollback)
    drop_dataset = async_verb(calls.drop_dataset)
    rotate = async_verb(calls.rotate)
    archived = async_verb(calls.archived)
    restore_archived = async_verb(calls.restore_archived)
    backup = async_verb(calls.backup)
    backups = async_verb(calls.backups)
    forget = async_verb(calls.forget)
    doctor = async_verb(calls.doctor)
    sql = async_verb(calls.sql)

    async def run(self, flow: Flow[T]) -> T:
        """Drive one verb to its result."""
        try:
            request = next(flow)
            while True:
                request = flow.send(await self.send(request))
        except StopIteration as done:
            result: T = done.value
            return result

    async def send(self, request: Request) -> Answer:
        """Send one request; see `Client.send`."""
        import httpx2

        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = await self._client().request(
                    request.method,
                    f"http://localhost{self.session.target(request)}",
                    content=request.body,
                    headers=self.session.headers(request),
                    timeout=request.timeout_s or self.session.timeout_s,
                )
                headers = {name.lower(): value for name, value in response.headers.items()}
                return self.session.take(request, Answer(response.status_code, headers, response.content))
            except httpx2.ConnectError as error:
                if not self.session.start:
                    raise DaemonNotRunningError() from error
                await asyncio.to_thread(lifecycle.start, self.session.home)
            except httpx2.TimeoutException as error:
                raise TimeoutExpiredError(f"no answer to {request.method} {request.path} in time") from error
            except httpx2.TransportError as error:
                if attempt == ATTEMPTS:
                    raise DaemonError("the daemon went away before it answered", hint="Try again.") from error
        raise DaemonNotRunningError("the daemon starts and ends at once", hint="Look at: mcai daemon logs")

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        if self._http is None or self._http[0] != os.getpid():
            # A connection that was made before a fork belongs to the parent.
            transport = httpx2.AsyncHTTPTransport(uds=str(self.session.home.socket_path))
            self._http = (os.getpid(), httpx2.AsyncClient(transport=transport, trust_env=False))
        return self._http[1]

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None and self._http[0] == os.getpid():
            await self._http[1].aclose()
        self._http = None

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
