"""BACKUP: how long ``mcai backup`` keeps a writer waiting."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import SIZES, Figure, Goal, Results
from benchmarks.product import Daemon, Product
from benchmarks.writer import Writer

ROUNDS = 3


def measure(product: Product, daemon: Daemon, folder: Path, rows: int, results: Results) -> None:
    """Add row after row during a backup, then for as long without one; several times, the longest counts.

    Args:
        product: whose command is run.
        daemon: that is backed up.
        folder: for the backups.
        rows: how many the daemon has.
        results: take the figures.

    Raises:
        RuntimeError: the backup or a writer failed.
    """
    taken_s, during_ms, without_ms = [], [], []
    told: dict[str, Any] = {}
    for number in range(ROUNDS):
        dest = folder / f"backup-{number}"
        with Writer(daemon.home_dir) as during:
            begun = time.perf_counter()
            told = json.loads(product.command(daemon.home_dir, "backup", str(dest), "--json"))
            taken_s.append(time.perf_counter() - begun)
        with Writer(daemon.home_dir) as without:
            time.sleep(taken_s[-1])
        during_ms.append(_longest_ms(during))
        without_ms.append(_longest_ms(without))
        shutil.rmtree(dest)
    goal = Goal(100) if rows <= SIZES["100k"] else None
    longest_ms, usual_ms = max(during_ms), max(without_ms)
    results.add(
        Figure("BACKUP", rows, "longest add of a row during a backup", longest_ms, "ms", rounds=during_ms),
        Figure("BACKUP", rows, "longest add of a row without one", usual_ms, "ms", rounds=without_ms),
        Figure("BACKUP", rows, "what a backup adds to it", longest_ms - usual_ms, "ms", goal),
        Figure("BACKUP", rows, "mcai backup, whole process", statistics.median(taken_s), "s", rounds=taken_s),
        Figure("BACKUP", rows, "size of the backup", told["bytes"] / 2**20, "MiB"),
    )


def _longest_ms(writer: Writer) -> float:
    if writer.error is not None:
        raise RuntimeError(f"a writer failed: {writer.error.message}")
    return max(writer.taken_ms)
