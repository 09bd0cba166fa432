"""Shows the answer of a query as a table."""

from __future__ import annotations

import json
import re
from typing import Any

from rich.text import Text

from mcai.records import SqlColumn, SqlResult
from mcai_cli.output import counted, note
from mcai_cli.show import console
from mcai_cli.show.tables import table

SHOWN_ROWS = 500
"""More than that nobody reads; a program takes --json."""

_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\)", re.IGNORECASE)


def print_answer(answer: SqlResult) -> None:
    """Print columns and rows; numbers to the right, NULL told from an empty text."""
    out = console()
    headers = [(column.name, "right" if _is_number(column) else "left") for column in answer.columns]
    made = table(headers, [[_cell(value) for value in row] for row in answer.rows[:SHOWN_ROWS]])
    if len(made.columns) == 1 and headers[0][1] == "left":
        # A plan, or one long text: in full, since nothing stands beside it.
        made.columns[0].no_wrap, made.columns[0].overflow = False, "fold"
    out.print(made)
    out.print(Text(f"{counted(len(answer.rows), 'row')}, {answer.took_ms:.1f} ms", style="dim"))
    hidden = len(answer.rows) - SHOWN_ROWS
    if hidden > 0:
        note(f"note: {counted(hidden, 'row')} more; all of them: --json")
    if answer.truncated:
        note("note: there are more rows than one answer holds: add a LIMIT, or count them")


def _is_number(column: SqlColumn) -> bool:
    return _NUMBER.fullmatch(column.type) is not None


def _cell(value: Any) -> Text | str:
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
