"""P5: the memory of one more process that reads the whole dataset through the snapshot, beside others that do so."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.figures import Figure, Goal, Results, at_least
from benchmarks.product import Daemon, Product, clean_environment
from benchmarks.together import Together
from mcai.client import Client

READERS = 4
ADDED_MB = Goal(5)
PUBLISH_TIMEOUT_S = 30.0
POLL_S = 0.05


def measure(product: Product, home_dir: Path, folder: Path, rows: int, results: Results) -> None:
    """Have all readers read everything, then weigh each while all of them map it; the heaviest counts.

    Args:
        product: whose venv they run in.
        home_dir: what they read.
        folder: for a small home; what its reading takes counts as imports.
        rows: how many the home has.
        results: take the figures.

    Raises:
        RuntimeError: not every row was read, or not from the mapped files.
    """
    small_dir = folder / "small"
    _publish_one_row(product, small_dir)
    specification = {"small_home": str(small_dir), "home": str(home_dir)}
    module, python = "benchmarks.sharing_process", product.python
    with Together(module, [specification] * READERS, python, env=clean_environment()) as readers:
        read = readers.hear()
        readers.go()
        reading = readers.hear()
        readers.go()
        readers.hear()
        readers.go()
        searching = readers.hear()
    if read != [rows] * READERS or any(each["fallbacks"] for each in reading):
        raise RuntimeError(f"the readers have read {read} rows instead of {rows:,}, or not from the mapped files")
    dirty_mb, uss_mb, searching_mb = (
        [each[name] for each in weighed]
        for weighed, name in ((reading, "dirty_mb"), (reading, "uss_mb"), (searching, "dirty_mb"))
    )
    maps = min(each["maps"] for each in reading)
    what = f"heaviest of {READERS} readers"
    results.add(
        Figure("P5", rows, f"{what}: Private_Dirty", max(dirty_mb), "MB", ADDED_MB, rounds=dirty_mb),
        Figure("P5", rows, f"{what}: USS", max(uss_mb), "MB", ADDED_MB, rounds=uss_mb),
        Figure("P5", rows, f"{what}: dirty after searches too", max(searching_mb), "MB", rounds=searching_mb),
        Figure("P5", rows, "snapshot files that each of them maps", maps, "", at_least(1)),
    )


def _publish_one_row(product: Product, home_dir: Path) -> None:
    with Daemon(product, home_dir) as daemon, Client(daemon.home_dir, start=False) as client:
        epoch = client.add([{"content": "what is this?", "response": "the only row"}]).epoch
        deadline_s = time.monotonic() + PUBLISH_TIMEOUT_S
        while (told := client.status().snapshot) is None or told.epoch < epoch:
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"a snapshot of one row is not published after {PUBLISH_TIMEOUT_S:g} s")
            time.sleep(POLL_S)
