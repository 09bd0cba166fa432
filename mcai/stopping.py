"""Whether this process is about to end: work that takes long asks now and then, and gives up instead of holding it up.

One flag for the process, because the process ends as a whole, and work that nobody can cancel runs in threads.
"""

from __future__ import annotations

from mcai.errors import StoreUnavailableError

_begun = False


def begin() -> None:
    """Say that the process ends. Safe in a signal handler."""
    global _begun
    _begun = True


def check() -> None:
    """Give up when the process ends.

    Raises:
        StoreUnavailableError: it does.
    """
    if _begun:
        raise StoreUnavailableError("the daemon is stopping", hint="Run the command again; it starts the daemon.")
