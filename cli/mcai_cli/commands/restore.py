"""``mcai restore``: the home as a backup has it. Works when the daemon cannot start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcai import times
from mcai.errors import PathNotFoundError
from mcai.paths import find_home
from mcai_cli import output
from mcai_cli.options import Json, check_not_negative
from mcai_cli.working import working

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The folder that mcai backup wrote.")],
    to_epoch: Annotated[
        int | None, typer.Option("--to-epoch", metavar="N", help="As it was right after this epoch.")
    ] = None,
    to_time: Annotated[
        str | None, typer.Option("--to-time", metavar="T", help="As it was then (ISO 8601, UTC without a zone).")
    ] = None,
    json: Json = False,
) -> None:
    """Replace what the home holds by what a backup holds.

    The backup is checked before anything happens. A running daemon is stopped,
    and started again. What was in the home is put aside, not deleted: the answer
    names where it lies.

    [bold]mcai restore /mnt/usb/mcai-monday[/bold]
    [bold]mcai restore /mnt/usb/mcai-monday --to-time 2026-11-23T10:00[/bold]
    """
    check_not_negative(to_epoch, "--to-epoch")
    if to_epoch is not None and to_time is not None:
        raise typer.BadParameter("it cannot be used together with --to-epoch.", param_hint="--to-time")
    moment = times.parse(to_time) if to_time is not None else None
    if to_time is not None and moment is None:
        raise typer.BadParameter(f"'{to_time}' is no ISO 8601 date.", param_hint="--to-time")
    if not source.exists():
        raise PathNotFoundError(f"there is no backup at {source}")
    from mcai.client import maintenance

    with working("restoring") as tell:
        done = maintenance.restore(
            find_home(), source, to_epoch=to_epoch, to_time=times.show(moment) if moment else None, tell=tell
        )
    if json:
        output.print_json(done)
        return
    output.say(f"restored {output.counted(done.rows, 'example')}, epoch {done.epoch}, into {done.home}")
    if done.replaced:
        output.say(f"what was there before lies in {done.replaced}")
