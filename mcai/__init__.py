"""mcai: an application's knowledge in one place on one machine, served to every process there.

    >>> import mcai
    >>> client = mcai.Client()                                          # starts the daemon when it is absent
    >>> client.search("how do alpha waves relate to calm").hits[0]      # doctest: +SKIP

Names are imported on first use: a process pays only for what it touches.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcai.client import AsyncClient, Client
    from mcai.errors import McaiError, StaleSnapshot
    from mcai.legacy import KnowledgeService
    from mcai.records import Example, Hit, NewExample, Page, SearchResult
    from mcai.snapshot import Snapshot, open_snapshot

__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "mcai.client",
    "Client": "mcai.client",
    "Example": "mcai.records",
    "Hit": "mcai.records",
    "KnowledgeService": "mcai.legacy",
    "McaiError": "mcai.errors",
    "NewExample": "mcai.records",
    "Page": "mcai.records",
    "SearchResult": "mcai.records",
    "Snapshot": "mcai.snapshot",
    "StaleSnapshot": "mcai.errors",
    "open_snapshot": "mcai.snapshot",
}

__all__ = [
    "AsyncClient",
    "Client",
    "Example",
    "Hit",
    "KnowledgeService",
    "McaiError",
    "NewExample",
    "Page",
    "SearchResult",
    "Snapshot",
    "StaleSnapshot",
    "__version__",
    "open_snapshot",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mcai' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
