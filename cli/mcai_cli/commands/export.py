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


@app.command()
def export(
    file: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write here instead of stdout; replaced when it exists."),
    ] = None,
    format: Annotated[Literal["jsonl", "parquet"], typer.Option(help="The file's kind.")] = "jsonl",
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
    result = ExportResult(
        path=output.unicode_path(target),
        format=format,
        rows=stream.rows,
        bytes=stream.bytes,
        sha256=stream.sha256,
        epoch=stream.epoch,
    )
    if json:
        output.print_json(result)
    else:
        output.say(f"{result.rows:,} rows, {result.bytes:,} bytes, epoch {result.epoch}: {result.path}")
        output.say(f"sha256 {result.sha256}")
