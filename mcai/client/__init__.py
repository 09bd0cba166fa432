"""The way into the daemon for every program: `Client` and `AsyncClient`.

They share `mcai.wire.calls`, so they cannot drift apart. Every command comes through here: nothing heavy is imported,
and asyncio only with `AsyncClient`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcai.client.sync import Client

if TYPE_CHECKING:
    from mcai.client.aio import AsyncClient

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    if name == "AsyncClient":
        from mcai.client.aio import AsyncClient

        return AsyncClient
    raise AttributeError(f"module 'mcai.client' has no attribute {name!r}")
