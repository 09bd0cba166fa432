"""The old application's calls over the new client: it moves by changing an import.

    from mcai.legacy import knowledge_service        # was: from src.knowledge_service import knowledge_service
    from mcai.legacy import DatasetBankV2            # was: from src.dataset_bank_v2 import DatasetBankV2

Shapes are the old ones, faults are not: rows come in id order (the old LIMIT/OFFSET had none, so rows could repeat or
vanish between pages), and nothing is unpickled.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from mcai.client import Client
from mcai.errors import InvalidRequestError
from mcai.records import MAX_LIMIT, Example

_BOOKMARKS = 256


class Row(NamedTuple):
    """One row of `query`."""

    content: str
    response: str | None
    metadata: dict[str, Any]


class Neighbour(NamedTuple):
    """One row of `semantic_search`."""

    content: str
    response: str | None
    distance: float
    """Cosine distance, nearest first; 1 for everything at a right angle or beyond."""


class KnowledgeService:
    """Datasets as the old application asks for them; one object may be shared by all threads and survives a fork."""

    def __init__(self, home: str | os.PathLike[str] | None = None, *, client: Client | None = None) -> None:
        """Use a client, or make one for ``home`` (``MCAI_HOME`` by default)."""
        self._client = client or Client(home)
        # Where a page began that was asked for by offset: the next one then needs no walk from the start.
        # Never changed, only replaced: other threads may be reading it.
        self._bookmarks: dict[tuple[str | None, int], str] = {}

    def query(self, domain: str | None = None, limit: int = 100, offset: int = 0) -> list[Row]:
        """Return rows in id order, all domains when none is named.

        Raises:
            InvalidRequestError: a negative limit or offset.
        """
        if limit < 0 or offset < 0:
            raise InvalidRequestError("limit and offset must not be negative")
        rows: list[Row] = []
        for position, example in self._walk(domain, offset, offset + limit):
            if position >= offset:
                rows.append(Row(example.content, example.response, example.metadata))
        return rows

    def get_dataset(self, domain: str, cache: bool = True) -> list[Row]:
        """Return all rows of a domain, an empty list for an unknown one.

        Args:
            domain: its exact name.
            cache: kept for callers of the old method; the daemon holds the one copy, there is nothing to bypass.
        """
        return [Row(example.content, example.response, example.metadata) for _, example in self._walk(domain, 0, None)]

    def semantic_search(self, query_embedding: Sequence[float], top_k: int = 10) -> list[Neighbour]:
        """Return the rows nearest to a vector, nearest first.

        Raises:
            DimensionMismatchError: the vector has another length than the index.
        """
        found = self._client.search(query_embedding, mode="semantic", limit=top_k)
        return [Neighbour(hit.content, hit.response, 1.0 - hit.score) for hit in found.hits]

    def _walk(self, domain: str | None, offset: int, end: int | None) -> Iterator[tuple[int, Example]]:
        """Yield (position, example) from the nearest bookmark before ``offset`` up to position ``end``."""
        bookmarks = self._bookmarks
        starts = [at for name, at in bookmarks if name == domain and at <= offset]
        position = max(starts, default=0)
        cursor = bookmarks.get((domain, position))
        while end is None or position < end:
            size = MAX_LIMIT if end is None else min(MAX_LIMIT, end - position)
            page = self._client.page(limit=size, cursor=cursor, domain=domain)
            yield from enumerate(page.examples, position)
            position += len(page.examples)
            cursor = page.next_cursor
            if cursor is None:
                return
            bookmarks = {**self._bookmarks, (domain, position): cursor}
            if len(bookmarks) > _BOOKMARKS:
                del bookmarks[next(iter(bookmarks))]
            self._bookmarks = bookmarks


DatasetBankV2 = KnowledgeService


@cache
def _shared() -> KnowledgeService:
    return KnowledgeService()


def __getattr__(name: str) -> Any:
    if name == "knowledge_service":
        return _shared()
    raise AttributeError(f"module 'mcai.legacy' has no attribute {name!r}")
