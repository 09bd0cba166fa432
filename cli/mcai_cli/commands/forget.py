"""``mcai forget``: remove examples for good, with a receipt."""

from __future__ import annotations

from typing import Annotated

import typer

from mcai.wire import calls
from mcai_cli import exits, output
from mcai_cli.connect import connect
from mcai_cli.options import Domains, DryRun, EmotionName, Frequency, Json, NoStart, Since, Source, Until
from mcai_cli.working import working

app = typer.Typer(add_completion=False)


@app.command()
def forget(
    ids: Annotated[list[int] | None, typer.Option("--id", metavar="ID", help="This example; may be repeated.")] = None,
    dry_run: DryRun = False,
    domain: Domains = None,
    emotion: EmotionName = None,
    frequency: Frequency = None,
    since: Since = None,
    until: Until = None,
    source: Source = None,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Remove examples for good: from data, archive, history and the home's own backups.

    [bold]There is no way back[/bold], neither by a rollback nor by those backups.
    Rejected records in quarantine go too, by --source and --domain. A copy in
    the home that cannot be read is removed as a whole: --dry-run names it.
    [bold]Backups outside of the home are not touched[/bold]: to restore one that is
    older brings the examples back, so forget them again after that.
    The answer is a receipt of every place that was searched, and names files
    where something is left. --source finds deleted and edited examples by what
    they were, too; other filters ask what is so now. See first what would go:

    [bold]mcai forget --source ~/datasets/private --dry-run[/bold]
    [bold]mcai forget --source ~/datasets/private[/bold]
    [bold]mcai forget --id 1234 --id 1235[/bold]
    """
    filters = calls.filters(
        domain=domain, emotion=emotion, frequency=frequency, since=since, until=until, source=source
    )
    _check(ids, bool(filters))
    with working("searching" if dry_run else "forgetting"):
        done = connect(no_start).forget(ids or None, dry_run=dry_run, **filters)
    if json:
        output.print_json(done)
    else:
        from mcai_cli.show.forget import print_receipt

        print_receipt(done)
    if not dry_run and any(place.left for place in done.places):
        raise typer.Exit(exits.FAILED)


def _check(ids: list[int] | None, has_filters: bool) -> None:
    if not ids and not has_filters:
        raise typer.BadParameter("name what to forget: --id, --source or another filter.")
    if ids and has_filters:
        raise typer.BadParameter("give ids or filters, not both.", param_hint="--id")
