"""``mcai daemon``: start, stop and look at the daemon. Only ``start``, ``restart`` and ``run`` start it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from mcai.paths import Home, find_home
from mcai_cli import exits, output
from mcai_cli.options import Json

app = typer.Typer(add_completion=False, no_args_is_help=True)

STOP_TIMEOUT_S = 30.0
StopTimeout = Annotated[float, typer.Option("--timeout", metavar="S", help="Seconds to wait for its end.")]


@app.callback()
def daemon(json: Json = False) -> None:
    """Start, stop and look at the daemon.

    Every other command starts it when it is absent: these are for looking, and for a fresh start.
    """


@app.command()
def start(json: Json = False) -> None:
    """Start it in the background, if it does not run."""
    from mcai.client import lifecycle

    home = find_home()
    started = lifecycle.start(home)
    _report(home, "started" if started else "already running", json)


@app.command()
def stop(timeout_s: StopTimeout = STOP_TIMEOUT_S, json: Json = False) -> None:
    """Stop it gracefully, if it runs."""
    from mcai.client import lifecycle

    owner = lifecycle.stop(find_home(), timeout_s)
    if json:
        output.print_json({"ok": True, "running": False, "stopped_pid": owner.pid if owner else None})
    else:
        output.say(f"stopped, pid was {owner.pid}" if owner else "not running")


@app.command()
def restart(timeout_s: StopTimeout = STOP_TIMEOUT_S, json: Json = False) -> None:
    """Stop it if it runs, then start it."""
    from mcai.client import lifecycle

    home = find_home()
    owner = lifecycle.stop(home, timeout_s)
    lifecycle.start(home)
    _report(home, "restarted" if owner else "started", json)


@app.command()
def status(json: Json = False) -> None:
    """Tell whether it runs; exit 3 when it does not."""
    from mcai.client import lifecycle

    home = find_home()
    if lifecycle.running(home):
        _report(home, "running", json)
        return
    if json:
        output.print_json({"ok": False, "running": False, "pid": None, **_places(home)})
    else:
        output.say(f"not running, home {home.dir}")
    raise typer.Exit(exits.UNREACHABLE)


@app.command()
def run(json: Json = False) -> None:
    """Run it in the foreground until Ctrl-C; its log goes to stderr."""
    command = [sys.executable, "-P", "-m", "mcai_daemon", "--home", str(find_home().dir)]
    sys.stdout.flush()
    os.execv(command[0], command)


@app.command()
def logs(
    lines: Annotated[int, typer.Option("-n", "--lines", metavar="N", help="So many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written, until Ctrl-C.")] = False,
    json: Json = False,
) -> None:
    """Show the end of its log. With --json: one document; JSON lines with -f."""
    from mcai_cli import logfile

    path = find_home().log_path
    last = logfile.tail(path, lines)
    if json and not follow:
        output.print_json({"ok": True, "path": output.unicode_path(path), "lines": last.lines})
        return
    logfile.show(last.lines, json)
    if follow:
        logfile.follow(path, last.end_byte, json)


def _places(home: Home) -> dict[str, str]:
    places = {"home": home.dir, "socket": home.socket_path, "log": home.log_path}
    return {name: output.unicode_path(path) for name, path in places.items()}


def _report(home: Home, word: str, json: bool) -> None:
    """Print what the running daemon says of itself."""
    from msgspec import structs

    from mcai_cli.connect import connect

    info = connect(no_start=True).status().daemon
    if json:
        output.print_json({"ok": True, "running": True, "done": word, **_places(home), **structs.asdict(info)})
        return
    state = "ready" if info.ready else "still loading"
    output.say(f"{word}, pid {info.pid}, version {info.version}, {state}")
    output.say(f"socket {info.socket}")
