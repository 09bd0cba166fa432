"""``mcai doctor``: what is wrong with the home, and how to mend it. Works when the daemon cannot start."""

from __future__ import annotations

from typing import Annotated

import typer

from mcai.paths import find_home
from mcai.records import DoctorReport
from mcai_cli import exits, output
from mcai_cli.connect import connect
from mcai_cli.options import Json
from mcai_cli.working import Tell, working

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what can be; a running daemon is stopped and started again.")
    ] = False,
    json: Json = False,
) -> None:
    """Examine everything in the home; exit 1 unless all is well.

    Every check that fails names its cause and its remedy. --fix rebuilds whatever
    can be made again from the data. It never starts a daemon that did not run.

    [bold]mcai doctor[/bold]
    [bold]mcai doctor --fix[/bold]
    """
    with working("examining the home") as tell:
        report = _examine(fix, tell)
    if json:
        output.print_json(report)
    else:
        from mcai_cli.show.doctor import print_report

        print_report(report, fixing=fix)
    if not report.ok:
        raise typer.Exit(exits.FAILED)


def _examine(fix: bool, tell: Tell) -> DoctorReport:
    """Ask the daemon when one runs and may go on; else examine the home in a process of its own."""
    from mcai.client import lifecycle, maintenance

    home = find_home()
    if not fix and lifecycle.running(home):
        return connect(no_start=True).doctor()
    return maintenance.doctor(home, fix=fix, tell=tell)
