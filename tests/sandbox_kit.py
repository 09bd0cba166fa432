"""What the tests of `mcai sql` share: a sandbox on a small catalog, and its engine in this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import duckdb
import msgspec
import psutil  # type: ignore[import-untyped]

from catalog_contract import CALM, numbered
from helpers import wait_until
from mcai.errors import SqlError, StoreFullError, StoreUnavailableError
from mcai.records import SqlResult
from mcai.store.duck import DuckCatalog
from mcai.store.sandbox import engine
from mcai.store.sandbox.copy import write_copy
from mcai.store.sandbox.host import Sandbox
from mcai.store.sandbox.protocol import Answer, Failure, Limits, Reply

Ask = Callable[[str], Reply]

COPIED_ROWS = 500
"""What `opened` holds."""
ROWS = 200
"""What a `Bench` holds."""
FOREVER = "SELECT sleep_ms(60_000)"


class Bench:
    """A sandbox on a small catalog, and what a test wants to know of it."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.temp_dir = folder / "tmp"
        self.temp_dir.mkdir()
        self.catalog = DuckCatalog.open(folder / "catalog.duckdb", [CALM])
        self.catalog.add(numbered(ROWS))
        self.copies = 0
        self.disk_is_full = False
        self.sandbox = Sandbox(self.temp_dir, self._copy_to, lambda: self.catalog.epoch, limits)

    def _copy_to(self, path: Path) -> int:
        self.copies += 1
        if self.disk_is_full:
            path.write_bytes(b"half a copy")
            raise StoreFullError
        with self.catalog.engine.reading() as cursor:
            return write_copy(cursor, path)

    def run(self, query: str) -> SqlResult:
        return asyncio.run(self.sandbox.run(query))

    def rows(self, query: str) -> Any:
        return msgspec.json.decode(cast("msgspec.Raw", self.run(query).rows))

    def child(self) -> psutil.Process:
        """Wait for the child of the one query that runs, and until it has given up everything."""
        wait_until(lambda: confined_children(os.getpid()), "the child runs its query")
        return confined_children(os.getpid())[0]

    def close(self) -> None:
        self.sandbox.close()
        self.catalog.close()


@contextmanager
def running(bench: Bench, query: str = FOREVER) -> Iterator[list[BaseException]]:
    """Run a query in the background; when the block has ended it, the list holds what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            bench.run(query)
        except (SqlError, StoreUnavailableError) as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        thread.join()


def children(parent_pid: int) -> list[psutil.Process]:
    """Return the children that run queries for a process."""
    found = []
    for each in psutil.Process(parent_pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            found += [each] if "mcai.store.sandbox.child" in each.cmdline() else []
    return found


def confined_children(parent_pid: int) -> list[psutil.Process]:
    """Return those of them that have given up everything and run their query."""
    found = []
    for each in children(parent_pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [each] if each.rlimit(resource.RLIMIT_NOFILE) == (0, 0) else []
    return found


@contextmanager
def opened(folder: Path, limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """A locked engine on a copy without a name, as the child has it."""
    path = folder / "given.duckdb"
    with duckdb.connect(str(path)) as writer:
        writer.execute(
            f"CREATE TABLE examples AS SELECT i AS id, 'text ' || i AS content FROM range({COPIED_ROWS}) t(i)"
        )
    fd = os.open(path, os.O_RDONLY)
    path.unlink()
    try:
        with engine.open_copy(fd, limits) as connection:
            yield connection
    finally:
        os.close(fd)


@contextmanager
def asking(folder: Path, limits: Limits) -> Iterator[Ask]:
    """The engine as a function of the query."""
    with opened(folder, limits) as connection:
        yield lambda query: engine.answer(connection, query, limits)


def rows_of(reply: Reply) -> Any:
    """Return the rows of an answer."""
    assert isinstance(reply, Answer), reply
    return msgspec.json.decode(reply.rows)


def refusal(reply: Reply) -> str:
    """Return why there is no answer, in one line."""
    assert isinstance(reply, Failure), reply
    assert reply.message and "\n" not in reply.message + reply.hint
    return reply.message
