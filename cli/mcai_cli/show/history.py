"""Shows what happened, how two epochs differ, and what a way back did."""

from __future__ import annotations

from rich.text import Text

from mcai.records import DomainChange, EpochDiff, EpochLog, RollbackResult
from mcai_cli.output import counted, one_line, say, shell_word
from mcai_cli.show import console, minute
from mcai_cli.show.tables import table

_SHOWN_DOMAINS = 3
_LONGEST_NAME = 16


def print_log(found: EpochLog) -> None:
    """Print one line an epoch: when, what kind of change, and what came and went where."""
    out = console()
    if not found.entries:
        out.print("Nothing has happened yet. Import a folder: mcai migrate FOLDER")
        return
    rows = [
        (
            Text(str(entry.epoch), style="bold"),
            minute(entry.at),
            entry.op,
            _signed("+", sum(change.added for change in entry.domains)),
            _signed("-", sum(change.removed for change in entry.domains)),
            _domains(entry.domains),
        )
        for entry in found.entries
    ]
    made = table([("epoch", "right"), "when (UTC)", "what", ("came", "right"), ("went", "right"), "where"], rows)
    made.columns[-1].ratio = 1
    made.expand = True
    out.print(made)
    out.print(Text("go back to one: mcai datasets rollback EPOCH --dry-run", style="dim"))


def print_diff(found: EpochDiff) -> None:
    """Print one line a domain that differs."""
    out = console()
    if not found.domains:
        out.print(f"Epochs {found.from_epoch} and {found.to_epoch} have the same examples.")
        return
    rows = [
        (each.domain, _signed("+", each.added), _signed("-", each.removed), _signed("~", each.edited))
        for each in found.domains
    ]
    made = table(["domain", ("added", "right"), ("removed", "right"), ("edited", "right")], rows)
    made.columns[0].max_width = 36
    out.print(made)
    domains = counted(len(found.domains), "domain")
    out.print(Text(f"from epoch {found.from_epoch} to {found.to_epoch}, {domains}", style="dim"))


def say_rollback(done: RollbackResult, epoch: int, domain: str | None) -> None:
    """Print what a rollback did or would do, and how to undo it."""
    if not done.restored and not done.removed:
        say(f"Nothing to change: the examples are as they were after epoch {epoch}.")
    else:
        words = ("would restore", "would remove") if done.dry_run else ("restored", "removed")
        counts = zip(words, (done.restored, done.removed), strict=True)
        changed = ", ".join(f"{word} {counted(count, 'example')}" for word, count in counts if count)
        say(f"{changed}; {_undone(done, domain)}")
    if done.forgotten:
        gone = counted(done.forgotten, "example")
        say(f"{gone} of epoch {epoch} {'was' if done.forgotten == 1 else 'were'} forgotten since: gone for good")


def say_deletion(done: RollbackResult, domain: str) -> None:
    """Print what the deletion of a domain did or would do, and how to undo it."""
    says = "would delete" if done.dry_run else "deleted"
    say(f"{says} {counted(done.removed, 'example')} of {one_line(domain)}, archived ones too; {_undone(done, domain)}")


def _undone(done: RollbackResult, domain: str | None) -> str:
    if done.dry_run:
        return "nothing was changed: a dry run"
    dashes = "-- " if domain is not None and domain.startswith("-") else ""
    where = f" {dashes}{shell_word(domain)}" if domain is not None else ""
    return f"epoch {done.epoch}\nundo it: mcai datasets rollback {done.epoch - 1}{where}"


def _signed(sign: str, count: int) -> Text:
    styles = {"+": "green", "-": "red", "~": "yellow"}
    return Text(f"{sign}{count:,}" if count else "", style=styles[sign])


def _domains(changes: list[DomainChange]) -> str:
    """Name the domains of an epoch; of many only the first, so that their number is not cut off."""
    if len(changes) > _SHOWN_DOMAINS:
        return f"{changes[0].domain[:_LONGEST_NAME]} and {len(changes) - 1:,} more"
    return ", ".join(change.domain for change in changes)
