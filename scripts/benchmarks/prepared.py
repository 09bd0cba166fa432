"""A corpus before its import: the file, and what is asked of it afterwards, with the exact answers.

It is all made before the import, so that nothing but the daemon works after it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.nearest import Nearest
from benchmarks.workload import Language, queries, rows
from mcai.embed.static import WordLlamaEmbedder
from mcai.records import Example


@dataclass(frozen=True)
class Prepared:
    """One corpus."""

    path: Path
    """JSON lines."""
    contents: list[str]
    """Of all rows, in order."""
    queries: list[str]
    nearest: Nearest | None
    """By the ids that a new home gives to the rows, 1, 2, 3, ...; None where no recall is measured."""

    def check(self, offset: int, examples: list[Example]) -> None:
        """Check that rows of the store are those of the file, with the ids that `nearest` has.

        Args:
            offset: how many rows come before.
            examples: rows of the store, in id order.

        Raises:
            RuntimeError: they are not.
        """
        for position, example in enumerate(examples, offset):
            if example.id != position + 1 or example.content != self.contents[position]:
                raise RuntimeError(f"example {example.id} of the store is not row {position + 1} of the file")


def prepare(speech: Language, count: int, path: Path, *, with_nearest: bool) -> Prepared:
    """Write a corpus to a file.

    Args:
        speech: what the rows are made of.
        count: how many.
        path: where.
        with_nearest: embed everything and search it exactly too.
    """
    contents = []
    with path.open("w") as file:
        for record in rows(speech, count):
            file.write(json.dumps(record) + "\n")
            contents.append(record["content"])
    asked = queries(speech, contents)
    nearest = None
    if with_nearest:
        embedder = WordLlamaEmbedder()
        nearest = Nearest.of(np.arange(1, count + 1), embedder.embed(contents), embedder.embed(asked))
    return Prepared(path, contents, asked, nearest)
