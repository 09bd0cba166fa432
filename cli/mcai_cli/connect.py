"""The one place where commands get their way into the daemon: what a test replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcai.client.sync import Client


def connect(no_start: bool = False) -> Client:
    """Return a client of the daemon of ``MCAI_HOME``.

    Args:
        no_start: do not start the daemon when it is absent. ``MCAI_NO_START=1`` does the same, in the client.
    """
    from mcai.client.sync import Client

    return Client(start=not no_start)
