"""``mcai status``: what runs, what it holds and how far the index is."""

from __future__ import annotations

import typer

from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import Json, NoStart

app = typer.Typer(add_completion=False)


@app.command()
def status(json: Json = False, no_start: NoStart = False) -> None:
    """Tell what runs, what it holds and how far the search index is.

    It starts the daemon when it is absent; [bold]mcai daemon status[/bold] never does.
    """
    found = connect(no_start).status()
    if json:
        output.print_json(found)
        return
    from mcai_cli.show.status import print_status

    print_status(found)
