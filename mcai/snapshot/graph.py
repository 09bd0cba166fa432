"""The graph over one matrix of vectors: it finds nearly all of the nearest rows in a fraction of a scan's time.

It is usearch's HNSW over the rows rounded to 8 bits, and only says where to look: `exact.rank` compares what it finds.
A damaged graph would crash its reader, so the whole file is verified before it is mapped, by every process.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from subprocess import PIPE
from threading import Lock
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from mcai.errors import SnapshotDamagedError, SnapshotError
from mcai.files import open_regular
from mcai.snapshot.blocks import Array, Positions, map_file
from mcai.snapshot.exact import CODE_MAX, Floats
from mcai.snapshot.manifest import GraphFacts

if TYPE_CHECKING:
    from usearch.index import Index

SCANNED_A_STEP = 200
"""Rows that a scan looks at in the time in which a search of the graph looks at one more."""
SPARE_ROWS = 30
"""Found beyond what was asked for: rounded to 8 bits, the last of the best may come behind the first of the others."""
CONNECTIVITY = 32
CODE_LIMIT = 6.0
"""The largest number that has a code, in units of 1/sqrt(dim), the usual size of a number in a unit vector."""
HASH_BYTES = 32


class Graph:
    """One mapped graph. Any thread may search it."""

    def __init__(self, index: Index, facts: GraphFacts, mapped: Array) -> None:
        self.facts = facts
        self._index = index
        self._mapped = mapped  # what the index looks at
        self._searching = Lock()  # usearch's searches with one thread share that thread's workspace

    @classmethod
    def open(cls, path: Path, facts: GraphFacts, dim: int) -> Graph:
        """Verify a graph's file and map it.

        Args:
            path: where it lies.
            facts: from its builder.
            dim: length of the vectors.

        Raises:
            SnapshotDamagedError: the file is not what was built.
            SnapshotError: another version of the library built it.
            OSError: the file is gone, or cannot be mapped.
        """
        mapped = map_file(path, facts.bytes)
        if blake2b(mapped.data, digest_size=HASH_BYTES).hexdigest() != facts.hash:
            raise SnapshotDamagedError(f"{path} is damaged")
        if facts.library != library():
            raise SnapshotError(
                f"{path} was built by {facts.library}, this process has {library()}",
                hint="Searches scan all vectors meanwhile. The daemon builds it anew: mcai daemon restart",
            )
        index = new_index(dim)
        index.view(mapped.data)
        return cls(index, facts, mapped)

    def pays(self, limit: int) -> bool:
        """Tell whether a search is faster than a scan of all rows."""
        return max(self.facts.expansion, limit + SPARE_ROWS) * SCANNED_A_STEP < self.facts.rows

    def search(self, query: Floats, limit: int, expansion: int | None = None) -> Positions:
        """Find where the nearest rows probably are.

        Args:
            query: (dim,) float32, of unit length.
            limit: how many are wanted; ask for more when some of those that are found cannot be shown.
            expansion: how many rows to keep in sight, when not what the facts say.

        Returns:
            Positions for `exact.rank`, rising: ``limit`` and some to spare, or all that the graph has.
        """
        codes = encode(query)
        with self._searching:
            self._index.expansion_search = expansion or self.facts.expansion
            found = self._index.search(codes, min(limit + SPARE_ROWS, self.facts.rows), threads=1)
        return np.sort(found.keys.astype(np.int64))


def library() -> str:
    """Return what this process reads and writes graphs with."""
    return f"usearch {version('usearch')}"


def new_index(dim: int, expansion_add: int = 0) -> Index:
    """Return an empty index of the one kind that is used here."""
    from usearch.index import Index, MetricKind, ScalarKind

    # Codes have one scale for all rows, so their inner products are in the order of the cosines.
    return Index(
        ndim=dim,
        metric=MetricKind.IP,
        dtype=ScalarKind.I8,
        connectivity=CONNECTIVITY,
        expansion_add=expansion_add,
        enable_key_lookups=False,
    )


def encode(vectors: Floats) -> npt.NDArray[np.int8]:
    """Round unit vectors to 8 bits, all on one scale; what few numbers lie beyond it are cut off."""
    largest = min(1.0, CODE_LIMIT / float(np.sqrt(vectors.shape[-1])))
    codes: npt.NDArray[np.int8] = np.rint(np.clip(vectors / largest, -1, 1) * CODE_MAX).astype(np.int8)
    return codes


def file_hash(path: Path) -> str:
    """Hash a whole file."""
    digest = blake2b(digest_size=HASH_BYTES)
    with open_regular(path) as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


async def build(vectors_path: Path, rows: int, dim: int, out_path: Path) -> GraphFacts:
    """Build a graph in a child process, in the background: half a minute and 60 MB of memory for each 100,000 rows.

    Args:
        vectors_path: a raw (rows, dim) little-endian float32 matrix, rows of unit length or all zero.
        rows: how many it has.
        dim: length of its rows.
        out_path: the new file. It appears whole or not at all; whatever ends the child, this process's own end
            included, leaves no more than ``out_path`` with ``.new`` behind it.

    Raises:
        SnapshotError: the child failed; its last words are in this process's stderr.
    """
    words = (vectors_path, rows, dim, out_path)
    command = [sys.executable, "-P", "-m", "mcai.snapshot.build_graph", *map(str, words)]
    loop = asyncio.get_running_loop()
    # Not by the event loop: uvloop forks, and an engine that this process has loaded must never see a fork.
    with ThreadPoolExecutor(1, "graph") as thread:
        # Its stdin stays open and unused: where it ends, the child does.
        child = subprocess.Popen(command, stdin=PIPE, stdout=PIPE)
        with child:
            try:
                assert child.stdout is not None
                told = await loop.run_in_executor(thread, child.stdout.read)
                code = await loop.run_in_executor(thread, child.wait)
            finally:
                child.kill()  # does nothing to one that has ended
    if code:
        raise SnapshotError(f"the graph over {vectors_path.name} could not be built (exit code {code})")
    return msgspec.json.decode(told, type=GraphFacts)
