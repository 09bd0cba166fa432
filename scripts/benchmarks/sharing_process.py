"""P5's process: reads all rows of a home through its snapshot, then searches it, and weighs itself after each.

Runs in the product's venv (``python -m benchmarks.sharing_process``), several at once.
"""

from __future__ import annotations

import gc
import importlib
import random
import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.together import begin, tell, wait
from mcai.paths import find_home
from mcai.snapshot import Snapshot, open_snapshot

PAGE_ROWS = 1_000
DIM = 256
SEARCHES = 20
GRAPH_LIBRARY = "usearch.index"
"""An import too, but one that a home without a graph does not need."""


@dataclass(frozen=True)
class Weight:
    """What a process has for itself alone, in MB (1,000,000 bytes)."""

    dirty_mb: float
    """Pages that it has written to."""
    uss_mb: float
    """Those, and pages of files that nobody else maps."""

    @classmethod
    def now(cls) -> Weight:
        """Weigh this process."""
        gc.collect()
        rollup = Path("/proc/self/smaps_rollup").read_text()
        kib = {name: int(count) for name, count in re.findall(r"^(Private_\w+):\s+(\d+) kB", rollup, re.MULTILINE)}
        dirty_mb, clean_mb = (kib[name] * 1024 / 1e6 for name in ("Private_Dirty", "Private_Clean"))
        return cls(dirty_mb, dirty_mb + clean_mb)

    def over(self, before: Weight) -> dict[str, float]:
        """Return by how much it is more."""
        return {"dirty_mb": self.dirty_mb - before.dirty_mb, "uss_mb": self.uss_mb - before.uss_mb}


def main() -> None:
    """Serve one specification: ``small_home`` to import everything with, ``home`` to read."""
    specification = begin()
    importlib.import_module(GRAPH_LIBRARY)
    with open_snapshot(home=specification["small_home"]) as small:
        _read(small)
        _search(small)
    before = Weight.now()
    snapshot = open_snapshot(home=specification["home"])
    tell(_read(snapshot))
    wait()
    tell(Weight.now().over(before) | {"maps": _maps(specification["home"]), "fallbacks": snapshot.fallbacks})
    wait()
    _search(snapshot)
    tell("searched")
    wait()
    tell(Weight.now().over(before))
    wait()


def _read(snapshot: Snapshot) -> int:
    """Make a record of every row; return how many there are."""
    rows, cursor = 0, None
    while True:
        page = snapshot.page(limit=PAGE_ROWS, cursor=cursor)
        rows += sum(len(example.content) > 0 for example in page.examples)
        cursor = page.next_cursor
        if cursor is None:
            return rows


def _search(snapshot: Snapshot) -> None:
    numbers = random.Random(0)
    for _ in range(SEARCHES):
        snapshot.search([numbers.gauss(0, 1) for _ in range(DIM)])


def _maps(home: str) -> int:
    """Return how many files of the snapshot this process maps."""
    folder = str(find_home(home).snapshot_dir)
    lines = Path("/proc/self/maps").read_text().splitlines()
    return len({line[line.index(folder) :] for line in lines if folder in line})


if __name__ == "__main__":
    main()
