"""What upkeep needs of the daemon around it. It knows neither the dataset service nor the indexes above the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from mcai.records import Place

T = TypeVar("T")


class Write(Protocol):
    """Runs a write in the one thread that makes epochs; while it runs there, no other epoch is made."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


Derived = Callable[[Sequence[int]], Awaitable[list[Place]]]
"""Takes examples, which the catalog has forgotten, out of everything that is derived from it beside the catalog: search
index, snapshot, copies for queries. Says of each place what was looked at, found, and is still there."""
