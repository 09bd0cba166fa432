"""The life of a daemon: prepare, lock, open, bind, serve - and the same backwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import structlog
import uvicorn
import uvloop

from mcai import __version__, catalogs, failpoints, logs, settings, stopping
from mcai.embed import make_embedder
from mcai.engine_failures import EXIT_FATAL
from mcai.paths import Home
from mcai.store.duck import recovery
from mcai.upkeep import swap
from mcai_daemon import STOP_SIGNALS, fatal
from mcai_daemon.app import make_app
from mcai_daemon.assembly import Parts
from mcai_daemon.guards import PeerCheckedProtocol
from mcai_daemon.ownership import Claim, bind, owned, prepare

log = structlog.get_logger("server")

DRAIN_S = 5
"""How long open requests may take once the daemon was told to stop."""
READER_THREADS = 8
WATCHED_EVERY_S = 1.0
"""So often the daemon looks whether its home is still there."""


class _Server(uvicorn.Server):
    """Uvicorn without its signal handling: it raises SIGTERM again after serving, and no cleanup would run."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:
            # The second one does not wait for open requests.
            self.force_exit = self.should_exit
            self.should_exit = True
            stopping.begin()

        for number in STOP_SIGNALS:
            signal.signal(number, stop)
        # They were blocked since the process began: one that came meanwhile is delivered now. The handlers stay:
        # nothing may cut the cleanup off.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        yield


def run(home: Home) -> int:
    """Serve a home until it is stopped.

    Returns:
        The exit code: 0 after a stop, 70 after a fatal error of the engine.

    Raises:
        DaemonAlreadyRunningError: another daemon owns the home.
        DaemonStartError: the engine failed too often in the last minutes.
        ConfigError: the settings or the home cannot be used.
        StoreError: the catalog cannot be opened.
    """
    os.umask(0o077)
    failpoints.arm()
    prepare(home)
    chosen = settings.load(home)
    logs.configure(chosen.text("log.level"))
    embedder = make_embedder(chosen)
    with owned(home) as lock:
        fatal.check(home)
        swap.finish_interrupted(home)
        was_stopped = home.stopped_path.exists()
        home.stopped_path.unlink(missing_ok=True)
        opened = recovery.open_catalog(home, catalogs.emotions())
        try:
            code = _listen(home, Parts(home, chosen, opened, embedder, unclean=not was_stopped), lock)
        finally:
            opened.catalog.close()
        if code == 0 and Claim(home.lock_path, os.fstat(lock)).holds():
            home.stopped_path.touch(mode=0o600)
        log.info("stopped")
        return code


def _listen(home: Home, parts: Parts, lock: int) -> int:
    listener = bind(home.socket_path)
    path = Claim(home.socket_path, home.socket_path.lstat())
    watching = _watch(Claim(home.lock_path, os.fstat(lock)), path)
    try:
        epoch = parts.catalog.epoch
        log.info("serving", home=str(home.dir), pid=os.getpid(), version=__version__, epoch=epoch)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(parts, listener, watching))
    finally:
        if path.holds():  # else it is another daemon's
            home.socket_path.unlink(missing_ok=True)
        listener.close()


async def _watch(lock: Claim, path: Claim) -> None:
    """End the process when its home was deleted, or its lock or its socket: nobody can reach it any more."""
    while lock.holds() and path.holds():
        await asyncio.sleep(WATCHED_EVERY_S)
    lost = [str(each.path) for each in (lock, path) if not each.holds()]
    log.error("the home, its lock or its socket is gone: ending", lost=lost)
    if path.holds():
        path.path.unlink(missing_ok=True)
    # An orderly end would write and remove files by their paths, which may be another daemon's by now. What was
    # acknowledged is on the disk.
    os._exit(os.EX_OK)


async def _serve(parts: Parts, listener: socket.socket, watching: Coroutine[Any, Any, None]) -> int:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(READER_THREADS, "reader"))
    config = uvicorn.Config(
        make_app(parts.services),
        http=PeerCheckedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=60,
    )
    server = _Server(config)
    parts.services.failure.then(lambda: setattr(server, "should_exit", True))
    background = [asyncio.create_task(task) for task in (*parts.background(), watching)]
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        error = parts.services.failure.error
        if error is not None:  # before anything that might fail as well
            fatal.end(parts.services.home, error)
        await asyncio.to_thread(parts.close)
    return 0 if error is None else EXIT_FATAL
