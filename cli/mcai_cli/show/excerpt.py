"""Cuts long texts to a few lines round the matched words, and marks those words."""

from __future__ import annotations

import re

from rich.console import Console
from rich.text import Text

from mcai_cli.output import clean

MATCH_STYLE = "bold underline"
"""Not a colour: matched words stay visible with ``NO_COLOR``."""

# Words that are in nearly every text; marking them would hide the ones that matter.
_COMMON = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "but", "by", "can", "do", "does", "for", "from", "had", "has"),
        *("have", "how", "i", "if", "in", "into", "is", "it", "its", "me", "my", "not", "of", "on", "or", "our", "so"),
        *("that", "the", "their", "them", "then", "there", "these", "they", "this", "to", "was", "we", "were", "what"),
        *("when", "where", "which", "who", "why", "will", "with", "you", "your"),
    )
)
_LEAD_CHARS = 60
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS} "


def words_pattern(query: str) -> re.Pattern[str] | None:
    """Return what matches the words of a query and words that begin with them, or None when it has none to mark."""
    words = {word for word in re.findall(r"\w+", query.lower()) if word not in _COMMON}
    if not words:
        return None
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    starts = "|".join(re.escape(word) + (r"\w*" if len(word) > 3 else r"\b") for word in longest_first)
    return re.compile(rf"\b(?:{starts})", re.IGNORECASE)


def marked(text: str, pattern: re.Pattern[str] | None, style: str = "") -> Text:
    """Return a cleaned text with its matches marked."""
    shown = Text(clean(text), style=style)
    if pattern is not None:
        shown.highlight_regex(pattern, MATCH_STYLE)
    return shown


def excerpt(
    text: str, pattern: re.Pattern[str] | None, *, console: Console, width: int, max_lines: int, style: str = ""
) -> tuple[list[Text], bool]:
    """Cut a text to a few lines that show a match where there is one.

    Args:
        pattern: what to mark and to look for.
        width: columns for a line.
        max_lines: so many lines at most; blank lines do not count and are left out.

    Returns:
        The lines, and whether anything was cut.
    """
    room = width * max_lines
    text = clean(text).strip()
    match = pattern.search(text) if pattern else None
    start = 0
    if match and match.start() > room - _LEAD_CHARS:
        start = text.rfind(" ", 0, match.start() - _LEAD_CHARS) + 1
    window = text[start : start + 2 * room]  # more than fits, so that a rest is noticed
    shown = marked((_ELLIPSIS if start else "") + window, pattern, style)
    lines = [line for line in shown.wrap(console, width) if line.plain.strip()]
    cut = start > 0 or len(window) < len(text) - start or len(lines) > max_lines
    return lines[:max_lines], cut
