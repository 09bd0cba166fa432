"""The child process that builds a graph, so that it takes neither the daemon's memory nor its turns on a processor.

    python -m mcai.snapshot.build_graph VECTORS ROWS DIM OUT

prints `manifest.GraphFacts` as JSON. It may be killed at any time, and ends by itself when its stdin, a pipe, does:
that is how it notices that its parent is gone.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from mcai.errors import McaiError, SnapshotError
from mcai.files import sync_folder
from mcai.snapshot import exact, graph
from mcai.snapshot.blocks import Positions, map_file
from mcai.snapshot.exact import Floats
from mcai.snapshot.manifest import GraphFacts

if TYPE_CHECKING:
    from usearch.index import Index

NICENESS = 10
EXPANSION_ADD = 128
BATCH_ROWS = 2_000
"""Added at once; the end of the parent is noticed in between."""
MATRIX_ROWS = 16_384
"""Compared with all sample queries at once."""

TOP = 10
SAMPLE_QUERIES = 400
OTHER_SHARE = 0.5
"""A sample query is a row and so much of another one. Texts that were never seen before, in words of rows that were,
find about 1 % more of their ten nearest (`scripts/bench --only P2`); rows with random noise would find more still."""
TIE = 1e-6
"""Two similarities that differ by less are the same in float32."""
TARGET_RECALL = 0.985
LEAST_RECALL = 0.95
"""A graph that finds less is not used."""
EXPANSIONS = (64, 80, 96, 112, 128, 160, 192, 256, 320, 384, 512, 640, 768, 896, 1_024)


def main() -> None:
    """Build what the command line says."""
    vectors, rows, dim, out = sys.argv[1:]
    os.nice(NICENESS)
    if stat.S_ISFIFO(kind := os.fstat(0).st_mode) or stat.S_ISSOCK(kind):
        Thread(target=_end_with_stdin, daemon=True).start()
    try:
        facts = build(Path(vectors), int(rows), int(dim), Path(out))
    except (McaiError, OSError) as error:
        sys.exit(f"mcai.snapshot.build_graph: {error}")
    os.write(1, msgspec.json.encode(facts) + b"\n")


def _end_with_stdin() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def build(vectors_path: Path, rows: int, dim: int, out_path: Path) -> GraphFacts:
    """Build a graph and measure it; see `graph.build`.

    Raises:
        SnapshotDamagedError: the matrix has another size.
        SnapshotError: no row has a vector, or the finished graph finds too little.
        OSError: the disk is full, for example.
    """
    matrix: Floats = map_file(vectors_path, rows * dim * 4).view("<f4").reshape(rows, dim)
    index, known = graph.new_index(dim, EXPANSION_ADD), np.empty(0, np.int64)
    for positions in _with_vectors(matrix):
        index.add(positions.astype(np.uint64), graph.encode(matrix[positions]), threads=_threads())
        known = np.concatenate([known, positions])
    if not len(known):
        raise SnapshotError(f"no row of {vectors_path} has a vector")
    temporary = out_path.with_name(f"{out_path.name}.new")
    try:
        _save(index, temporary)
        facts = GraphFacts(
            name=out_path.name,
            bytes=temporary.stat().st_size,
            hash=graph.file_hash(temporary),
            rows=len(known),
            recall=0.0,
            expansion=EXPANSIONS[0],
            library=graph.library(),
        )
        del index  # what is measured is what readers will map
        facts = _measured(graph.Graph.open(temporary, facts, dim), matrix, known)
        temporary.replace(out_path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(out_path.parent)
    return facts


def _threads() -> int:
    """Leave a processor to those who wait for an answer."""
    return max(1, (os.cpu_count() or 1) - 1)


def _with_vectors(matrix: Floats) -> Iterator[Positions]:
    for begin in range(0, len(matrix), BATCH_ROWS):
        yield begin + np.flatnonzero(matrix[begin : begin + BATCH_ROWS].any(axis=1))


def _save(index: Index, path: Path) -> None:
    """Write the index and wait until it is on the disk."""
    try:
        index.save(path)
    except RuntimeError as error:
        raise OSError(f"{path} cannot be written: {error}") from error
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _measured(built: graph.Graph, matrix: Floats, known: Positions) -> GraphFacts:
    """Choose the least expansion that finds enough of what an exact search finds."""
    queries = _sample(matrix, known)
    least = _least_similarity(matrix, queries)
    recall = 0.0
    for expansion in EXPANSIONS:
        found = 0
        for query, bound in zip(queries, least.tolist(), strict=True):
            _, similarities = exact.rank(matrix, query, built.search(query, TOP, expansion), TOP)
            found += int((similarities >= bound - TIE).sum())
        recall = found / (len(queries) * min(TOP, len(known)))
        if recall >= TARGET_RECALL:
            break
    if recall < LEAST_RECALL:
        raise SnapshotError(f"the graph finds {recall:.1%} of the nearest rows, fewer than {LEAST_RECALL:.0%}")
    return msgspec.structs.replace(built.facts, recall=round(recall, 4), expansion=expansion)


def _sample(matrix: Floats, known: Positions) -> Floats:
    """Return unit vectors like those of unseen texts."""
    rows, others = np.random.default_rng(0).choice(known, (2, SAMPLE_QUERIES))
    mixed = matrix[rows] + np.float32(OTHER_SHARE) * matrix[others]
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.asarray(mixed / lengths, np.float32)


def _least_similarity(matrix: Floats, queries: Floats) -> Floats:
    """Return how similar the tenth nearest row is to each query, or the last when there are fewer."""
    best = np.full((len(queries), TOP), -np.inf, np.float32)
    for begin in range(0, len(matrix), MATRIX_ROWS):
        rows = matrix[begin : begin + MATRIX_ROWS]
        similarities = queries @ rows[rows.any(axis=1)].T
        best = np.partition(np.concatenate([best, similarities], axis=1), -TOP, axis=1)[:, -TOP:]
    return np.asarray(np.where(np.isneginf(best), np.inf, best).min(axis=1), np.float32)


if __name__ == "__main__":
    main()
