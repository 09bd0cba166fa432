"""The progress bar of an import, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from mcai_cli.importing.advance import Advance, every
from mcai_cli.show import console

_REFRESH_S = 0.2


@contextmanager
def watch_bar(advance: Advance) -> Iterator[None]:
    """Show a bar that vanishes at the end: bytes read, records a second, remaining time; then the indexing."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(binary_units=True),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task("importing", total=None, rate="")
        with every(_REFRESH_S, lambda: _refresh(bar, task, advance)):
            yield


def _refresh(bar: Progress, task: TaskID, advance: Advance) -> None:
    elapsed_s = bar.tasks[0].elapsed or 0.0
    if advance.indexing:
        rate = f"{advance.to_index:,} rows to go"
        bar.update(task, description="indexing", total=None, rate=rate)
        return
    rate = f"{advance.settled / elapsed_s:,.0f}/s" if elapsed_s else ""
    bar.update(task, total=advance.total_bytes or None, completed=advance.done_bytes, rate=rate)
