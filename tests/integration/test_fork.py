"""One `Client`, many processes and threads."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import python, samples
from mcai.client import AsyncClient, Client
from mcai.paths import Home

FORKING = """
import os, sys, mcai
client = mcai.Client(sys.argv[1], start=False)
client.add([{"content": f"before {number}", "domain": "forked"} for number in range(20)])
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for number in range(25):
                client.add([{"content": f"child {child} row {number}", "domain": "forked"}])
                page = client.page(domain="forked", limit=5)
                assert [each.content for each in page.examples] == [f"before {n}" for n in range(5)], page
                assert client.get(page.examples[number % 5].id) .content == f"before {number % 5}"
            code = 0
        finally:
            os._exit(code)
    children.append(pid)
for number in range(25):
    client.add([{"content": f"parent row {number}", "domain": "forked"}])
    assert client.page(domain="forked", limit=3).examples[2].content == "before 2"
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
print(codes, client.dataset("forked").examples)
"""


def test_client_survives_a_fork(daemon_home: Home) -> None:
    """Parent and children use the same client at once: every answer is to the question of who asked it."""
    ended = python(FORKING, str(daemon_home.dir))

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == f"[0, 0, 0, 0] {20 + 25 + 4 * 25}"


FORKING_ASYNC = """
import asyncio, os, sys, mcai
client = mcai.AsyncClient(sys.argv[1], start=False)
asyncio.run(client.status())
pid = os.fork()
found = asyncio.run(client.status()).examples
asyncio.run(client.aclose())
if pid == 0:
    os._exit(0 if found >= 0 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_async_client_survives_a_fork(daemon_home: Home) -> None:
    """A forked child makes connections of its own, and leaves the parent's alone."""
    ended = python(FORKING_ASYNC, str(daemon_home.dir))

    assert (ended.returncode, ended.stdout.strip()) == (0, "0"), ended.stderr


def test_threads_share_one_client(client: Client) -> None:
    """Sixteen threads, one client: no answer goes to another thread."""
    client.add(samples(100, domain="threads"))
    by_id = {each.id: each.content for each in client.page(domain="threads", limit=100).examples}

    def read(seed: int) -> int:
        for turn in range(20):
            example_id = sorted(by_id)[(7 * seed + 13 * turn) % len(by_id)]
            assert client.get(example_id).content == by_id[example_id]
        return seed

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(read, range(16))) == list(range(16))


def test_thread_that_ends_leaves_no_open_connection(client: Client) -> None:
    """A kept connection is closed with its thread; nobody is warned about a leak that is none of theirs."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(3):
            thread = threading.Thread(target=client.status)
            thread.start()
            thread.join()
        gc.collect()

    assert [str(each.message) for each in seen] == []


def test_client_left_open_warns_nobody(daemon_home: Home) -> None:
    """A program that just ends with its client open sees no warning, even when it asks for all of them."""
    code = "import sys, mcai; print(mcai.Client(sys.argv[1], start=False).status().daemon.pid)"

    ended = python(f"import warnings; warnings.simplefilter('error')\n{code}", str(daemon_home.dir))

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(sys, "getswitchinterval"), reason="LOUD: needs CPython's thread switching")
def test_client_never_reads_below_what_any_of_its_threads_wrote(client: Client) -> None:
    """Writers and searchers share a client: after the last acknowledgement its searches name that epoch at least."""
    newest: list[int] = []

    def write(number: int) -> None:
        newest.append(client.add([{"content": f"epoch of {number}", "domain": "epochs"}]).epoch)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))

    found = client.search("epoch of 3", limit=1)
    assert found.index_epoch >= max(newest) and client.page().epoch >= max(newest)


def test_async_client_serves_many_tasks(daemon_home: Home) -> None:
    """Tasks of one event loop share an `AsyncClient`: each gets its own answer."""

    async def run() -> list[str]:
        async with AsyncClient(daemon_home.dir, start=False) as client:
            added = await client.add(samples(30, domain="tasks"))
            found = await asyncio.gather(*(client.get(int(str(item.id))) for item in added.results))
            return [each.content for each in found]

    assert asyncio.run(run()) == [f"question {number}" for number in range(30)]
