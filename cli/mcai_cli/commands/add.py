"""``mcai add``: one example from options, or any number as JSON lines from stdin."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from mcai.records import AddResult
from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import Json, NoStart, json_object

app = typer.Typer(add_completion=False)

_ONE = "One example"
SHOWN_REASONS = 20

Stdin = Annotated[
    Literal["-"] | None, typer.Argument(metavar="-", help="Read JSON lines from stdin, one example a line.")
]
Content = Annotated[str | None, typer.Option(help="The prompt.", rich_help_panel=_ONE)]
Response = Annotated[str | None, typer.Option(help="The answer.", rich_help_panel=_ONE)]
Domain = Annotated[str | None, typer.Option(help="General by default; with - it overrides every line's own.")]
Emotion = Annotated[str | None, typer.Option(help="The emotion's name.", rich_help_panel=_ONE)]
FrequencyHz = Annotated[float | None, typer.Option(metavar="HZ", help="Not negative.", rich_help_panel=_ONE)]
CreatedAt = Annotated[str | None, typer.Option(metavar="DATE", help="ISO 8601.", rich_help_panel=_ONE)]
Source = Annotated[str | None, typer.Option(help="Where it is from.", rich_help_panel=_ONE)]
Metadata = Annotated[str | None, typer.Option(metavar="JSON", help="An object.", rich_help_panel=_ONE)]


@app.command()
def add(
    stdin: Stdin = None,
    content: Content = None,
    response: Response = None,
    domain: Domain = None,
    emotion: Emotion = None,
    frequency_hz: FrequencyHz = None,
    created_at: CreatedAt = None,
    source: Source = None,
    metadata: Metadata = None,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Add one example, or JSON lines from stdin.

    A bad line is rejected with its number, the others are added.

    [bold]mcai add --domain coding --content "What is a set?" --response "Things."[/bold]
    [bold]cat examples.jsonl | mcai add -[/bold]
    """
    given: dict[str, Any] = {"content": content, "response": response, "domain": domain, "emotion": emotion}
    given |= {"frequency_hz": frequency_hz, "created_at": created_at, "source": source}
    given["metadata"] = json_object(metadata, "--metadata")
    example = {name: value for name, value in given.items() if value is not None}
    _check(example, from_stdin=stdin is not None)
    client = connect(no_start)
    if stdin is None:
        done = client.add([example])
    else:
        from mcai_cli.jsonlines import add_lines

        done = add_lines(client, sys.stdin.buffer, domain)
    if json:
        output.print_json(done)
    else:
        _say(done)


def _check(example: Mapping[str, Any], *, from_stdin: bool) -> None:
    """Refuse what could be meant in two ways."""
    beside = sorted(example.keys() - {"domain"})
    if from_stdin and beside:
        option = "--" + beside[0].replace("_", "-")
        raise typer.BadParameter("it cannot be used together with -", param_hint=option)
    if not from_stdin and "content" not in example:
        raise typer.BadParameter("it is missing; or give JSON lines on stdin with -", param_hint="--content")


def _say(done: AddResult) -> None:
    output.say(
        f"imported {done.imported:,}, duplicate {done.duplicate:,}, rejected {done.rejected:,}, epoch {done.epoch}"
    )
    rejected = [item for item in done.results if item.status == "rejected"]
    for item in rejected[:SHOWN_REASONS]:
        output.say(f"  rejected: {item.reason}")
    if len(rejected) > SHOWN_REASONS:
        output.say(f"  and {len(rejected) - SHOWN_REASONS:,} more; all of them: --json")
