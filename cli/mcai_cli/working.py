"""Says on stderr that something long is under way, where somebody is looking."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

Tell: TypeAlias = Callable[[str], None]


def working(what: str) -> AbstractContextManager[Tell]:
    """Show what is being done, and for how long already, while the context lasts; nothing when stderr is no terminal.

    Args:
        what: ``backing up``; the function that the context yields replaces it.
    """
    if sys.stderr.isatty():
        from mcai_cli.show.spinner import spin

        return spin(what)
    return nullcontext(_tell_nobody)


def _tell_nobody(what: str) -> None:
    pass
