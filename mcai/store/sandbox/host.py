"""The daemon's side: keeps a copy of the newest epoch, spawns a child for each query and outlives whatever it does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import msgspec

from mcai.errors import NO_JSON, SqlError, StoreUnavailableError
from mcai.records import SqlResult
from mcai.store.sandbox.protocol import Failure, Limits, Order, Reply, decode_reply

MAX_QUERY_BYTES = 100_000
_SEATS = 2
"""So many queries run at once, each with its own memory; the others wait."""
_SPARE_BYTES = 4 << 20
"""What a reply may have beyond its rows: names and types of its columns."""
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "PYTHONPATH")
"""Of the daemon's environment the child gets what finds the code, and nothing else."""
_STOPPING = "the daemon is stopping"


class Sandbox:
    """Runs queries on copies of the catalog. All but `run` may wait for a copy: not to be called on the event loop."""

    def __init__(
        self,
        temp_dir: Path,
        copy_to: Callable[[Path], int],
        epoch: Callable[[], int],
        limits: Limits | None = None,
    ) -> None:
        """Prepare; nothing is written before the first query.

        Args:
            temp_dir: an existing folder for the copies. They have a name there only while they are being written.
            copy_to: writes a copy to a path that does not exist yet and returns its epoch, see `copy.write_copy`.
            epoch: the newest epoch.
            limits: what a query may cost.
        """
        self._temp_dir = temp_dir
        self._copy_to = copy_to
        self._epoch = epoch
        self._limits = limits or Limits()
        self._copy: tuple[int, int] | None = None
        """Epoch and open descriptor. Its file has no name any more: closing it is all the cleaning that it needs."""
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._closed = False
        # Threads of its own: a child lives only as long as the thread that spawned it, and waiting for children must
        # not take the threads that the catalog is read in.
        self._threads = ThreadPoolExecutor(_SEATS, thread_name_prefix="sql")

    async def run(self, query: str) -> SqlResult:
        """Run one read-only query.

        Args:
            query: one statement in DuckDB's SQL.

        Returns:
            At most `Limits.rows` rows and `Limits.bytes` bytes. The rows are JSON already (``msgspec.Raw``).

        Raises:
            SqlError: it is refused, it failed, or it cost more than it may.
            StoreFullError: there is no room for the copy.
            StoreUnavailableError: the system has no room for another process, or the daemon is stopping.
        """
        started_s = time.perf_counter()
        encoded = _encoded(query)
        if self._closed:
            raise StoreUnavailableError(_STOPPING)
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, encoded)
        if isinstance(answer, Failure):
            raise SqlError(answer.message, hint=answer.hint)
        took_ms = round((time.perf_counter() - started_s) * 1000, 3)
        return SqlResult(answer.columns, cast("list[list[Any]]", answer.rows), answer.truncated, took_ms)

    def discard(self) -> None:
        """Let go of the copy that is kept for the next query, for example because rows of it were forgotten."""
        with self._lock:
            self._drop_copy()

    def close(self) -> None:
        """End the queries that run, refuse those that wait, let go of the copy."""
        with self._lock:
            self._closed = True
            for child in self._children:
                child.kill()
            self._drop_copy()
        self._threads.shutdown()

    def _answer(self, query: bytes) -> Reply:
        with self._spawned() as child:
            clock = _Clock(child, self._limits.time_s)
            reply = _exchange(child, query, self._limits.bytes + _SPARE_BYTES)
            code = child.wait()
            ran_out = clock.stop()
        if code == 0:
            with contextlib.suppress(*NO_JSON):
                answer: Reply = decode_reply(reply)
                return answer
        if self._closed:
            raise StoreUnavailableError(_STOPPING)
        return _post_mortem(code, ran_out, self._limits)

    @contextlib.contextmanager
    def _spawned(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start a child on a copy of the newest epoch; it is gone when the block ends."""
        with self._lock:
            if self._closed:
                raise StoreUnavailableError(_STOPPING)
            try:
                child = self._spawn(self._newest_copy())
            except OSError as error:
                raise StoreUnavailableError(f"the query's own process cannot be started: {error.strerror}") from error
            self._children.add(child)
        try:
            with child:
                yield child
        finally:
            with self._lock:
                self._children.discard(child)

    def _newest_copy(self) -> int:
        """Return the descriptor of a copy that is as new as the catalog; the caller holds the lock."""
        if self._copy is None or self._copy[0] != self._epoch():
            self._drop_copy()
            path = self._temp_dir / "sql.duckdb"
            try:
                epoch = self._copy_to(path)
                self._copy = epoch, os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            finally:
                path.unlink(missing_ok=True)
        return self._copy[1]

    def _drop_copy(self) -> None:
        if self._copy is not None:
            os.close(self._copy[1])
            self._copy = None

    def _spawn(self, copy_fd: int) -> subprocess.Popen[bytes]:
        empty_dir = self._temp_dir / "sql"
        empty_dir.mkdir(mode=0o700, exist_ok=True)
        order = msgspec.json.encode(Order(copy_fd, os.getpid(), self._limits))
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "mcai.store.sandbox.child", order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=empty_dir,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
            start_new_session=True,
            close_fds=True,
            pass_fds=[copy_fd],
        )


class _Clock:
    """Kills a child when its time is over."""

    def __init__(self, child: subprocess.Popen[bytes], time_s: float) -> None:
        self._child = child
        self._ran_out = False
        self._timer = threading.Timer(time_s, self._kill)
        self._timer.start()

    def _kill(self) -> None:
        self._ran_out = True
        self._child.kill()

    def stop(self) -> bool:
        """Stop the clock; return whether it had run out."""
        self._timer.cancel()
        return self._ran_out


def _encoded(query: str) -> bytes:
    try:
        encoded = query.encode()
    except UnicodeEncodeError as error:
        raise SqlError("the query is no valid Unicode") from error
    if len(encoded) > MAX_QUERY_BYTES:
        raise SqlError(f"the query is longer than {MAX_QUERY_BYTES:,} bytes")
    return encoded


def _exchange(child: subprocess.Popen[bytes], query: bytes, most_bytes: int) -> bytes:
    """Tell a child the query and read what it says; one that says too much is ended."""
    assert child.stdin and child.stdout
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(query)
        child.stdin.close()
    reply = child.stdout.read(most_bytes + 1)
    if len(reply) > most_bytes:
        child.kill()
    return reply


def _post_mortem(code: int, ran_out: bool, limits: Limits) -> Failure:
    """Say why a child ended without an answer."""
    if ran_out or code == -signal.SIGXCPU:
        return limits.too_slow
    if code == -signal.SIGKILL:  # by the system, which has no memory left
        return limits.too_big
    told = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return Failure(f"the query ended its own process ({told})")
