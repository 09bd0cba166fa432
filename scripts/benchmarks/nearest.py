"""Exact nearest neighbours, and recall against them. Imports no mcai: the peers' own processes use it too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

TOP = 10
TIE = 1e-6
"""Two similarities that differ by less are the same in float32."""

QUERIES_AT_ONCE = 16
"""A block of similarities: 64 MB over a million rows."""

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Nearest:
    """Every row's vector and, for each query, how similar its tenth best row is."""

    ids: npt.NDArray[np.int64]
    """Rising."""
    vectors: Vectors
    """(rows, dim) float32, unit length."""
    query_vectors: Vectors
    tenth_best: Vectors

    @classmethod
    def of(cls, ids: npt.NDArray[np.int64], vectors: Vectors, query_vectors: Vectors) -> Nearest:
        """Search exactly, in float32."""
        tenth_best = np.empty(len(query_vectors), np.float32)
        for begin in range(0, len(query_vectors), QUERIES_AT_ONCE):
            block = slice(begin, begin + QUERIES_AT_ONCE)
            tenth_best[block] = np.partition(query_vectors[block] @ vectors.T, -TOP, axis=1)[:, -TOP]
        return cls(ids, vectors, query_vectors, tenth_best)

    def recall(self, answers: Sequence[Sequence[int]]) -> float:
        """Return recall@10: the share of the exact ten that the answers (ids, one list a query) have; ties count."""
        found = 0
        for ids, query, bound in zip(answers, self.query_vectors, self.tenth_best, strict=True):
            at = np.searchsorted(self.ids, ids)
            found += int((self.vectors[at] @ query >= bound - TIE).sum())
        return found / (TOP * len(answers))

    def save(self, path: Path) -> None:
        """Write it to a file for another process."""
        np.savez(path, ids=self.ids, vectors=self.vectors, query_vectors=self.query_vectors, tenth_best=self.tenth_best)

    @classmethod
    def load(cls, path: Path) -> Nearest:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})
