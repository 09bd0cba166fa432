"""The tree of commands, and the boundary that turns every failure into a message and an exit code.

A command's module is imported when that command is named: ``mcai query`` never pays for ``mcai migrate``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from mcai.errors import McaiError
from mcai.suggest import did_you_mean
from mcai.words import quoted
from mcai_cli import exits, output
from mcai_cli.options import Json, NoStart
from mcai_cli.parsing import use_plain_values

if TYPE_CHECKING:
    from typer._click import Command

PANELS = {
    "Data in and out": ("migrate", "add", "edit", "delete", "export"),
    "Find and read": ("query", "get", "datasets", "emotions", "sql"),
    "Look after the data": ("backup", "restore", "rotate", "archive", "forget", "doctor"),
    "Run": ("status", "daemon", "config"),
}
"""The commands in the order of ``mcai --help``; each is the module of that name in `mcai_cli.commands`."""

COMMANDS = {name: panel for panel, names in PANELS.items() for name in names}


class LazyGroup(TyperGroup):
    """The root group: it knows the names, and imports a command when it is asked for."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer names its own base
        """Return all names without importing anything."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Command | None:  # type: ignore[override]
        """Import one command."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.commands[cmd_name] = _load(cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Find the command of the first word; an unknown one is answered with the nearest name."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"There is no command {quoted(args[0])}. {did_you_mean(args[0], COMMANDS)}".rstrip())
        return super().resolve_command(ctx, args)


def _load(name: str) -> Command:
    command = get_command(import_module(f"mcai_cli.commands.{name}").app)
    command.name = name
    command.rich_help_panel = COMMANDS[name]  # type: ignore[attr-defined]
    use_plain_values(command)
    return command


def _show_version(wanted: bool) -> None:
    if wanted:
        from mcai import __version__

        output.say(f"mcai {__version__}")
        raise typer.Exit


root = typer.Typer(cls=LazyGroup, no_args_is_help=True, rich_markup_mode="rich")


@root.callback()
def _root(
    json: Json = False,
    no_start: NoStart = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Serve an application's prompt/response datasets from one place, and query them.

    [bold]mcai migrate FOLDER[/bold]                  import a folder of datasets
    [bold]mcai query "how do alpha waves calm"[/bold] find examples by meaning and words
    [bold]mcai datasets[/bold]                        see what is there

    The daemon that serves them starts by itself. Everything lies in MCAI_HOME.
    """


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; no exception leaves it, no traceback is printed."""
    as_json = "--json" in (args[: args.index("--")] if "--" in args else args)
    try:
        command = get_command(root)
        use_plain_values(command)
        outcome = command.main(args=args, prog_name="mcai", standalone_mode=False)
        sys.stdout.flush()
        if outcome == exits.INTERRUPTED:
            output.print_error("interrupted", "interrupted", "", as_json=as_json)
        return outcome if isinstance(outcome, int) else exits.OK
    except McaiError as error:
        output.print_error(error.code, error.message, error.hint, as_json=as_json)
        return exits.exit_code(error)
    except typer.TyperException as error:
        return _usage_error(error, as_json)
    except BrokenPipeError:
        _drop_stdout()
        return exits.FAILED
    except OSError as error:
        output.print_error("io", _os_message(error), "", as_json=as_json)
        return exits.FAILED
    except Exception as error:  # the top-level boundary: a bug becomes one line, not a traceback
        message = f"internal error: {type(error).__name__}: {error} ({_place(error)})"
        output.print_error("internal", message, "This is a bug in mcai: please report that line.", as_json=as_json)
        return exits.FAILED


def _usage_error(error: typer.TyperException, as_json: bool) -> int:
    message = error.format_message()
    if not message:  # no arguments at all: the help has been printed
        return error.exit_code
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "mcai"
    output.print_error("usage", message, f"See: {path} --help", as_json=as_json)
    return error.exit_code


def _os_message(error: OSError) -> str:
    place = os.fsdecode(error.filename) + ": " if isinstance(error.filename, str | bytes) else ""
    return f"{place}{error.strerror or error}"


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"


def _drop_stdout() -> None:
    """Let the interpreter's last flush go nowhere: the reader of the pipe has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_missing_streams() -> None:
    """Give a process that was started with closed standard streams empty ones."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - for the process's whole life
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def main() -> None:
    """Entry point of ``mcai``."""
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may not be UTF-8
    code = run(sys.argv[1:])
    if code == exits.INTERRUPTED:
        sys.stdout.flush()
        os._exit(code)  # whoever pressed Ctrl-C does not wait for a request that is under way
    sys.exit(code)
