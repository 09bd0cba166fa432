"""Shows the settings with their origins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from mcai.paths import Home
from mcai_cli.output import one_line
from mcai_cli.show import console
from mcai_cli.show.tables import table


def print_settings(rows: Sequence[Mapping[str, Any]], home: Home) -> None:
    """Print one line a setting; what is not at its default stands out."""
    out = console()
    out.print(
        table(
            ["key", "value", "origin"],
            [(row["key"], _value(row), _origin(str(row["origin"]), home)) for row in rows],
        )
    )
    for row in rows:
        if "daemon" in row:
            told = (
                f"{row['key']}: the running daemon has {one_line(str(row['daemon'])) or '(none)'}; mcai daemon restart"
            )
            out.print(Text(told, style="yellow"))
    out.print(Text(f"home {one_line(str(home.dir))}", style="dim"))


def _value(row: Mapping[str, Any]) -> Text:
    shown = one_line(str(row["value"])) or "(none)"
    return Text(shown, style="" if row["origin"] == "default" else "bold")


def _origin(origin: str, home: Home) -> str:
    return home.config_path.name if origin == str(home.config_path) else origin
