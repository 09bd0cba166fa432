"""The grid behind the weights of hybrid search (``scripts/tune-fusion``)."""

from __future__ import annotations

import heapq
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.product import Daemon, Product, wait_until_idle
from benchmarks.venv_entry import ROOT
from mcai import catalogs
from mcai.client import Client
from mcai.dataset import fusion
from mcai.dataset.fusion import Found, Scores, Weights
from mcai.dataset.searching import CANDIDATES
from mcai.records import MAX_LIMIT, Hit

SHARES = [round(0.05 * step, 2) for step in range(21)]
RESPONSE_WEIGHTS = [round(0.1 * step, 1) for step in range(1, 11)]
TOLERATED_POINTS = 0.5
"""The weights in the code may be this far from the best hit@1: some searches are decided by next to nothing."""
RRF_CONSTANT = 60
LEGACY_DIR = ROOT.parent / "shared" / "corpus" / "legacy"
NOWHERE = 10**9

Rank = Callable[[Found], Scores]


@dataclass(frozen=True)
class Search:
    """One labelled search with everything that the index found for it."""

    found: Found
    wanted: int
    """Id of the example that should come first."""


@dataclass(frozen=True)
class Quality:
    """In points of a hundred."""

    hit1: float
    hit3: float
    mrr: float

    @classmethod
    def of(cls, searches: Sequence[Search], rank: Rank) -> Quality:
        """Rank every search and see where its example is."""
        places = [_place(search.wanted, rank(search.found)) for search in searches]
        return cls(
            *(
                100 * sum(scores) / len(places)
                for scores in (
                    [place == 1 for place in places],
                    [place <= 3 for place in places],
                    [1 / place for place in places],
                )
            )
        )

    def __str__(self) -> str:
        return f"hit@1 {self.hit1:5.2f}  hit@3 {self.hit3:5.2f}  MRR {self.mrr:5.2f}"


def _place(wanted: int, ranked: Scores) -> int:
    return next((place for place, row in enumerate(ranked, 1) if row == wanted), NOWHERE)


def fetch(daemon: Daemon) -> list[Search]:
    """Run every labelled search once, with explanations of all rows.

    Returns:
        The raw scores of each side's best `CANDIDATES` rows: what the daemon itself fuses.
    """
    lines = (catalogs.data_dir() / "search_labels.jsonl").read_text("utf-8").splitlines()
    with Client(daemon.home_dir, start=False) as client:
        ids = {(each.domain, each.content): each.id for each in client.page(limit=MAX_LIMIT).examples}
        searches = []
        for label in map(json.loads, lines):
            hits = client.search(label["query"], limit=MAX_LIMIT, explain=True).hits
            found = Found(
                similarity=_best(hits, "semantic", "similarity"),
                content=_best(hits, "keyword", "content_bm25"),
                response=_best(hits, "keyword", "response_bm25"),
            )
            searches.append(Search(found, ids[label["domain"], label["content"]]))
        return searches


def _best(hits: Sequence[Hit], side: str, score: str) -> Scores:
    scores = ((hit.id, hit.explain[side][score]) for hit in hits if isinstance(hit.explain, dict))
    return dict(
        heapq.nsmallest(CANDIDATES, (each for each in scores if each[1] > 0), key=lambda each: (-each[1], each[0]))
    )


def fused(weights: Weights) -> Rank:
    """Return the daemon's own ranking under other weights."""
    return lambda found: fusion.rank(found, "hybrid", weights)


def alone(mode: str) -> Rank:
    """Return the daemon's own ranking of one side."""
    return lambda found: fusion.rank(found, mode, Weights())


def reciprocal_ranks(found: Found) -> Scores:
    """Rank by reciprocal rank fusion, for comparison (Cormack, Clarke and Buettcher, SIGIR 2009)."""
    scores: dict[int, float] = {}
    for mode in ("semantic", "keyword"):
        for place, row in enumerate(fusion.rank(found, mode, Weights()), 1):
            scores[row] = scores.get(row, 0.0) + 1 / (RRF_CONSTANT + place)
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


Grid = dict[tuple[float, float], Quality]


def grid_of(searches: Sequence[Search]) -> Grid:
    """Return the quality under every pair of (semantic share, response weight)."""
    pairs = [(share, response) for share in SHARES for response in RESPONSE_WEIGHTS]
    return {pair: Quality.of(searches, fused(Weights(*pair))) for pair in pairs}


def best_of(grid: Grid) -> tuple[float, float]:
    """Return the pair with the most first places, by MRR where several have as many."""
    return max(grid, key=lambda pair: (grid[pair].hit1, grid[pair].mrr))


def _print_grid(grid: Grid) -> None:
    print("hit@1 by semantic share (down) and response weight (across)\n")
    print("      " + "".join(f"{weight:8.1f}" for weight in RESPONSE_WEIGHTS))
    for share in SHARES:
        print(f"{share:6.2f}" + "".join(f"{grid[share, weight].hit1:8.2f}" for weight in RESPONSE_WEIGHTS))


def _print_halves(searches: Sequence[Search]) -> None:
    """Tune on one half, judge on the other: what the weights are worth on searches that they have not seen."""
    halves = {"even": searches[::2], "odd": searches[1::2]}
    for tuned, judged in (("even", "odd"), ("odd", "even")):
        pair = best_of(grid_of(halves[tuned]))
        quality = Quality.of(halves[judged], fused(Weights(*pair)))
        print(f"best on {tuned:<4} lines {pair}: {'on the ' + judged + ' lines':<22}{quality}")


def _print_legacy(product: Product, folder: Path) -> None:
    """Two searches that once went wrong, on the corpus on which they did."""
    with Daemon(product, folder) as daemon, Client(folder, start=False) as client:
        product.command(folder, "migrate", str(LEGACY_DIR), "--json")
        wait_until_idle(daemon.pid)
        calm = client.search("how do alpha waves relate to calm", limit=3, domain="neuroscience").hits
        code = client.search("write code to sort a list", limit=10).hits
    print(f"\nlegacy corpus: 'alpha' in {sum('alpha' in hit.content.lower() for hit in calm)} of the top 3 about calm;")
    print(f"longest content in the top 10 for 'write code to sort a list': {max(len(hit.content) for hit in code):,}")


def main() -> int:
    """Print the grid; return 1 when the weights in the code are not among the best."""
    product = Product(Path(sys.executable).parent)
    with tempfile.TemporaryDirectory(prefix="mcai-tune-") as name:
        home_dir = Path(name) / "sample"
        with Daemon(product, home_dir) as daemon:
            product.command(home_dir, "migrate", str(catalogs.sample_dir()), "--json")
            searches = fetch(daemon)
        grid = grid_of(searches)
        _print_grid(grid)
        chosen, best = Weights(), best_of(grid)
        now = Quality.of(searches, fused(chosen))
        print(f"\n{len(searches)} searches over the sample corpus; (semantic share, response weight)")
        print(f"{'weights in the code ' + str((chosen.semantic, chosen.response)):<50}{now}")
        print(f"{'best of the grid ' + str(best):<50}{grid[best]}")
        for label, mode in (("by meaning alone", "semantic"), ("by words alone", "keyword")):
            print(f"{label:<50}{Quality.of(searches, alone(mode))}")
        print(f"{'reciprocal rank fusion':<50}{Quality.of(searches, reciprocal_ranks)}")
        _print_halves(searches)
        if LEGACY_DIR.is_dir():
            _print_legacy(product, Path(name) / "legacy")
    if now.hit1 < grid[best].hit1 - TOLERATED_POINTS:
        print(
            f"\ntune-fusion: the weights in mcai/dataset/fusion.py are not among the best: use {best}", file=sys.stderr
        )
        return 1
    return 0
