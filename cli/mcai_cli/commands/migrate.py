"""``mcai migrate``: import folders and files of datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcai.formats import ReadOptions
from mcai.paths import find_home
from mcai_cli import exits, output
from mcai_cli.connect import connect
from mcai_cli.importing.advance import Advance
from mcai_cli.importing.engine import Options
from mcai_cli.importing.engine import migrate as import_files
from mcai_cli.importing.progress import watch
from mcai_cli.importing.waiting import index_epoch
from mcai_cli.options import Json, NoStart, key_map

app = typer.Typer(add_completion=False)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would happen; write nothing.")]
Strict = Annotated[bool, typer.Option("--strict", help="Write nothing and exit 1 if any record would be rejected.")]
KeyNames = Annotated[
    str | None,
    typer.Option("--map", metavar="content=K,response=K", help="The keys of a shape that is not recognised."),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until the search index has everything.")]


@app.command()
def migrate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders; - is stdin.")],
    dry_run: DryRun = False,
    strict: Strict = False,
    domain: Annotated[str | None, typer.Option(metavar="D", help="Put everything into this domain.")] = None,
    key_names: KeyNames = None,
    no_wait: NoWait = False,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Import datasets: JSON, JSONL, CSV, TSV, TXT and Parquet, whatever their shape.

    Every record found ends as imported, duplicate or rejected; rejected ones go
    to a quarantine file with their reason. Run it again after an interruption:
    what was imported is met as a duplicate.

    [bold]mcai migrate ./datasets[/bold]
    [bold]mcai migrate ./datasets --dry-run[/bold]
    [bold]mcai migrate faq.csv --domain support --map content=q,response=a[/bold]
    """
    if domain is not None and not domain.strip():
        raise typer.BadParameter("it is blank.", param_hint="--domain")
    content_key, response_key = key_map(key_names)
    read = ReadOptions(domain=domain, content_key=content_key, response_key=response_key)
    client = connect(no_start)
    advance = Advance()
    with watch(advance):
        report = import_files(
            client, [str(path) for path in paths], Options(read, dry_run, strict), home=find_home(), advance=advance
        )
        wait = report.totals.imported > 0 and not dry_run and not no_wait
        report.index_epoch = index_epoch(client, report.epoch, advance, wait=wait)
    if json:
        output.print_json(report)
    else:
        from mcai_cli.show.migration import print_report

        print_report(report)
    if report.unreadable or report.refused or report.quarantine_failure:
        raise typer.Exit(exits.FAILED)
