"""Exact search: the same answer as comparing every row, from codes or from floats, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcai.errors import SnapshotDamagedError
from mcai.snapshot import exact
from mcai.snapshot.blocks import BLOCK_BYTES, BlockFile, Column, block_sums

Floats = npt.NDArray[np.float32]


@pytest.fixture
def small_blocks() -> Iterator[None]:
    """A few rows are several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "FIRST_ROWS", 3)
        patch.setattr(exact, "SCAN_ROWS", 5)
        patch.setattr(exact, "GATHER_ROWS", 4)
        yield


def unit(rows: npt.NDArray[Any]) -> Floats:
    """Scale rows to unit length; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0), np.float32)


def codes_of(matrix: Floats) -> exact.Codes:
    """Return a matrix's codes, in memory."""
    values, scales, error = exact.quantise(matrix)
    return exact.Codes(Column(values), Column(scales), error)


def by_hand(matrix: Floats, query: Floats, limit: int, positions: npt.NDArray[np.int64]) -> list[tuple[int, float]]:
    """Compare the query with every row that has a vector."""
    alike = [(int(at), float(np.vecdot(matrix[at], query))) for at in positions if matrix[at].any()]
    return sorted(alike, key=lambda row: (-row[1], row[0]))[:limit]


def pairs(ranked: exact.Ranked) -> list[tuple[int, float]]:
    positions, similarities = ranked
    return list(zip(positions.tolist(), similarities.tolist(), strict=True))


@st.composite
def matrices(draw: st.DrawFn) -> Floats:
    """Rows of which some are alike, equal, opposite, or without a vector."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, dim = draw(st.integers(0, 40)), draw(st.integers(1, 70))
    matrix = rng.standard_normal((rows, dim))
    kinds = rng.integers(0, 5, rows)
    for at in np.flatnonzero(kinds == 0)[1:]:
        matrix[at] = matrix[rng.integers(0, at)]
    for at in np.flatnonzero(kinds == 1)[1:]:
        matrix[at] = matrix[rng.integers(0, at)] + rng.standard_normal(dim) * 10.0 ** -rng.integers(1, 8)
    matrix[kinds == 2] *= -1
    matrix[kinds == 3] = 0
    return unit(matrix)


@pytest.mark.usefixtures("small_blocks")
@given(matrices(), st.integers(0, 2**32), st.integers(1, 12), st.sampled_from(["all", "few", "most", "none"]))
def test_the_answer_is_that_of_comparing_every_row(matrix: Floats, seed: int, limit: int, chosen: str) -> None:
    """With codes or without, of all rows or of some: the same positions and similarities, to the last bit."""
    rng = np.random.default_rng(seed)
    query = unit(rng.standard_normal((matrix.shape[1],)))
    share = {"all": 1.0, "few": 0.05, "most": 0.7, "none": 0.0}[chosen]
    positions = np.flatnonzero(rng.random(len(matrix)) < share)
    expected = by_hand(matrix, query, limit, positions)
    asked = None if chosen == "all" else positions
    assert pairs(exact.nearest(matrix, query, limit, asked)) == expected
    assert pairs(exact.nearest(matrix, query, limit, asked, codes_of(matrix))) == expected
    assert pairs(exact.rank(matrix, query, positions, limit)) == expected


def test_many_rows_are_searched_block_by_block() -> None:
    """A matrix of many blocks gives what one product over all of it gives."""
    rng = np.random.default_rng(1)
    matrix = unit(rng.standard_normal((3 * exact.SCAN_ROWS, 64)))
    codes = codes_of(matrix)
    for query in unit(rng.standard_normal((5, 64))):
        similarities = np.vecdot(matrix, query)
        expected = np.argsort(-similarities, kind="stable")[:10]
        for found in (exact.nearest(matrix, query, 10), exact.nearest(matrix, query, 10, codes=codes)):
            assert found[0].tolist() == expected.tolist()
            assert found[1].tolist() == similarities[expected].tolist()


def test_rows_without_a_vector_push_no_other_out() -> None:
    """A zero row is at a right angle to everything; rows that point away from the query are answers before it."""
    matrix = np.zeros((3_000, 8), np.float32)
    matrix[2_500:2_505] = unit(np.random.default_rng(2).random((5, 8)))
    query = unit(-np.ones(8))
    for codes in (None, codes_of(matrix)):
        positions, similarities = exact.nearest(matrix, query, 10, codes=codes)
        assert sorted(positions.tolist()) == [2_500, 2_501, 2_502, 2_503, 2_504]
        assert (similarities < 0).all()


def test_equal_rows_come_in_their_order() -> None:
    """Where thousands of rows are the same, the first ones are the answer."""
    matrix = np.tile(unit(np.random.default_rng(3).random(64, np.float64)), (20_000, 1))
    for codes in (None, codes_of(matrix)):
        assert exact.nearest(matrix, matrix[0], 5, codes=codes)[0].tolist() == [0, 1, 2, 3, 4]


def test_a_query_without_a_vector_finds_nothing() -> None:
    """There is no nearest row to nothing."""
    matrix = unit(np.random.default_rng(4).random((10, 8)))
    assert pairs(exact.nearest(matrix, np.zeros(8, np.float32), 3, codes=codes_of(matrix))) == []


@given(matrices())
def test_codes_give_every_row_back_within_their_error(matrix: Floats) -> None:
    """What rules rows out is a bound, not an estimate."""
    values, scales, error = exact.quantise(matrix)
    lost = matrix.astype(np.float64) - values.astype(np.float64) * scales[:, None].astype(np.float64)
    assert np.linalg.norm(lost, axis=1).max(initial=0.0) <= error
    assert (scales == 0).tolist() == (~matrix.any(axis=1)).tolist()


def test_a_search_takes_little_memory() -> None:
    """However long the matrix, a search holds one block of scores and a few rows."""
    matrix = unit(np.random.default_rng(5).standard_normal((100_000, 64)).astype(np.float32))
    codes = codes_of(matrix)
    exact.nearest(matrix, matrix[7], 10, codes=codes)  # what is imported only once
    tracemalloc.start()
    try:
        exact.nearest(matrix, matrix[7], 10, codes=codes)
        exact.nearest(matrix, matrix[7], 10)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_a_damaged_vector_is_reported_when_it_is_compared(tmp_path: Path) -> None:
    """A row whose bytes are not what was written is an error, never an answer."""
    rows = BLOCK_BYTES // 4
    matrix = unit(np.random.default_rng(6).standard_normal((rows, 8)))
    path = tmp_path / "one.vectors"
    path.write_bytes(matrix.tobytes())
    sums = np.concatenate(list(block_sums(path)))
    raw = bytearray(matrix.tobytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    file = BlockFile(path, len(raw), sums)
    column = Column(file.bytes.view("<f4").reshape(rows, 8), file)
    assert exact.nearest(column, matrix[0], 1, codes=codes_of(matrix))[0].tolist() == [0]
    with pytest.raises(SnapshotDamagedError, match=r"one\.vectors is damaged"):
        exact.nearest(column, matrix[-1], 1, codes=codes_of(matrix))
