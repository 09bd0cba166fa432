"""Shows what a rotation moved to the archive."""

from __future__ import annotations

from rich.text import Text

from mcai.records import RotateResult
from mcai_cli.output import counted
from mcai_cli.show import console
from mcai_cli.show.tables import table


def print_rotation(done: RotateResult) -> None:
    """Print one line a domain that lost examples, and the way back."""
    out = console()
    rows = [(each.domain, each.before, each.moved, each.after) for each in done.domains if each.moved]
    moved = "would move" if done.dry_run else "moved"
    made = table(["domain", ("before", "right"), (moved, "right"), ("after", "right")], rows)
    made.columns[0].max_width = 36
    out.print(made)
    total = f"{moved} {counted(done.moved, 'example')} to the archive"
    if done.dry_run:
        out.print(Text(f"{total}; nothing was changed: a dry run", style="dim"))
    else:
        out.print(Text(f"{total}, epoch {done.epoch}; back with: mcai archive restore", style="dim"))
