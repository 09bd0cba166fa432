"""One corpus size: fill a home, measure everything that was asked for on it, measure the peers, clean up."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    backing_up,
    command,
    comparison,
    graph,
    importing,
    pages,
    reading,
    restarting,
    search,
    sharing,
    starting,
)
from benchmarks.corpus import PageStart, page_starts
from benchmarks.figures import SIZES, Results, size_name
from benchmarks.peers.shared import Task
from benchmarks.prepared import Prepared, prepare
from benchmarks.product import FAILURES, Daemon, Product, wait_until_idle
from benchmarks.workload import DOMAINS, language
from mcai import catalogs
from mcai.client import Client
from mcai.records import Example

PARTS = ("P1", "P2", "P3", "P4", "P5", "P5B", "P6", "RESTART", "BACKUP")
PEERS_UP_TO_ROWS = SIZES["100k"]


class Size:
    """One corpus size: its home, and what is measured on it."""

    def __init__(
        self, product: Product, folder: Path, count: int, options: argparse.Namespace, results: Results
    ) -> None:
        self._product = product
        self._folder = folder
        self._count = count
        self._parts: list[str] = options.only
        self._waits_for_graph = not options.no_graph
        self._with_peers = options.peers and count <= PEERS_UP_TO_ROWS
        self._results = results
        self._home_dir = folder / "home"
        self._starts: list[PageStart] = []
        self._domain_starts: list[PageStart] = []
        self._examples: list[Example] = []
        """For the peers."""
        self._prepared: Prepared

    def measure(self) -> None:
        """Measure everything that was asked for; a part that fails does not stop the others."""
        self._folder.mkdir(mode=0o700)
        try:
            with_nearest = self._asks("P2") or self._with_peers
            speech = language(catalogs.sample_dir())
            self._prepared = prepare(speech, self._count, self._folder / "examples.jsonl", with_nearest=with_nearest)
            with Daemon(self._product, self._home_dir) as daemon:
                imported_at_s = self._import(daemon)
                if self._parts == ["P6"] and not self._with_peers:
                    return
                has_final_search = self._settle(daemon, imported_at_s)
                self._survey(daemon)
                self._measure_serving(daemon, has_final_search)
            self._measure_starts()
            if self._with_peers:
                self._attempt("peers", self._measure_peers)
        except FAILURES as error:
            self._results.give_up(f"everything at {size_name(self._count)}", str(error))
        finally:
            shutil.rmtree(self._folder)

    def _asks(self, part: str) -> bool:
        return part in self._parts

    def _attempt(self, name: str, work: Callable[[], None]) -> bool:
        """Do something that may fail; tell whether it did not."""
        try:
            with self._results.part(name, self._count):
                work()
        except FAILURES as error:
            self._results.give_up(f"{name} at {size_name(self._count)}", str(error))
            return False
        return True

    def _import(self, daemon: Daemon) -> float:
        """Return when the import ended."""
        results = self._results if self._asks("P6") else Results({}, quiet=True)
        with self._results.part("P6", self._count):
            at_s = importing.measure(self._product, daemon, self._prepared.path, self._count, results)
        wait_until_idle(daemon.pid)
        return at_s

    def _settle(self, daemon: Daemon, imported_at_s: float) -> bool:
        """Wait until searches are answered as they will be from now on; tell whether they are."""
        if not graph.is_worth(self._count):
            return True
        if self._asks("P2"):
            self._attempt("P2 before the graph", lambda: self._measure_scan(daemon))
        if not self._waits_for_graph:
            return False
        return self._attempt("graph", lambda: graph.measure(daemon, self._count, imported_at_s, self._results))

    def _measure_scan(self, daemon: Daemon) -> None:
        taken = Results({}, quiet=True)
        self._measure_semantic(daemon, taken, before_graph=True)
        if graph.state(daemon) == "ready":
            raise RuntimeError("the graph was ready before everything was measured without it")
        self._results.add(*taken.figures)

    def _measure_semantic(self, daemon: Daemon, results: Results, *, before_graph: bool) -> None:
        prepared = self._prepared
        assert prepared.nearest is not None
        search.measure_semantic(
            daemon, self._count, prepared.queries, prepared.nearest, results, before_graph=before_graph
        )

    def _survey(self, daemon: Daemon) -> None:
        """Learn where the home's pages begin."""
        seen = 0

        def take(examples: list[Example]) -> None:
            nonlocal seen
            self._prepared.check(seen, examples)
            seen += len(examples)
            if self._with_peers:
                self._examples += examples

        with Client(daemon.home_dir, start=False) as client:
            self._starts = page_starts(client, take=take)
            self._domain_starts = [start for domain in DOMAINS for start in page_starts(client, domain)]

    def _measure_serving(self, daemon: Daemon, has_final_search: bool) -> None:
        product, home_dir, count, results = self._product, self._home_dir, self._count, self._results
        queries = self._prepared.queries

        def searches() -> None:
            if has_final_search:
                self._measure_semantic(daemon, results, before_graph=False)
            search.measure_words(daemon, count, queries, results)

        self._attempt_all(
            {
                "P1": lambda: pages.measure(daemon, count, self._starts, self._domain_starts, results),
                "P2": searches,
                "P4": lambda: command.measure(product, daemon, count, queries[0], results),
                "P5": lambda: sharing.measure(product, home_dir, self._folder, count, results),
                "P5B": lambda: reading.measure(product, home_dir, count, self._starts, results),
            }
        )

    def _measure_starts(self) -> None:
        """Measure what starts daemons of its own. The last two add rows."""
        product, home_dir, count, results = self._product, self._home_dir, self._count, self._results
        start, query = self._starts[len(self._starts) // 2], self._prepared.queries[0]

        def backup() -> None:
            with Daemon(product, home_dir) as daemon:
                daemon.wait_until_loaded()
                wait_until_idle(daemon.pid)
                backing_up.measure(product, daemon, self._folder, count, results)

        self._attempt_all(
            {
                "P3": lambda: starting.measure(product, home_dir, count, start, query, results),
                "BACKUP": backup,
                "RESTART": lambda: restarting.measure(product, home_dir, count, start, results),
            }
        )

    def _attempt_all(self, parts: dict[str, Callable[[], None]]) -> None:
        for name, work in parts.items():
            if self._asks(name):
                self._attempt(name, work)

    def _measure_peers(self) -> None:
        nearest = self._prepared.nearest
        assert nearest is not None
        task = Task(
            folder=self._folder / "peers",
            examples=self._examples,
            nearest=nearest,
            starts=self._starts,
            domain_starts=self._domain_starts,
        )
        comparison.measure(task, self._results)
