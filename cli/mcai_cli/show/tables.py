"""Shows lists as tables that stay readable at 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from mcai.records import Dataset, Datasets, Emotion, Emotions, Example, Page
from mcai_cli.output import clean, counted, one_line
from mcai_cli.show import console, headline, minute

_LONGEST_CELL = 400
"""Characters of a text that a one-line cell may look at: a text can have a million."""


def table(headers: Sequence[str | tuple[str, str]], rows: Iterable[Sequence[Text | str | int | None]]) -> Table:
    """Return a table of one-line cells.

    Args:
        headers: names of the columns; a pair is (name, ``right`` or ``left``).
        rows: user text is cleaned; what does not fit ends in an ellipsis.
    """
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for header in headers:
        name, justify = (header, "left") if isinstance(header, str) else header
        made.add_column(
            one_line(name), justify="right" if justify == "right" else "left", no_wrap=True, overflow="ellipsis"
        )
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    return made


def _cell(value: Text | str | int | None) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, int):
        return Text(f"{value:,}")
    return Text(one_line((value or "")[:_LONGEST_CELL]))


def facts(pairs: Iterable[tuple[str, object]]) -> Table:
    """Return names and values under each other; None is left out."""
    grid = Table.grid(padding=(0, 2))
    for name, value in pairs:
        if value is not None:
            grid.add_row(Text(name, style="dim"), Text(clean(str(value)), overflow="fold"))
    return grid


def print_page(page: Page, *, full: bool, nothing: str = "No examples. See what there is: mcai datasets") -> None:
    """Print a page of examples: a line each, or whole.

    Args:
        full: each example whole.
        nothing: what to say of an empty page.
    """
    out = console()
    if not page.examples:
        out.print(nothing)
    elif full:
        for example in page.examples:
            _print_whole(example)
    else:
        rows = [(Text(str(e.id), style="bold"), e.domain, e.content, e.response) for e in page.examples]
        made = table([("id", "right"), "domain", "content", "response"], rows)
        made.columns[1].max_width = 16
        made.columns[2].ratio, made.columns[3].ratio = 1, 1
        made.expand = True
        out.print(made)
        out.print(Text("one of them whole: mcai get ID   all whole: --full", style="dim"))


def _print_whole(example: Example) -> None:
    out = console()
    out.print(headline(example))
    out.print(Text(clean(example.content), style="bold", overflow="fold"))
    if example.response:
        out.print(Text(clean(example.response), overflow="fold"))
    out.print()


def print_datasets(found: Datasets) -> None:
    """Print all domains."""
    out = console()
    if not found.datasets:
        out.print("Nothing is stored yet. Import a folder: mcai migrate FOLDER")
        return
    rows = [(d.domain, d.examples, d.version, minute(d.updated_at)) for d in found.datasets]
    made = table(["domain", ("examples", "right"), ("version", "right"), "updated"], rows)
    made.columns[0].max_width = 36
    out.print(made)
    out.print(Text(f"{counted(len(found.datasets), 'domain')}, {counted(found.total, 'example')}", style="dim"))


def print_dataset(dataset: Dataset) -> None:
    """Print one domain with its metadata."""
    out = console()
    out.print(Text(one_line(dataset.domain), style="bold cyan"))
    out.print(
        facts(
            [
                ("examples", f"{dataset.examples:,}"),
                ("version", dataset.version),
                ("created", dataset.created_at),
                ("updated", dataset.updated_at),
                *(("metadata", f"{key}: {value}") for key, value in dataset.metadata.items()),
            ]
        )
    )


def print_emotions(found: Emotions) -> None:
    """Print the emotion catalog."""
    rows = [(e.name, _hz(e.neuroscience_freq), _hz(e.metaphysical_freq), e.band) for e in found.emotions]
    out = console()
    out.print(table(["emotion", ("neuroscience", "right"), ("metaphysical", "right"), "band"], rows))
    out.print(Text(f"{len(found.emotions)} emotions; one of them: mcai emotions show NAME", style="dim"))


def print_emotion(emotion: Emotion) -> None:
    """Print one emotion with its sentences."""
    out = console()
    out.print(Text(one_line(emotion.name), style="bold magenta"))
    sentences = [("says" if not number else "", text) for number, text in enumerate(emotion.personality_template)]
    pairs = [("neuroscience", _hz(emotion.neuroscience_freq)), ("metaphysical", _hz(emotion.metaphysical_freq))]
    out.print(facts([*pairs, ("band", emotion.band), *sentences]))


def _hz(frequency: float | None) -> str | None:
    return None if frequency is None else f"{frequency:g} Hz"
