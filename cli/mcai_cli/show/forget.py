"""Shows the receipt of what was forgotten."""

from __future__ import annotations

from rich.text import Text

from mcai.records import ForgetResult
from mcai_cli.output import counted
from mcai_cli.show import console
from mcai_cli.show.tables import table


def print_receipt(done: ForgetResult) -> None:
    """Print one line a place: what was looked at, what was found, what is left."""
    out = console()
    if done.places:
        rows = [(each.place, each.scanned, each.found, _left(each.left, done.dry_run)) for each in done.places]
        out.print(table(["place", ("scanned", "right"), ("found", "right"), ("left", "right")], rows))
    examples = counted(done.forgotten, "example")
    left = sum(each.left for each in done.places)
    if done.dry_run:
        out.print(f"would forget {examples}; nothing was changed: a dry run")
    elif done.forgotten:
        out.print(f"forgot {examples} for good, epoch {done.epoch}")
    elif any(place.found for place in done.places):
        out.print("No example was left to forget; what else was found is in the table.")
    else:
        out.print("There is nothing to forget any more.")
    for note in done.notes:
        out.print(Text(f"note: {note}"))
    if left and not done.dry_run:
        told = f"{left:,} could not be removed: see the notes, then run the same command again"
        out.print(Text(told, style="bold red"))


def _left(count: int, dry_run: bool) -> Text:
    return Text(f"{count:,}", style="bold red" if count and not dry_run else "")
