"""P5b: a page of 100 in a process that maps the snapshot itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.corpus import PageStart, at_random
from benchmarks.figures import Figure, Goal, Results
from benchmarks.product import Product, clean_environment
from benchmarks.together import run_together

FIGURES = (
    ("raw", "page of 100 in process, .raw(), p50", Goal(0.08)),
    ("records", "the same as records, every field read, p50", Goal(0.2)),
    ("first", ".raw() of pages never read before, p50", None),
)


def measure(product: Product, home_dir: Path, rows: int, starts: Sequence[PageStart], results: Results) -> None:
    """Measure pages at random depth as bytes and as records.

    Raises:
        RuntimeError: the pages did not come from the mapped files.
    """
    specification = {
        "home": str(home_dir),
        "pages": [start.query for start in starts],
        "asked": [start.query for start in at_random(starts)],
    }
    module = "benchmarks.reading_process"
    (found,) = run_together(module, [specification], product.python, env=clean_environment())
    if found["fallbacks"]:
        raise RuntimeError(f"{found['fallbacks']:,} pages went over the socket")
    for name, what, goal in FIGURES:
        taken = found[name]
        results.add(Figure("P5B", rows, what, taken["p50_ms"], "ms", goal, rounds=taken["round_p50s_ms"]))
