"""Shows what an examination of the home found: what is well in one line each, what is not with cause and remedy."""

from __future__ import annotations

from rich.padding import Padding
from rich.text import Text

from mcai.records import Check, DoctorReport
from mcai_cli.output import clean, counted, one_line
from mcai_cli.show import console

_STATES = {"ok": "green", "fixed": "bold yellow", "failed": "bold red"}


def print_report(report: DoctorReport, *, fixing: bool) -> None:
    """Print all checks.

    Args:
        fixing: it was told to mend what it can, so what failed needs a person.
    """
    out = console()
    for check in report.checks:
        state = _state(check)
        out.print(Text.assemble((f"{state:<7}", _STATES[state]), one_line(check.name)))
        for says, style in ((check.cause, ""), (check.remedy if state == "failed" else None, "bold")):
            if says:
                out.print(Padding(Text(clean(says), style=style, overflow="fold"), (0, 0, 0, 7), expand=False))
    out.print(_end(report, fixing))


def _state(check: Check) -> str:
    if check.fixed:
        return "fixed"
    return "ok" if check.ok else "failed"


def _end(report: DoctorReport, fixing: bool) -> Text:
    checks = counted(len(report.checks), "check")
    failed = sum(not check.ok for check in report.checks)
    if not failed:
        return Text(f"{checks}, all is well", style="dim")
    remedy = "" if fixing else "; what can be mended: mcai doctor --fix"
    return Text(f"{checks}, {failed} failed{remedy}", style="bold red")
