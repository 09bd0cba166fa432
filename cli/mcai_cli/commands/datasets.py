"""``mcai datasets``: the domains, what is in them, and how they came to be as they are."""

from __future__ import annotations

from typing import Annotated

import typer

from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.groups import ListsByDefault
from mcai_cli.options import Cursor, DryRun, Json, NoStart, PageLimit

app = typer.Typer(add_completion=False, cls=ListsByDefault)

Domain = Annotated[str, typer.Argument(metavar="D", help="The domain's exact name.")]
OneDomain = Annotated[str | None, typer.Argument(metavar="D", help="This domain alone.")]


@app.callback()
def datasets(json: Json = False, no_start: NoStart = False) -> None:
    """List the domains with their counts, show one, look at its history or go back in it.

    [bold]mcai datasets[/bold]
    [bold]mcai datasets show neuroscience[/bold]
    [bold]mcai datasets log[/bold]
    """


@app.command()
def ls(json: Json = False, no_start: NoStart = False) -> None:
    """List all domains with their counts."""
    found = connect(no_start).datasets()
    if json:
        output.print_json(found)
        return
    from mcai_cli.show.tables import print_datasets

    print_datasets(found)


@app.command()
def show(domain: Domain, json: Json = False, no_start: NoStart = False) -> None:
    """Show one domain with its metadata."""
    found = connect(no_start).dataset(domain)
    if json:
        output.print_json(found)
        return
    from mcai_cli.show.tables import print_dataset

    print_dataset(found)


@app.command()
def log(
    domain: OneDomain = None,
    limit: PageLimit = 100,
    cursor: Cursor = None,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Show what each epoch did, newest first. Every change is one epoch.

    [bold]mcai datasets log[/bold]
    [bold]mcai datasets log neuroscience --limit 10[/bold]
    """
    found = connect(no_start).log(domain, limit=limit, cursor=cursor)
    if json:
        output.print_json(found)
        return
    from mcai_cli.show.history import print_log

    print_log(found)
    output.note_more(found.next_cursor)


@app.command()
def diff(
    from_epoch: Annotated[int, typer.Argument(metavar="FROM", help="An epoch; 0 is the empty beginning.")],
    to_epoch: Annotated[int, typer.Argument(metavar="TO", help="Another one.")],
    domain: OneDomain = None,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Show how the examples of two epochs differ.

    [bold]mcai datasets diff 3 7[/bold]
    """
    found = connect(no_start).diff(from_epoch, to_epoch, domain)
    if json:
        output.print_json(found)
        return
    from mcai_cli.show.history import print_diff

    print_diff(found)


@app.command()
def rollback(
    epoch: Annotated[int, typer.Argument(metavar="EPOCH", help="See mcai datasets log; 0 is the empty beginning.")],
    domain: OneDomain = None,
    dry_run: DryRun = False,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Make examples and archive as they were right after an epoch.

    That is a new epoch, so it can be undone in the same way. What was forgotten
    stays gone.

    [bold]mcai datasets rollback 3 --dry-run[/bold]
    [bold]mcai datasets rollback 3 neuroscience[/bold]
    """
    done = connect(no_start).rollback(epoch, domain, dry_run=dry_run)
    if json:
        output.print_json(done)
        return
    from mcai_cli.show.history import say_rollback

    say_rollback(done, epoch, domain)


@app.command()
def delete(domain: Domain, dry_run: DryRun = False, json: Json = False, no_start: NoStart = False) -> None:
    """Delete a domain: all of its examples, the archived ones too.

    A rollback brings them back.

    [bold]mcai datasets delete drafts --dry-run[/bold]
    [bold]mcai datasets delete drafts[/bold]
    """
    done = connect(no_start).drop_dataset(domain, dry_run=dry_run)
    if json:
        output.print_json(done)
        return
    from mcai_cli.show.history import say_deletion

    say_deletion(done, domain)
