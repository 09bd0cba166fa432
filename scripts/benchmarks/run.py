"""Runs what was asked for, size by size, and writes down what was found."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import pages
from benchmarks.figures import SIZES, TABLE_HEAD, Results, size_name
from benchmarks.product import Product, run
from benchmarks.size import PARTS, PEERS_UP_TO_ROWS, Size
from benchmarks.venv_entry import ROOT
from benchmarks.workload import SEED
from mcai import __version__

DEFAULT_JSON = ROOT / "bench-out" / "bench.json"


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark.

    Returns:
        0 when all that was asked for was measured, whatever the figures are; 1 when something could not be.
    """
    options = _parse(arguments)
    results = Results(_facts(arguments))
    with tempfile.TemporaryDirectory(prefix="mcai-bench-") as name:
        folder = Path(name)
        print(f"bench: installing mcai {__version__} from its wheel into {folder}", file=sys.stderr)
        product = Product.install(folder)
        print(TABLE_HEAD)
        for count in options.sizes:
            Size(product, folder / size_name(count), count, options, results).measure()
        pages.compare_sizes(options.sizes, results)
    results.facts["load_average_after"] = os.getloadavg()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    results.write(options.json)
    _conclude(results, options.json)
    return 1 if results.not_measured else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure mcai against the goals of its design, on generated data; prints figures, asserts none.",
    )
    parser.add_argument("--sizes", type=_sizes, default=_sizes("10k,100k"), help="of 10k, 100k, 1m; default: 10k,100k")
    parser.add_argument("--only", type=_parts, default=list(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument(
        "--no-graph", action="store_true", help="do not wait for the graph over the vectors: 10 to 20 minutes at 1m"
    )
    peers = f"datasette, chroma and PostgreSQL beside it, up to {size_name(PEERS_UP_TO_ROWS)}"
    parser.add_argument("--peers", action="store_true", help=peers)
    parser.add_argument("--json", type=Path, default=DEFAULT_JSON, metavar="FILE", help=f"default: {DEFAULT_JSON}")
    return parser.parse_args(arguments)


def _sizes(text: str) -> list[int]:
    names = text.lower().split(",")
    unknown = [name for name in names if name not in SIZES]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no size {unknown[0]!r}; sizes are {', '.join(SIZES)}")
    return sorted(SIZES[name] for name in names)


def _parts(text: str) -> list[str]:
    names = text.upper().split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no part {unknown[0]!r}; parts are {', '.join(PARTS)}")
    return names


def _facts(arguments: Sequence[str]) -> dict[str, Any]:
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "command": " ".join(["scripts/bench", *arguments]),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "mcai": __version__,
        "commit": _commit(),
        "seed": SEED,
        "machine": {
            "cpu": cpu[1] if cpu else platform.machine(),
            "cores": os.cpu_count(),
            "memory_gib": round(memory_bytes / 2**30, 1),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "load_average_before": os.getloadavg(),
    }


def _commit() -> str:
    try:
        return run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]).strip()
    except (OSError, RuntimeError):
        return "unknown"


def _conclude(results: Results, path: Path) -> None:
    judged = [each for each in results.figures if each.met is not None]
    met = sum(1 for each in judged if each.met)
    print(f"\n{met} of {len(judged)} goals met; figures in {path}")
    for name, reason in results.not_measured:
        print(f"!! {name}: NOT MEASURED: {reason}")
