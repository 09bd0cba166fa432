"""``mcai sql``: one read-only query over everything."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import Json, NoStart

app = typer.Typer(add_completion=False)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One query in quotes; - reads it from stdin.")],
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Ask in SQL (DuckDB's), read-only.

    The tables are examples, examples_archive, datasets, epochs, emotions and
    feedback; SHOW TABLES and DESCRIBE examples tell more. It runs on a copy, for
    ten seconds at most: nothing that it does can harm the data.

    [bold]mcai sql "SELECT domain, count(*) FROM examples GROUP BY domain"[/bold]
    [bold]mcai sql - < report.sql[/bold]
    """
    text = sys.stdin.buffer.read().decode("utf-8-sig", "replace") if query == "-" else query
    if not text.strip():
        raise typer.BadParameter("it is blank.", param_hint="QUERY")
    answer = connect(no_start).sql(text)
    if json:
        output.print_json(answer)
        return
    from mcai_cli.show.sql import print_answer

    print_answer(answer)
