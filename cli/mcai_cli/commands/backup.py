"""``mcai backup``: a checked copy of the home, made while the daemon serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import Json, NoStart
from mcai_cli.working import working

app = typer.Typer(add_completion=False)


@app.command()
def backup(
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The folder to make.")],
    everything: Annotated[bool, typer.Option("--all", help="Jobs, artifacts and cache too.")] = False,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Write a backup while everything goes on.

    It holds the examples, the archive and their history, with a checksum for
    every file. [bold]mcai restore[/bold] takes it back.

    [bold]mcai backup /mnt/usb/mcai-monday[/bold]
    """
    with working("backing up"):
        done = connect(no_start).backup(dest, everything=everything)
    if json:
        output.print_json(done)
        return
    from mcai_cli.show.status import size

    files = output.counted(done.files, "file")
    output.say(f"backed up {output.counted(done.rows, 'example')}, epoch {done.epoch}: {files}, {size(done.bytes)}")
    output.say(f"  {done.path}")
