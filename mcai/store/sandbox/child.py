"""The child: gives up everything but one file, some memory and some time, then runs one query.

Run as ``python -P -m mcai.store.sandbox.child ORDER`` with the query on stdin; it writes one `Reply` to stdout.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import sys

import msgspec

from mcai.store.sandbox import engine
from mcai.store.sandbox.protocol import Limits, Order

_PR_SET_PDEATHSIG = 1
_MAX_DEPTH = 250
"""Of values and types. What this process can walk through, a reader of the answer can too: its stack is deeper."""


def main() -> None:
    """Answer the query on stdin."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    _die_with(order.parent_pid)
    _confine(order.limits)
    try:
        query = sys.stdin.buffer.read().decode()
        connection = engine.open_copy(order.copy_fd, order.limits)
        _close_doors()
        reply = msgspec.json.encode(engine.answer(connection, query, order.limits))
    except MemoryError:
        reply = msgspec.json.encode(order.limits.too_big)
    sys.stdout.buffer.write(reply)
    sys.stdout.buffer.flush()
    os._exit(0)  # tearing the engine down would only take time


def _die_with(parent_pid: int) -> None:
    """End with the daemon, however it ends. The signal follows the thread that spawned us; that thread waits for us."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)  # it was gone before


def _confine(limits: Limits) -> None:
    cpu_s = math.ceil(limits.time_s) + 1  # the last resort: the daemon's clock runs out before
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
    ):
        resource.setrlimit(kind, (most, most))


def _close_doors() -> None:
    """From here on there is no new descriptor: no file can be opened and no socket made."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    sys.setrecursionlimit(_MAX_DEPTH)


if __name__ == "__main__":
    main()
