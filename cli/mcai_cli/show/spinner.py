"""The spinner of work whose end cannot be foretold, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mcai_cli.output import one_line
from mcai_cli.show import console
from mcai_cli.working import Tell

_LONGEST = 60
"""Columns of what is being done: with the elapsed time it stays on one line of 80."""


@contextmanager
def spin(what: str) -> Iterator[Tell]:
    """Show a spinner that vanishes at the end, with what is being done and the time since the beginning."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(_shown(what), total=None)
        yield lambda told: progress.update(task, description=_shown(told))


def _shown(what: str) -> str:
    text = one_line(what)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
