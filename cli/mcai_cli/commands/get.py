"""``mcai get``: one example, whole."""

from __future__ import annotations

import typer

from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import ExampleId, Json, NoStart

app = typer.Typer(add_completion=False)


@app.command()
def get(example_id: ExampleId, json: Json = False, no_start: NoStart = False) -> None:
    """Show one example whole, archived or not.

    Example: [bold]mcai get 1234[/bold]
    """
    example = connect(no_start).get(example_id)
    if json:
        output.print_json(example)
        return
    from mcai_cli.show.record import print_example

    print_example(example)
