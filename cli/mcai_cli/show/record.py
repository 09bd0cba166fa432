"""Shows one example whole, field by field."""

from __future__ import annotations

import json

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from mcai.records import StoredExample
from mcai_cli.output import clean, one_line
from mcai_cli.show import console, headline


def print_example(example: StoredExample) -> None:
    """Print an example: its fields, then content, response and metadata in full."""
    out = console()
    title = headline(example)
    if example.archived:
        title.append("  archived", style="bold yellow")
    out.print(title)
    facts = Table.grid(padding=(0, 2))
    for name, value in (("created", example.created_at), ("source", example.source)):
        if value is not None:
            facts.add_row(Text(name, style="dim"), Text(one_line(value), overflow="fold"))
    if facts.row_count:
        out.print(facts)
    _print_section("content", example.content)
    _print_section("response", "(none)" if example.response is None else example.response)
    if example.metadata:
        _print_section("metadata", json.dumps(example.metadata, indent=2, ensure_ascii=False))


def _print_section(name: str, text: str) -> None:
    out = console()
    out.print(Rule(Text(name), align="left", style="dim"))
    out.print(Text(clean(text), overflow="fold"))
