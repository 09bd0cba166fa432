"""What people see: the only part of the CLI that imports rich, and it is imported only when a person reads.

User text is shown as `rich.text.Text` made of cleaned words, never as markup.
"""

from __future__ import annotations

from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """Return a console that takes every text literally; ``NO_COLOR`` and ``COLUMNS`` are honoured by rich."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)
