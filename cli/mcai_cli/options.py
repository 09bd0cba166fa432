"""The options that commands share, each declared once."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from mcai.errors import NO_JSON
from mcai.words import quoted

_SHARED = "Common options"
_FILTERS = "Filters"


def _before_or_after(ctx: typer.Context, param: typer.CallbackParam, value: bool) -> bool:
    """Let a flag hold wherever it stands: ``mcai --json datasets ls`` means ``mcai datasets ls --json``."""
    key = f"mcai.{param.name}"
    ctx.meta[key] = value or bool(ctx.meta.get(key))
    return bool(ctx.meta[key])


def _absolute(value: str | None) -> str | None:
    """Let ``--source data/x`` mean that file or folder here: stored sources are absolute."""
    return os.path.realpath(value) if value and os.path.exists(value) else value  # noqa: PTH110 - any text may come


Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document on stdout, nothing else.",
        callback=_before_or_after,
        rich_help_panel=_SHARED,
    ),
]
NoStart = Annotated[
    bool,
    typer.Option(
        "--no-start",
        help="Do not start the daemon when it is absent: exit 3.",
        callback=_before_or_after,
        rich_help_panel=_SHARED,
    ),
]

Domains = Annotated[
    list[str] | None,
    typer.Option("--domain", metavar="D", help="Only this domain, exactly; may be repeated.", rich_help_panel=_FILTERS),
]
EmotionName = Annotated[
    str | None, typer.Option("--emotion", metavar="E", help="Only this emotion.", rich_help_panel=_FILTERS)
]
Frequency = Annotated[
    str | None,
    typer.Option(
        "--frequency", metavar="LO..HI", help="In Hz, inclusive; an end may be empty: 8..", rich_help_panel=_FILTERS
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="DATE", help="Dated then or later (ISO 8601, UTC).", rich_help_panel=_FILTERS),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="DATE", help="Dated before then.", rich_help_panel=_FILTERS)
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="PREFIX",
        help="From this file or folder, by whole path components.",
        callback=_absolute,
        rich_help_panel=_FILTERS,
    ),
]
PageLimit = Annotated[int, typer.Option("--limit", metavar="N", help="1 to 1,000.")]
Cursor = Annotated[str | None, typer.Option("--cursor", metavar="C", help="Go on after the last page.")]
Full = Annotated[bool, typer.Option("--full", help="Do not cut long texts.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would happen; change nothing.")]
ExampleId = Annotated[int, typer.Argument(metavar="ID", help="The example's id.", show_default=False)]


def check_not_negative(value: int | None, option: str) -> None:
    """Refuse a number below zero.

    Raises:
        typer.BadParameter: it is one.
    """
    if value is not None and value < 0:
        raise typer.BadParameter(f"{quoted(value)} is negative.", param_hint=option)


def json_object(text: str | None, option: str) -> dict[str, Any] | None:
    """Read an option that takes a JSON object.

    Raises:
        typer.BadParameter: the text is no JSON object.
    """
    if text is None:
        return None
    import msgspec

    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except NO_JSON as error:
        raise typer.BadParameter(
            f'it takes a JSON object like {{"topic": "waves"}}: {error}', param_hint=option
        ) from None


def key_map(text: str | None) -> tuple[str | None, str | None]:
    """Read ``content=K,response=K``: the keys of content and response, None where one is not named.

    Raises:
        typer.BadParameter: it has another form.
    """
    chosen: dict[str, str] = {}
    for part in text.split(",") if text is not None else ():
        role, _, key = (word.strip() for word in part.partition("="))
        if role not in ("content", "response") or not key or role in chosen:
            raise typer.BadParameter(f"{quoted(part)}: it takes the form content=KEY,response=KEY", param_hint="--map")
        chosen[role] = key
    return chosen.get("content"), chosen.get("response")
