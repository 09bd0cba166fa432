"""The way into the daemon for every program: `Client` and `AsyncClient`.

They share `mcai.wire.calls`, so they cannot drift apart.
This is on the path of every command: nothing heavy is imported.
"""

from mcai.client.aio import AsyncClient
from mcai.client.sync import Client

__all__ = ["AsyncClient", "Client"]
