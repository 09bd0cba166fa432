"""``mcai query``: search with a text, or page through examples without one."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mcai.records import Page, SearchResult
from mcai.wire import calls
from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import Domains, EmotionName, Frequency, Full, Json, NoStart, Since, Source, Until

app = typer.Typer(add_completion=False)

Format = Literal["table", "json", "jsonl", "csv"]
HITS = 10
ROWS = 100
_SEARCH = "Search (with TEXT)"
_PAGES = "Pages (without TEXT)"

SearchMode = Annotated[calls.Mode | None, typer.Option(help="Hybrid by default.", rich_help_panel=_SEARCH)]
Explain = Annotated[bool, typer.Option("--explain", help="Show the scores' parts.", rich_help_panel=_SEARCH)]
PageCursor = Annotated[str | None, typer.Option(metavar="C", help="Go on after the last page.", rich_help_panel=_PAGES)]
Limit = Annotated[int | None, typer.Option(metavar="N", help=f"1 to 1,000; {HITS} hits or {ROWS} rows by default.")]


@app.command()
def query(
    text: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="What to look for.")] = None,
    mode: SearchMode = None,
    explain: Explain = False,
    cursor: PageCursor = None,
    limit: Limit = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = "table",
    full: Full = False,
    domain: Domains = None,
    emotion: EmotionName = None,
    frequency: Frequency = None,
    since: Since = None,
    until: Until = None,
    source: Source = None,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Find examples by meaning and words, or page through them.

    [bold]mcai query "how do alpha waves relate to calm"[/bold]
    [bold]mcai query sort a list --mode keyword --domain coding[/bold]
    [bold]mcai query --emotion calm --frequency 8..12 --format csv[/bold]
    """
    chosen = "json" if json and format == "table" else format
    _check(text, mode, explain, cursor, json, chosen)
    filters = calls.filters(
        domain=domain, emotion=emotion, frequency=frequency, since=since, until=until, source=source
    )
    client = connect(no_start)
    if text is None:
        _print_page(client.page(limit=ROWS if limit is None else limit, cursor=cursor, **filters), chosen, full)
        return
    asked = " ".join(text)
    result = client.search(asked, mode or "hybrid", HITS if limit is None else limit, explain=explain, **filters)
    _print_hits(result, chosen, asked, full=full, filtered=bool(filters))


def _check(
    text: list[str] | None, mode: str | None, explain: bool, cursor: str | None, json: bool, chosen: Format
) -> None:
    """Refuse options that would be ignored: whoever typed them expects something of them."""
    if json and chosen == "csv":
        raise typer.BadParameter("--json and --format csv exclude each other.", param_hint="--format")
    if text is None and (mode or explain):
        raise typer.BadParameter("it needs a TEXT to search for.", param_hint="--mode" if mode else "--explain")
    if text is not None and cursor:
        raise typer.BadParameter("a search has no further pages; use --limit.", param_hint="--cursor")


def _print_page(page: Page, chosen: Format, full: bool) -> None:
    if chosen == "json":
        output.print_json(page)
    elif chosen == "table":
        from mcai_cli.show.tables import print_page

        print_page(page, full=full)
    else:
        from mcai_cli.rows import print_rows

        print_rows(page.examples, chosen)
    if chosen != "json":
        output.note_more(page.next_cursor)


def _print_hits(result: SearchResult, chosen: Format, asked: str, *, full: bool, filtered: bool) -> None:
    if chosen == "json":
        output.print_json(result)
    elif chosen == "table":
        from mcai_cli.show.hits import print_hits

        print_hits(result, asked, full=full, filtered=filtered)
    else:
        from mcai_cli.rows import print_rows

        print_rows(result.hits, chosen)
