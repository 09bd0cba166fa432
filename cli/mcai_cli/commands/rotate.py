"""``mcai rotate``: move the oldest examples to the archive. Made for cron: quiet when there is nothing to do."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mcai.words import quoted
from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import DryRun, Json, NoStart

app = typer.Typer(add_completion=False)


@app.command()
def rotate(
    max_rows: Annotated[
        int | None, typer.Option("--max", metavar="N", help="Keep N (1 or more) of each domain, policy or not.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Move the oldest examples of each domain to the archive.

    No query finds what was moved; [bold]mcai archive restore[/bold] brings it back.
    Without --max the policy of the settings (rotation.*) holds; it is off until
    it is switched on. Made for cron: silent when there is nothing to do.

    [bold]mcai rotate --max 1000 --dry-run[/bold]
    [bold]mcai rotate --max 1000[/bold]
    """
    if max_rows is not None and max_rows < 1:
        # In the settings 0 means any number; taken as a number to keep, it would archive everything.
        told = f"{quoted(max_rows)} is below 1: so many stay. To delete a domain: mcai datasets delete D"
        raise typer.BadParameter(told, param_hint="--max")
    done = connect(no_start).rotate(max_rows, dry_run=dry_run)
    if json:
        output.print_json(done)
    elif done.moved:
        from mcai_cli.show.archive import print_rotation

        print_rotation(done)
    elif sys.stderr.isatty():
        policy = "" if max_rows is not None else " The policy: mcai config show (rotation.*); or give --max N."
        output.note(f"Nothing to rotate.{policy}")
