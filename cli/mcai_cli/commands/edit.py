"""``mcai edit``: change fields of one example; its id stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mcai.suggest import did_you_mean
from mcai.words import quoted
from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import ExampleId, Json, NoStart, json_object

app = typer.Typer(add_completion=False)

CLEARABLE = ("response", "emotion", "frequency_hz", "created_at", "metadata")

Metadata = Annotated[str | None, typer.Option(metavar="JSON", help="An object, in place of the present one.")]
Clear = Annotated[
    list[str] | None, typer.Option(metavar="FIELD", help=f"Empty one of {', '.join(CLEARABLE)}; may be repeated.")
]


@app.command()
def edit(
    example_id: ExampleId,
    content: Annotated[str | None, typer.Option(help="The prompt.")] = None,
    response: Annotated[str | None, typer.Option(help="The answer.")] = None,
    domain: Annotated[str | None, typer.Option(help="Move it to this domain.")] = None,
    emotion: Annotated[str | None, typer.Option(help="The emotion's name.")] = None,
    frequency_hz: Annotated[float | None, typer.Option(metavar="HZ", help="Not negative.")] = None,
    created_at: Annotated[str | None, typer.Option(metavar="DATE", help="ISO 8601; UTC without a zone.")] = None,
    metadata: Metadata = None,
    clear: Clear = None,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Change fields of one example; its id stays.

    [bold]mcai edit 1234 --response "A better answer"[/bold]
    [bold]mcai edit 1234 --emotion calm --clear frequency_hz[/bold]
    """
    typed = {
        "content": content,
        "response": response,
        "domain": domain,
        "emotion": emotion,
        "frequency_hz": frequency_hz,
        "created_at": created_at,
        "metadata": json_object(metadata, "--metadata"),
    }
    changes: dict[str, Any] = {name: value for name, value in typed.items() if value is not None}
    for name in clear or []:
        _check_clearable(name, changes)
        changes[name] = {} if name == "metadata" else None
    if not changes:
        raise typer.BadParameter("there is nothing to change; name a field, for example --response.")
    example = connect(no_start).edit(example_id, **changes)
    if json:
        output.print_json(example)
    else:
        output.say(f"changed {example.id} ({', '.join(sorted(changes))}), epoch {example.epoch}")


def _check_clearable(name: str, changes: Mapping[str, Any]) -> None:
    if name not in CLEARABLE:
        told = f"{quoted(name)} is not one of {', '.join(CLEARABLE)}. {did_you_mean(name, CLEARABLE)}"
        raise typer.BadParameter(told.rstrip(), param_hint="--clear")
    if name in changes:
        raise typer.BadParameter(f"{name} cannot be set and cleared at once.", param_hint="--clear")
