"""Shows search hits: score, where they are from, the matched words, and the way to the whole text.

The lines are wrapped here and printed all at once: rich would look at every line again for each print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from mcai.records import Hit, SearchResult
from mcai_cli.output import counted, note, one_line
from mcai_cli.show import console, headline
from mcai_cli.show.excerpt import excerpt, marked, words_pattern

CONTENT_LINES = 2
RESPONSE_LINES = 3
_INDENT = "  "


def print_hits(result: SearchResult, query: str, *, full: bool, filtered: bool) -> None:
    """Print the hits of one search.

    Args:
        query: the text that was searched for; its words are marked.
        full: show every text whole.
        filtered: the search had filters; an empty answer then says that they may be the reason.
    """
    out = console()
    if result.hits:
        pattern = words_pattern(query)
        lines = [line for hit in result.hits for line in _hit(out, hit, pattern, full=full)]
        found = f"{counted(len(result.hits), 'hit')}, {result.mode}, {result.took_ms:.1f} ms, epoch {result.epoch}"
        out.print(Text("\n").join([*lines, Text(found, style="dim")]), soft_wrap=True)
    else:
        out.print("Nothing found.\n" + _advice(result, filtered))
    if result.index_epoch < result.epoch:
        note(
            f"note: the search index is at epoch {result.index_epoch} of {result.epoch}: the newest rows may be missing"
        )


def _hit(out: Console, hit: Hit, pattern: re.Pattern[str] | None, *, full: bool) -> Iterator[Text]:
    """Yield the lines of one hit, none wider than the terminal."""
    title = Text.assemble((f"{hit.score:.3f}  ", "bold green"), headline(hit))
    title.truncate(out.width, overflow="ellipsis")
    yield title
    cut = False
    for text, max_lines, style in ((hit.content, CONTENT_LINES, "bold"), (hit.response or "", RESPONSE_LINES, "")):
        width = out.width - len(_INDENT)
        if full:
            lines = list(marked(text, pattern, style).wrap(out, width)) if text else []
        else:
            lines, was_cut = excerpt(text, pattern, console=out, width=width, max_lines=max_lines, style=style)
            cut = cut or was_cut
        for line in lines:
            yield _indented(line)
    if isinstance(hit.explain, dict):
        parts = ", ".join(f"{name} {_figure(value)}" for name, value in hit.explain.items())
        for line in Text(one_line(parts), style="dim").wrap(out, out.width - len(_INDENT)):
            yield _indented(line)
    if cut:
        yield _indented(Text(f"\N{HORIZONTAL ELLIPSIS} whole: mcai get {hit.id}", style="dim"))
    yield Text()


def _indented(line: Text) -> Text:
    line.rstrip()
    return Text.assemble(_INDENT, line)


def _figure(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {_figure(each)}" for name, each in value.items()) + ")"
    return str(value)


def _advice(result: SearchResult, filtered: bool) -> str:
    if filtered:
        return "  The filters may leave nothing: try without them. See what there is: mcai datasets"
    if result.mode == "keyword":
        return "  No example has these words. By meaning: --mode semantic"
    return "  See what there is: mcai datasets. Import a folder: mcai migrate FOLDER"
