"""What people see: the only part of the CLI that imports rich, and it is imported only when a person reads.

User text is shown as `rich.text.Text` made of cleaned words, never as markup.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from mcai.records import Example
from mcai_cli.output import one_line

_DOMAIN_COLUMNS = 32


def console(*, stderr: bool = False) -> Console:
    """Return a console that takes every text literally; ``NO_COLOR`` and ``COLUMNS`` are honoured by rich."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def minute(moment: str) -> str:
    """Return ``2026-11-23 10:00`` for a moment as the daemon writes it."""
    return moment[:16].replace("T", " ")


def headline(example: Example) -> Text:
    """Return ``physics  id 7  calm  10 Hz``: what an example is, in one line."""
    domain = Text(one_line(example.domain), style="cyan")
    domain.truncate(_DOMAIN_COLUMNS, overflow="ellipsis")
    line = Text.assemble(domain, (f"  id {example.id}", "bold"))
    if example.emotion:
        line.append(f"  {one_line(example.emotion)}", style="magenta")
    if example.frequency_hz is not None:
        line.append(f"  {example.frequency_hz:g} Hz", style="magenta")
    return line
