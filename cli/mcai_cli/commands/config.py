"""``mcai config``: the settings that hold here, and where each came from."""

from __future__ import annotations

import typer

from mcai.errors import DaemonError
from mcai.paths import find_home
from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import Json

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def config(json: Json = False) -> None:
    """Look at the settings."""


@app.command()
def show(json: Json = False) -> None:
    """Show every setting, its value and where that came from.

    The order is MCAI_* over config.toml in the home over the default. The daemon
    reads its settings once, at its start: where a running one has another value,
    that is shown beside.
    """
    from mcai import settings

    home = find_home()
    rows = settings.load(home).describe()
    theirs = _of_the_daemon()
    for row in rows:
        if row["key"] in theirs and theirs[row["key"]] != row["value"]:
            row["daemon"] = theirs[row["key"]]
    if json:
        output.print_json({"settings": rows})
        return
    from mcai_cli.show.settings import print_settings

    print_settings(rows, home)


def _of_the_daemon() -> dict[str, str | int | float]:
    """The settings of a running daemon; none when there is no daemon: this command never starts one."""
    try:
        return connect(no_start=True).status().settings
    except DaemonError:
        return {}
