"""``mcai emotions``: the emotion-frequency catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.groups import ListsByDefault
from mcai_cli.options import Json, NoStart

app = typer.Typer(add_completion=False, cls=ListsByDefault)


@app.callback()
def emotions(json: Json = False, no_start: NoStart = False) -> None:
    """List the emotions with their frequencies, or show one.

    [bold]mcai emotions[/bold]
    [bold]mcai emotions show calm[/bold]
    """


@app.command()
def ls(json: Json = False, no_start: NoStart = False) -> None:
    """List all emotions with their frequencies."""
    found = connect(no_start).emotions()
    if json:
        output.print_json(found)
        return
    from mcai_cli.show.tables import print_emotions

    print_emotions(found)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The emotion's name.")],
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Show one emotion with its frequencies and its sentences."""
    found = connect(no_start).emotion(name)
    if json:
        output.print_json(found)
        return
    from mcai_cli.show.tables import print_emotion

    print_emotion(found)
