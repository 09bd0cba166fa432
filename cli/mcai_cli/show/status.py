"""Shows the daemon's status on one small panel."""

from __future__ import annotations

from rich.panel import Panel
from rich.text import Text

from mcai.records import IndexInfo, Status
from mcai_cli.output import counted
from mcai_cli.show import console
from mcai_cli.show.tables import facts


def print_status(status: Status) -> None:
    """Print what runs, what it holds and how far the index is."""
    daemon = status.daemon
    grid = facts(
        [
            ("examples", f"{status.examples:,} in {counted(status.datasets, 'domain')}"),
            ("epoch", f"{status.epoch:,}"),
            ("index", _index(status)),
            ("model", f"{status.index.model}, {status.index.dim} dimensions"),
            ("error", status.index.error),
            ("on disk", size(status.bytes_on_disk)),
            ("home", status.home),
            ("daemon", f"pid {daemon.pid}, version {daemon.version}, up {duration(daemon.uptime_s)}"),
            ("socket", daemon.socket),
        ]
    )
    state = "ready" if daemon.ready else "starting"
    title = Text(f"mcai: {state}", style="bold green" if daemon.ready else "bold yellow")
    console().print(Panel(grid, title=title, title_align="left", border_style="dim"))


def _index(status: Status) -> str:
    index: IndexInfo = status.index
    state = index.state.replace("_", " ")
    behind = f", {index.pending:,} to go, at epoch {status.index_epoch:,}" if index.pending else ""
    return f"{state}, {index.rows:,} rows{behind}"


def size(count: int) -> str:
    """Return a number of bytes in the largest unit that leaves at least one."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def duration(seconds: float) -> str:
    """Return a span as its two largest units: ``2 d 3 h``, ``4 min 5 s``."""
    rest = int(seconds)
    parts: list[str] = []
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or parts or name == "s":
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])
