"""``mcai archive``: what rotation put aside, and the way back."""

from __future__ import annotations

from typing import Annotated

import typer

from mcai.wire import calls
from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.groups import ListsByDefault
from mcai_cli.options import (
    Cursor,
    Domains,
    EmotionName,
    Frequency,
    Full,
    Json,
    NoStart,
    PageLimit,
    Since,
    Source,
    Until,
)

app = typer.Typer(add_completion=False, cls=ListsByDefault)


@app.callback()
def archive(json: Json = False, no_start: NoStart = False) -> None:
    """Look at archived examples, or bring them back.

    [bold]mcai archive --domain neuroscience[/bold]
    [bold]mcai archive restore 1234 1235[/bold]
    [bold]mcai archive restore --domain neuroscience[/bold]
    """


@app.command()
def ls(
    limit: PageLimit = 100,
    cursor: Cursor = None,
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
    """Page through the archived examples, in id order."""
    filters = calls.filters(
        domain=domain, emotion=emotion, frequency=frequency, since=since, until=until, source=source
    )
    page = connect(no_start).archived(limit=limit, cursor=cursor, **filters)
    if json:
        output.print_json(page)
        return
    from mcai_cli.show.tables import print_page

    print_page(page, full=full, nothing="Nothing of that kind is archived." if filters else "The archive is empty.")
    output.note_more(page.next_cursor)


@app.command()
def restore(
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID", help="Ids of archived examples.")] = None,
    domain: Domains = None,
    emotion: EmotionName = None,
    frequency: Frequency = None,
    since: Since = None,
    until: Until = None,
    source: Source = None,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Bring examples back from the archive, with their ids.

    Without ids and filters it brings back everything.

    [bold]mcai archive restore 1234 1235[/bold]
    [bold]mcai archive restore --domain neuroscience --since 2025-01-01[/bold]
    """
    filters = calls.filters(
        domain=domain, emotion=emotion, frequency=frequency, since=since, until=until, source=source
    )
    if ids and filters:
        raise typer.BadParameter("give ids or filters, not both.", param_hint="ID")
    done = connect(no_start).restore_archived(ids or None, **filters)
    if json:
        output.print_json(done)
    elif done.restored:
        output.say(f"restored {output.counted(done.restored, 'example')} from the archive, epoch {done.epoch}")
    else:
        output.say("Nothing to restore: the archive has no such examples.")
