"""The graph index: built by a child that may die at any time, verified before it is mapped, nearly always right."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from helpers import PATIENCE_S, wait_until
from mcai.errors import SnapshotDamagedError, SnapshotError
from mcai.snapshot import exact, graph

ROWS, DIM = 3_000, 64
LONG_ROWS = 60_000
"""So many take longer to build than a test needs to interrupt it."""

Floats = npt.NDArray[np.float32]


def vectors(rows: int) -> Floats:
    """Return unit rows around a few hundred centres; every tenth has no vector."""
    rng = np.random.default_rng(rows)
    centres = rng.standard_normal((200, DIM))
    matrix = centres[rng.integers(0, 200, rows)] + 0.7 * rng.standard_normal((rows, DIM))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix[::10] = 0
    return matrix.astype(np.float32)


def written(path: Path, matrix: Floats) -> Path:
    path.write_bytes(matrix.astype("<f4").tobytes())
    return path


def command(vectors_path: Path, rows: int, out_path: Path) -> list[str]:
    return [sys.executable, "-m", "mcai.snapshot.build_graph", str(vectors_path), str(rows), str(DIM), str(out_path)]


class Built:
    """One graph, and what it is about."""

    def __init__(self, folder: Path) -> None:
        self.matrix = vectors(ROWS)
        self.path = folder / "one.graph"
        source = written(folder / "one.vectors", self.matrix)
        self.facts = asyncio.run(graph.build(source, ROWS, DIM, self.path))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("graph"))


@pytest.fixture
def opened(built: Built) -> graph.Graph:
    return graph.Graph.open(built.path, built.facts, DIM)


@pytest.fixture
def long_vectors(tmp_path: Path) -> Path:
    return written(tmp_path / "long.vectors", vectors(LONG_ROWS))


def running_with(path: Path) -> list[Path]:
    """Return the processes that have a path on their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(path) in (process / "cmdline").read_bytes():
                found.append(process)
    return found


def left_in(folder: Path, known: Sequence[Path]) -> set[str]:
    """Return the names of the files that a build left, but for its temporary one."""
    return {path.name for path in folder.iterdir() if path not in known and path.suffix != ".new"}


def test_the_builder_says_what_it_wrote(built: Built) -> None:
    """Its facts name the file, its bytes and hash, the rows that have a vector, and a recall that was measured."""
    facts = built.facts
    assert (facts.name, facts.bytes) == ("one.graph", built.path.stat().st_size)
    assert facts.hash == graph.file_hash(built.path)
    assert facts.rows == ROWS - ROWS // 10
    assert 0.985 <= facts.recall <= 1
    assert not built.path.with_name("one.graph.new").exists()


def test_it_finds_nearly_all_of_the_nearest(built: Built, opened: graph.Graph) -> None:
    """Compared in float32, what it finds is the exact answer, but for a few rows in a hundred."""
    rng = np.random.default_rng(1)
    found = 0
    for row in built.matrix[rng.choice(np.flatnonzero(built.matrix.any(axis=1)), 100)]:
        query = row + 0.5 * rng.standard_normal(DIM).astype(np.float32) / np.float32(np.sqrt(DIM))
        query /= np.linalg.norm(query)
        positions = exact.rank(built.matrix, query, opened.search(query, 10), 10)[0]
        found += len(np.intersect1d(positions, exact.nearest(built.matrix, query, 10)[0]))
    assert found >= 970


def test_rows_without_a_vector_are_not_in_it(built: Built, opened: graph.Graph) -> None:
    """Asked for everything, it gives every row that has a vector, each once, by position."""
    positions = opened.search(built.matrix[1], ROWS)
    assert built.matrix[positions].any(axis=1).all()
    assert (np.diff(positions) > 0).all()
    assert len(positions) >= 0.99 * built.facts.rows


def test_more_can_be_asked_for(built: Built, opened: graph.Graph) -> None:
    """A caller that may not show some of the rows asks again, for more."""
    few, more = opened.search(built.matrix[1], 10), opened.search(built.matrix[1], 500)
    assert 10 <= len(few) < 500 <= len(more)
    assert 1 in few


def test_any_thread_may_search(built: Built, opened: graph.Graph) -> None:
    """Searches at the same time find what they find one after another."""
    queries = built.matrix[1:200:2]
    alone = [opened.search(query, 10).tolist() for query in queries]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda query: opened.search(query, 10).tolist(), list(queries) * 4))
    assert together == alone * 4


def test_it_is_used_where_it_is_faster(opened: graph.Graph) -> None:
    """Few rows, or many hits of not so many rows, are scanned."""
    assert not opened.pays(10)
    many = graph.Graph(opened._index, msgspec.structs.replace(opened.facts, rows=100_000), opened._mapped)
    assert many.pays(10)
    assert not many.pays(1_000)


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_wrong_bit_is_found_before_it_is_mapped(built: Built, tmp_path: Path, place: str) -> None:
    """A damaged graph would crash whoever searches it: it is never mapped."""
    raw = bytearray(built.path.read_bytes())
    raw[{"first": 0, "middle": len(raw) // 2, "last": -1}[place]] ^= 4
    path = tmp_path / "one.graph"
    path.write_bytes(raw)
    with pytest.raises(SnapshotDamagedError, match=r"one\.graph is damaged"):
        graph.Graph.open(path, built.facts, DIM)


@pytest.mark.parametrize("change_bytes", [-1, 1])
def test_a_graph_of_another_length_is_damaged(built: Built, tmp_path: Path, change_bytes: int) -> None:
    """A truncated file is not mapped, nor one that grew."""
    path = tmp_path / "one.graph"
    path.write_bytes((built.path.read_bytes() + b"x")[: built.facts.bytes + change_bytes])
    with pytest.raises(SnapshotDamagedError, match="bytes instead of"):
        graph.Graph.open(path, built.facts, DIM)


def test_a_graph_of_another_version_is_not_read(built: Built) -> None:
    """What another version of the library wrote may crash this one."""
    facts = msgspec.structs.replace(built.facts, library="usearch 0.1")
    with pytest.raises(SnapshotError, match=r"built by usearch 0\.1"):
        graph.Graph.open(built.path, facts, DIM)


def test_a_killed_builder_leaves_no_graph(long_vectors: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle of it: at most its temporary file is there."""
    child = subprocess.Popen(command(long_vectors, LONG_ROWS, tmp_path / "long.graph"), stdin=subprocess.PIPE)
    with child:
        wait_until(lambda: long_vectors.name in Path(f"/proc/{child.pid}/maps").read_text(), "it reads the vectors")
        child.kill()
    assert left_in(tmp_path, [long_vectors]) == set()


def test_a_builder_ends_with_its_parent(long_vectors: Path, tmp_path: Path) -> None:
    """Where the parent goes, by whatever way, its end of the pipe is closed, and the child ends by itself."""
    child = subprocess.Popen(command(long_vectors, LONG_ROWS, tmp_path / "long.graph"), stdin=subprocess.PIPE)
    assert child.stdin is not None
    wait_until(lambda: long_vectors.name in Path(f"/proc/{child.pid}/maps").read_text(), "it reads the vectors")
    child.stdin.close()
    assert child.wait(PATIENCE_S) == 1
    assert left_in(tmp_path, [long_vectors]) == set()


def test_a_build_can_be_cancelled(long_vectors: Path, tmp_path: Path) -> None:
    """Cancelling the task that waits for it ends the child before the task ends."""

    async def cancel() -> None:
        building = asyncio.create_task(graph.build(long_vectors, LONG_ROWS, DIM, tmp_path / "long.graph"))
        await asyncio.to_thread(wait_until, lambda: running_with(long_vectors), "the child runs")
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building

    asyncio.run(cancel())
    assert left_in(tmp_path, [long_vectors]) == set()
    assert not running_with(long_vectors)


@pytest.mark.parametrize("rows", [0, 100])
def test_without_vectors_there_is_no_graph(tmp_path: Path, capfd: pytest.CaptureFixture[str], rows: int) -> None:
    """It says why, and leaves nothing behind."""
    source = written(tmp_path / "none.vectors", np.zeros((100, DIM), np.float32))
    with pytest.raises(SnapshotError, match=r"none\.vectors could not be built"):
        asyncio.run(graph.build(source, rows, DIM, tmp_path / "none.graph"))
    assert "none.vectors has" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["none.vectors"]


def test_a_full_disk_leaves_nothing(built: Built, tmp_path: Path) -> None:
    """What cannot be written whole is not there at all."""
    out = tmp_path / "one.graph"
    limited = f"ulimit -f 16; exec {' '.join(command(built.path.with_name('one.vectors'), ROWS, out))}"
    done = subprocess.run(["bash", "-c", limited], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert b"cannot be written" in done.stderr
    assert list(tmp_path.glob("one.*")) == []
