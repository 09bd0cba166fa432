"""``mcai datasets``: the domains and what is in them."""

from __future__ import annotations

from typing import Annotated

import typer

from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import Json, NoStart

app = typer.Typer(add_completion=False, invoke_without_command=True)


@app.callback()
def datasets(ctx: typer.Context, json: Json = False, no_start: NoStart = False) -> None:
    """List the domains with their counts, or show one.

    [bold]mcai datasets[/bold]
    [bold]mcai datasets show neuroscience[/bold]
    """
    if ctx.invoked_subcommand is None:
        ls(json, no_start)


@app.command()
def ls(json: Json = False, no_start: NoStart = False) -> None:
    """List all domains with their counts."""
    found = connect(no_start).datasets()
    if json:
        output.print_json(found)
        return
    from mcai_cli.show.tables import print_datasets

    print_datasets(found)


@app.command()
def show(
    domain: Annotated[str, typer.Argument(metavar="D", help="The domain's exact name.")],
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Show one domain with its metadata."""
    found = connect(no_start).dataset(domain)
    if json:
        output.print_json(found)
        return
    from mcai_cli.show.tables import print_dataset

    print_dataset(found)
