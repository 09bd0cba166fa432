"""Shows search hits: score, where they are from, the matched words, and the way to the whole text."""

from __future__ import annotations

import re

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from mcai.records import Example, Hit, SearchResult
from mcai_cli.output import note, one_line
from mcai_cli.show import console
from mcai_cli.show.excerpt import excerpt, marked, words_pattern

CONTENT_LINES = 2
RESPONSE_LINES = 3
_INDENT = 2


def print_hits(result: SearchResult, query: str, *, full: bool, filtered: bool) -> None:
    """Print the hits of one search.

    Args:
        query: the text that was searched for; its words are marked.
        full: show every text whole.
        filtered: the search had filters; an empty answer then says that they may be the reason.
    """
    out = console()
    if not result.hits:
        _print_nothing(out, result, filtered)
    for hit in result.hits:
        _print_hit(out, hit, words_pattern(query), full=full)
    if result.hits:
        count = f"{len(result.hits)} hit{'s' * (len(result.hits) != 1)}"
        out.print(Text(f"{count}, {result.mode}, {result.took_ms:.1f} ms, epoch {result.epoch}", style="dim"))
    if result.index_epoch < result.epoch:
        note(
            f"note: the search index is at epoch {result.index_epoch} of {result.epoch}: the newest rows may be missing"
        )


def headline(example: Example) -> Text:
    """Return ``domain  id 7  calm  10 Hz``: what an example is, in one line."""
    line = Text(one_line(example.domain), style="cyan", no_wrap=True, overflow="ellipsis")
    line.append(f"  id {example.id}", style="bold")
    if example.emotion:
        line.append(f"  {one_line(example.emotion)}", style="magenta")
    if example.frequency_hz is not None:
        line.append(f"  {example.frequency_hz:g} Hz", style="magenta")
    return line


def _print_hit(out: Console, hit: Hit, pattern: re.Pattern[str] | None, *, full: bool) -> None:
    out.print(Text(f"{hit.score:.3f}  ", style="bold green", no_wrap=True, overflow="ellipsis") + headline(hit))
    cut = _print_text(out, hit.content, pattern, CONTENT_LINES, "bold", full=full)
    cut |= _print_text(out, hit.response or "", pattern, RESPONSE_LINES, "", full=full)
    if isinstance(hit.explain, dict):
        parts = "  ".join(f"{name} {_figure(value)}" for name, value in hit.explain.items())
        out.print(Padding(Text(one_line(parts), style="dim"), (0, 0, 0, _INDENT)))
    if cut:
        out.print(Padding(Text(f"\N{HORIZONTAL ELLIPSIS} whole: mcai get {hit.id}", style="dim"), (0, 0, 0, _INDENT)))
    out.print()


def _print_text(
    out: Console, text: str, pattern: re.Pattern[str] | None, max_lines: int, style: str, *, full: bool
) -> bool:
    """Print a text, indented; return whether it was cut."""
    if full:
        if text:
            out.print(Padding(marked(text, pattern, style), (0, 0, 0, _INDENT)))
        return False
    lines, cut = excerpt(text, pattern, console=out, width=out.width - _INDENT, max_lines=max_lines, style=style)
    for line in lines:
        out.print(Padding(line, (0, 0, 0, _INDENT)))
    return cut


def _figure(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, dict):
        return "(" + " ".join(f"{name} {_figure(each)}" for name, each in value.items()) + ")"
    return str(value)


def _print_nothing(out: Console, result: SearchResult, filtered: bool) -> None:
    out.print("Nothing found.")
    if filtered:
        out.print("  The filters may leave nothing: try without them. See what there is: mcai datasets")
    elif result.mode == "keyword":
        out.print("  No example has these words. By meaning: --mode semantic")
    else:
        out.print("  See what there is: mcai datasets. Import a folder: mcai migrate FOLDER")
