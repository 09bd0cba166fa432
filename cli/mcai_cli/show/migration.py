"""Shows what an import did, in a screenful however many files there were."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from mcai.words import shortened
from mcai_cli.importing.report import FileReport, Rejection, Report, Totals
from mcai_cli.output import clean, counted, one_line
from mcai_cli.show import console
from mcai_cli.show.tables import table

SHOWN = 10
"""Files with a remark, and rejections, that are printed."""
_LONGEST_PLACE = 240


def print_report(report: Report) -> None:
    """Print counts by shape, what is wrong, and where the rejected records are."""
    out = console()
    _print_counts(out, report)
    remarks = [f for f in report.files if f.reason is not UNSET]
    _print_some(
        out, "Files with a remark", [shortened(one_line(f"{f.path}: {f.reason}")) for f in remarks], len(remarks)
    )
    count = max(len(report.rejections), 0 if report.refused else report.totals.rejected)
    _print_some(out, "Rejected", [_rejection(each) for each in report.rejections], count)
    if report.skipped:
        out.print(Text(f"Skipped {counted(report.skipped, 'other file')}: no datasets.", style="dim"))
    if report.refused:
        out.print(Text(f"--strict: {report.refused}", style="bold red"))
    elif report.quarantine:
        out.print("The rejected records are in quarantine; mend them there and import the file:")
        # In one piece, however long: it is made to be copied.
        out.print(Text(one_line(report.quarantine)), soft_wrap=True)
    if report.quarantine_failure:
        out.print(Text(f"{one_line(report.quarantine_failure)}; the records are in their files.", style="bold red"))
    _print_end(out, report)


def _print_counts(out: Console, report: Report) -> None:
    rows = [_row(shape, sums) for shape, sums in sorted(_by_shape(report.files).items())]
    if len(rows) != 1:
        rows.append(_row("all", report.totals, style="bold"))
    taken = "would import" if report.dry_run else "imported"
    numbers = [(name, "right") for name in ("files", "found", taken, "duplicate", "rejected")]
    out.print(table(["shape", *numbers], rows))


def _by_shape(files: Iterable[FileReport]) -> dict[str, Totals]:
    shapes: dict[str, Totals] = {}
    for file in files:
        sums = shapes.setdefault(file.shape, Totals())
        sums.files += 1
        sums.found += file.found
        sums.imported += file.imported
        sums.duplicate += file.duplicate
        sums.rejected += file.rejected
    return shapes


def _row(name: str, sums: Totals, style: str = "") -> list[Text]:
    rejected_style = "bold red" if sums.rejected else style
    figures = [sums.files, sums.found, sums.imported, sums.duplicate]
    cells = [Text(name, style=style), *(Text(f"{figure:,}", style=style) for figure in figures)]
    return [*cells, Text(f"{sums.rejected:,}", style=rejected_style)]


def _rejection(each: Rejection) -> str:
    hint = f"\n  take it with: {one_line(each.hint)}" if each.hint else ""
    return f"{one_line(each.source)[:_LONGEST_PLACE]}: {one_line(each.reason)}{hint}"


def _print_some(out: Console, title: str, lines: list[str], count: int) -> None:
    if not lines:
        return
    out.print(Text(f"{title}:", style="bold"))
    for line in lines[:SHOWN]:
        out.print(Padding(Text(clean(line), overflow="fold"), (0, 0, 0, 2), expand=False))
    if count > SHOWN:
        out.print(Text(f"  and {count - SHOWN:,} more (--json names more)", style="dim"))


def _print_end(out: Console, report: Report) -> None:
    if report.dry_run:
        out.print(Text("Nothing was written: this was a dry run.", style="dim"))
    elif report.index_epoch is not None and report.index_epoch < report.epoch:
        out.print(Text(f"epoch {report.epoch}; the search index is at {report.index_epoch}", style="dim"))
    elif report.totals.imported:
        out.print(Text(f"epoch {report.epoch}; try: mcai query WORDS", style="dim"))
