"""`mcai sql` under attack (fault 30): limits that hold, a child with nothing to lose, a daemon that outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from helpers import wait_until
from mcai.errors import SqlError, StoreUnavailableError
from mcai.records import SqlResult
from mcai.store.sandbox.protocol import Limits
from sandbox_kit import FOREVER, ROWS, Bench, children, confined_children, running

TIME_S = 0.7
"""Enough for a child to start, and for a bomb to show what it can do."""
GRACE_S = 5.0


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("sandbox"))
    yield bench
    bench.close()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose queries have little time: none may be expected to succeed."""
    bench = Bench(tmp_path, Limits(time_s=TIME_S))
    yield bench
    bench.close()


SLOW = [
    "SELECT count(*) FROM generate_series(1, 100_000_000_000)",
    "SELECT count(*) FROM range(1_000_000) a, range(1_000_000) b",
    "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t) SELECT count(*) FROM t",
    "SELECT levenshtein(repeat('a', 60_000), repeat('b', 60_000))",
    "SELECT sleep_ms(60_000)",
]
BIG = [
    "SELECT repeat('a', 1_000_000_000)",
    "SELECT length(rpad('a', 1_000_000_000, 'b'))",
    "SELECT length(array_to_string(range(100_000_000), ','))",
    "SELECT length(format('{:1000000000}', 'a'))",
    "SELECT length(printf('%1000000000d', 1))",
    "SELECT len(list_concat(range(100_000_000), range(100_000_000)))",
    "SELECT list(x) FROM range(1_000_000_000) t(x)",
    "SELECT string_agg(x::VARCHAR, ',') FROM range(1_000_000_000) t(x)",
    "WITH RECURSIVE t(s) AS (SELECT 'a' UNION ALL SELECT s || s FROM t) SELECT max(length(s)) FROM t",
    "SELECT x FROM range(1_000_000_000) t(x) ORDER BY hash(x)",
    "SELECT map(range(10_000_000), range(10_000_000))",
    "SELECT bitstring('1', 2_000_000_000)",
]


def test_bombs_hurt_nobody(hasty: Bench) -> None:
    """Every bomb is refused or killed in its time; this process neither grows nor keeps a child (fault 30)."""
    with contextlib.suppress(SqlError):
        hasty.run("SELECT 'now there is a copy'")
    before_bytes = psutil.Process().memory_info().rss

    async def explode() -> list[tuple[float, BaseException | SqlResult]]:
        async def one(query: str) -> tuple[float, BaseException | SqlResult]:
            (told,) = await asyncio.gather(hasty.sandbox.run(query), return_exceptions=True)
            return time.perf_counter(), told

        return await asyncio.gather(*(one(query) for query in SLOW + BIG))

    started_s = time.perf_counter()
    told = asyncio.run(explode())

    limits = Limits(time_s=TIME_S)
    for query, (ended_s, error) in zip(SLOW + BIG, told, strict=True):
        assert isinstance(error, SqlError), (query, error)
        expected = {limits.too_slow.message} | ({limits.too_big.message} if query in BIG else set())
        assert error.message in expected, (query, error)
        assert ended_s - started_s < len(told) * (TIME_S + GRACE_S)
    assert children(os.getpid()) == []
    assert psutil.Process().memory_info().rss - before_bytes < 50 << 20
    assert hasty.catalog.count() == ROWS


def test_query_has_its_time_and_no_more(hasty: Bench) -> None:
    """The clock runs from the child's start to its death."""
    started_s = time.perf_counter()
    with pytest.raises(SqlError, match=f"took longer than {TIME_S} s"):
        hasty.run(FOREVER)
    assert TIME_S <= time.perf_counter() - started_s < TIME_S + GRACE_S
    assert children(os.getpid()) == []


def test_child_has_given_up_everything(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file, two pipes, no environment, an empty folder, hard limits that it cannot lift."""
    monkeypatch.setenv("MCAI_LLM__API_KEY", "planted-marker")
    with running(bench):
        child = bench.child()
        try:
            limits = {
                name: child.rlimit(getattr(resource, f"RLIMIT_{name}")) for name in ("AS", "CORE", "FSIZE", "NPROC")
            }
            opened = [str(each.readlink()) for each in Path(f"/proc/{child.pid}/fd").iterdir()]
            copies = [each for each in opened if each.startswith(str(bench.temp_dir))]
            folder = child.cwd()
            environment = child.environ()
            leads = os.getsid(child.pid) == child.pid
            threads = child.num_threads()
        finally:
            child.kill()

    assert limits == {"AS": (1 << 30, 1 << 30), "CORE": (0, 0), "FSIZE": (0, 0), "NPROC": (0, 0)}
    assert sorted({each.split(":")[0] for each in opened} - set(copies)) == ["/dev/null", "pipe"]
    assert copies and len(opened) == len(copies) + 3
    assert Path(folder) == bench.temp_dir / "sql" and list(Path(folder).iterdir()) == []
    assert "planted-marker" not in str(environment) and "HOME" not in environment
    assert leads and threads == 1


@pytest.mark.parametrize(
    ("sent", "message"),
    [(signal.SIGSEGV, r"ended its own process \(signal SIGSEGV\)"), (signal.SIGKILL, "needed more memory than 1 GiB")],
)
def test_crashed_child_is_an_error(bench: Bench, sent: signal.Signals, message: str) -> None:
    """A child that dies of itself, or by the system's hand, fails one query and nothing else."""
    with running(bench) as raised:
        bench.child().send_signal(sent)

    assert len(raised) == 1
    with pytest.raises(SqlError, match=message):
        raise raised[0]
    assert bench.rows("SELECT 1") == [[1]]


def test_close_ends_what_runs(tmp_path: Path) -> None:
    """A daemon that stops does not wait for a query; afterwards every query is refused."""
    bench = Bench(tmp_path)
    with running(bench) as raised:
        bench.child()
        bench.close()

    assert [type(each) for each in raised] == [StoreUnavailableError]
    assert children(os.getpid()) == []
    with pytest.raises(StoreUnavailableError, match="stopping"):
        bench.run("SELECT 1")


OWNER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from sandbox_kit import FOREVER, Bench
Bench(Path(sys.argv[1])).run(FOREVER)
"""


def test_child_dies_with_its_daemon(tmp_path: Path) -> None:
    """After kill -9 of the daemon no query goes on."""
    tests = str(Path(__file__).parents[1])
    owner = subprocess.Popen([sys.executable, "-c", OWNER.format(tests=tests), str(tmp_path)])
    try:
        wait_until(lambda: confined_children(owner.pid), "the child runs its query")
        [child] = confined_children(owner.pid)
    finally:
        owner.kill()
        owner.wait()

    # A zombie is as dead: nobody may be there to wait for it.
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child is gone", GRACE_S)
