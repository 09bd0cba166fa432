"""``mcai export``: examples as JSON lines or Parquet, to stdout or whole into a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from mcai.records import ExportResult
from mcai.wire import calls
from mcai_cli import output
from mcai_cli.connect import connect
from mcai_cli.options import Domains, EmotionName, Frequency, Json, NoStart, Since, Source, Until

app = typer.Typer(add_completion=False)

Format = Literal["jsonl", "parquet"]
OutputFile = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write here instead of stdout; replaced when it exists."),
]


@app.command()
def export(
    file: OutputFile = None,
    format: Annotated[Format, typer.Option(help="The file's kind.")] = "jsonl",
    domain: Domains = None,
    emotion: EmotionName = None,
    frequency: Frequency = None,
    since: Since = None,
    until: Until = None,
    source: Source = None,
    json: Json = False,
    no_start: NoStart = False,
) -> None:
    """Write examples to a file or to stdout.

    A file appears whole or not at all, and takes the place of an older one only
    when it is complete. Importing it again gives back every field but the id.

    [bold]mcai export -o all.jsonl[/bold]
    [bold]mcai export --domain coding --format parquet -o coding.parquet[/bold]
    """
    from mcai_cli.saving import save

    to_stdout = file is None or str(file) == "-"
    if to_stdout and format == "parquet" and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is no text for a terminal; use -o FILE.", param_hint="--format")
    filters = calls.filters(
        domain=domain, emotion=emotion, frequency=frequency, since=since, until=until, source=source
    )
    with connect(no_start).export(format=format, **filters) as stream:
        if file is None or to_stdout:
            for chunk in stream:
                output.write_bytes(chunk)
            return
        target = save(stream, file)
    path = output.unicode_path(target)
    _report(ExportResult(path, format, stream.rows, stream.bytes, stream.sha256, stream.epoch), json)


def _report(done: ExportResult, json: bool) -> None:
    if json:
        output.print_json(done)
        return
    output.say(f"{done.rows:,} rows, {done.bytes:,} bytes, epoch {done.epoch}: {done.path}")
    output.say(f"sha256 {done.sha256}")
