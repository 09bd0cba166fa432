"""The life of a daemon: prepare, lock, open, bind, serve - and the same backwards."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import structlog
import uvicorn
import uvloop

from mcai import __version__, catalogs, logs, settings
from mcai.dataset.indexer import Indexer
from mcai.dataset.knowledge import Knowledge
from mcai.embed import Embedder, make_embedder
from mcai.paths import Home
from mcai.store.base import Catalog, SearchIndex
from mcai.store.duck import DuckCatalog
from mcai_daemon.app import make_app
from mcai_daemon.guards import PeerCheckedProtocol
from mcai_daemon.ownership import bind, prepare, take_ownership
from mcai_daemon.services import Services

log = structlog.get_logger("server")

EXIT_FATAL = os.EX_SOFTWARE
DRAIN_S = 5
"""How long open requests may take once the daemon was told to stop."""
READER_THREADS = 8
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Server(uvicorn.Server):
    """Uvicorn without its signal handling: it raises SIGTERM again after serving, and no cleanup would run."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:
            # The second one does not wait for open requests.
            self.force_exit = self.should_exit
            self.should_exit = True

        for number in STOP_SIGNALS:
            signal.signal(number, stop)
        # One that came while the store was opened is delivered now. The handlers stay: nothing may cut the cleanup off.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        yield


def run(home: Home) -> int:
    """Serve a home until it is stopped.

    Returns:
        The exit code: 0 after a stop, 70 after a fatal error of the engine.

    Raises:
        DaemonAlreadyRunningError: another daemon owns the home.
        ConfigError: the settings or the home cannot be used.
        StoreError: the catalog cannot be opened.
    """
    os.umask(0o077)
    # The socket answers a little before the server listens to signals: until then they wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    prepare(home)
    chosen = settings.load(home)
    logs.configure(chosen.text("log.level"))
    embedder = make_embedder(chosen)
    lock = take_ownership(home)
    try:
        catalog = DuckCatalog(home.catalog_path, catalogs.emotions(), temp_dir=home.dir / "tmp")
        try:
            listener = bind(home.socket_path)
            try:
                log.info("serving", home=str(home.dir), pid=os.getpid(), version=__version__, epoch=catalog.epoch)
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    return runner.run(_serve(home, chosen, catalog, embedder, listener))
            finally:
                home.socket_path.unlink(missing_ok=True)
                listener.close()
        finally:
            catalog.close()
            log.info("stopped")
    finally:
        os.close(lock)


async def _serve(
    home: Home, chosen: settings.Settings, catalog: Catalog, embedder: Embedder, listener: socket.socket
) -> int:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(READER_THREADS, "reader"))
    fatal = threading.Event()

    async def open_index() -> SearchIndex:
        # Importing Lance takes seconds: in a thread, so that pages are served meanwhile.
        lance = await asyncio.to_thread(importlib.import_module, "mcai.store.lance")
        index: SearchIndex = await lance.LanceIndex.open(
            home.vectors_dir, embedder.model, embedder.dim, catalog.committed_at
        )
        return index

    def on_fatal() -> None:
        log.error("the engine failed: ending, the next command starts a new daemon")
        fatal.set()
        server.should_exit = True

    indexer = Indexer(catalog, embedder, open_index, on_fatal)
    knowledge = Knowledge(catalog, indexer, embedder, chosen.number("search.wait_s"))
    config = uvicorn.Config(
        make_app(Services(home, chosen, knowledge, on_fatal)),
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
    following = asyncio.create_task(indexer.run())
    try:
        await server.serve(sockets=[listener])
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
    return EXIT_FATAL if fatal.is_set() else 0
