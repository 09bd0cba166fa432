"""Shows the daemon's status on one small panel."""

from __future__ import annotations

from rich.panel import Panel
from rich.text import Text

from mcai.records import GraphInfo, IndexInfo, RecoveryInfo, SnapshotInfo, Status
from mcai_cli.output import counted
from mcai_cli.show import console, minute
from mcai_cli.show.tables import facts

Fact = tuple[str, object]


def print_status(status: Status) -> None:
    """Print what runs, what it holds, how far index and snapshot are, and what the last start had to mend."""
    daemon = status.daemon
    grid = facts(
        [
            ("examples", f"{status.examples:,} in {counted(status.datasets, 'domain')}"),
            ("epoch", f"{status.epoch:,}"),
            ("index", _index(status)),
            ("error", status.index.error),
            ("model", f"{status.index.model}, {status.index.dim} dimensions"),
            *(_snapshot(status.snapshot) if status.snapshot else []),
            *(_recovery(status.recovery) if status.recovery else []),
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
    told = [index.state.replace("_", " "), counted(index.rows, "row")]
    if index.pending:
        told.append(f"{index.pending:,} to go, at epoch {status.index_epoch:,}")
    if index.unindexed_rows:
        told.append(f"{index.unindexed_rows:,} not indexed yet")
    if index.fragments:
        told.append(counted(index.fragments, "fragment"))
    if index.bytes:
        told.append(size(index.bytes))
    return ", ".join(told)


def _snapshot(snapshot: SnapshotInfo) -> list[Fact]:
    published = f"epoch {snapshot.epoch:,}, {counted(snapshot.rows, 'row')} in {counted(snapshot.segments, 'segment')}"
    tail = f", {snapshot.tail_rows:,} more in memory" if snapshot.tail_rows else ""
    missed = f"{counted(snapshot.fallbacks, 'read')} went to the catalog instead" if snapshot.fallbacks else None
    return [
        ("snapshot", f"{published}, {size(snapshot.bytes)}{tail}"),
        ("", missed),
        ("error", snapshot.error),
        ("graph", _graph(snapshot.graph)),
        ("error", snapshot.graph.error),
    ]


def _graph(graph: GraphInfo) -> str | None:
    if graph.state == "none":
        return None
    recall = f", recall@10 {graph.recall:.3f}" if graph.recall is not None else ""
    rows = f", {counted(graph.rows, 'row')}" if graph.rows else ""
    until = "; until then searches scan all vectors" if graph.state == "building" else ""
    return f"{graph.state}{rows}{recall}{until}"


def _recovery(recovery: RecoveryInfo) -> list[Fact]:
    came = f"{counted(recovery.recovered_epochs, 'epoch')} recovered, {recovery.lost_epochs or 'none'} lost"
    kept = [("kept" if not number else "", path) for number, path in enumerate(recovery.kept)]
    return [("mended", f"{minute(recovery.at)}: {recovery.cause}"), ("", came), *kept]


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
