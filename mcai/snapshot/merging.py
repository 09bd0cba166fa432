"""Which segments are worth merging, and a merge that goes on step by step while others write."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mcai.snapshot.layer import Layer, layer_of
from mcai.snapshot.manifest import SegmentFacts
from mcai.snapshot.segment import map_segment

FAN = 4
"""So many segments of like size become one: a row is written about log(rows, FAN) times, and few segments remain."""
SMALL_ROWS = 1_024
"""Segments up to this size are all alike: writing them costs the same, as almost nothing."""
GRAPH_FROM_ROWS = 25_000
"""A segment of so many rows gets a graph; fewer are scanned in less than a millisecond."""
BESIDE_SHARE = 0.5
"""Share of the largest segment's rows that may lie beside it: each graph costs a search as much as the first, and a row
is still written only about 1 / BESIDE_SHARE times more."""
GATHERED_SHARE = 0.02
"""What lies beside a segment that is to get a graph is taken into it, from this share on: merging takes a second where
building the graph takes a minute."""
HOLLOW_SHARE = 0.25
"""Share of hidden rows from which on a segment is written anew without them."""
STEP_S = 0.1
"""How long one step may take: other writers wait for it."""


def choose(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers that are worth merging into one now; none when all is well."""
    tiers: dict[int, list[Layer]] = {}
    for layer in layers:
        tiers.setdefault(_tier(layer.rows), []).append(layer)
    for _, alike in sorted(tiers.items()):
        if len(alike) >= FAN:
            return alike
    largest_first = sorted(layers, key=lambda layer: layer.rows, reverse=True)
    beside = sum(layer.rows for layer in largest_first[1:])
    if beside >= GRAPH_FROM_ROWS and beside >= BESIDE_SHARE * largest_first[0].rows:
        return list(layers)
    bare = [layer for layer in layers if layer.rows < GRAPH_FROM_ROWS]
    if sum(layer.rows for layer in bare) >= GRAPH_FROM_ROWS:
        return bare
    hollow = [layer for layer in layers if len(layer.hidden) >= HOLLOW_SHARE * layer.segment.rows]
    return hollow[:1]


def _tier(rows: int) -> int:
    tier = 0
    while rows > SMALL_ROWS:
        rows //= FAN
        tier += 1
    return tier


class Merge:
    """Some layers on their way into one segment."""

    def __init__(self, folder: Path, name: str, sources: Sequence[Layer]) -> None:
        """Begin; nothing is written before the first step.

        Args:
            folder: of the snapshot.
            name: of the new segment.
            sources: as they are now; what is hidden later is hidden in the result.
        """
        self.name = name
        self._sources = sources
        self._folder = folder
        from mcai.snapshot.writer import write_segment  # it imports pyarrow, which reading does without

        self._steps = write_segment(folder, name, sources)
        self._facts: SegmentFacts | None = None

    def step(self) -> bool:
        """Go on for `STEP_S`, or for one chunk of rows if that takes longer; return whether it is done.

        Raises:
            OSError: the disk is full, for example.
        """
        deadline = time.monotonic() + STEP_S
        while True:
            try:
                next(self._steps)
            except StopIteration as done:
                self._facts = done.value
                return True
            if time.monotonic() >= deadline:
                return False

    def stop(self) -> None:
        """Let go of the files, finished or not."""
        self._steps.close()

    def result(self, layers: Sequence[Layer]) -> list[Layer]:
        """Return the present layers with the sources replaced by what was made of them, less what was hidden since."""
        now = {layer.segment.name: layer for layer in layers}
        gone = []
        for source in self._sources:
            present = now.pop(source.segment.name, None)
            hidden = present.hidden if present else np.arange(source.segment.rows)
            gone.append(source.segment.ids[np.setdiff1d(hidden, source.hidden)])
        others = list(now.values())
        if self._facts is None:
            return others
        return [*others, layer_of(map_segment(self._folder, self._facts)).hide(np.sort(np.concatenate(gone)))]
