"""``mcai delete``: delete examples by id."""

from __future__ import annotations

from typing import Annotated

import typer

from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import Json, NoStart

app = typer.Typer(add_completion=False)


@app.command()
def delete(
    ids: Annotated[list[int], typer.Argument(metavar="ID", help="Ids of examples, archived ones too.")],
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Delete examples by id.

    Ids that do not exist are named and are no error.

    [bold]mcai delete 1234 1235[/bold]
    """
    done = connect(no_start).delete(ids)
    if json:
        output.print_json(done)
        return
    output.say(f"deleted {done.deleted:,}, epoch {done.epoch}")
    if done.missing:
        output.say("not there: " + ", ".join(map(str, done.missing)))
