"""Finds where to go on reading after broken JSON: at the next thing that begins like what stood there before."""

from __future__ import annotations

import re

from mcai.formats.readers.json_scan import BLANK, STRING
from mcai.formats.readers.window import Window

_FIRST_KEY = re.compile(BLANK + rb"\{" + BLANK + rb"(" + STRING + rb")" + BLANK + rb":")
_ANY_KEY = rb'"[^"\\\n]{1,200}"'
# Bounded, so that a long stretch of blanks is not gone through again from each of its bytes.
_GAP = rb"[ \t\r\n]{0,256}+"
_MEMBER = re.compile(rb"[,{\n]" + _GAP + rb"(" + _ANY_KEY + _GAP + rb":)")
_LINE_START = re.compile(rb"\n([{\[])")
_OVERLAP_BYTES = 1 << 12


def next_item(window: Window, start: int, like: bytes, until: int | None = None) -> int | None:
    """Find the next object that begins with the same key as the broken one, or as one before it.

    Args:
        window: the broken item begins in view.
        start: where the broken item begins.
        like: the bytes of an item before it, possibly none.
        until: look no further than this offset; None looks to the end of the file.

    Returns:
        The offset of its ``{``, or None.
    """
    own = window.data[start - window.base : start - window.base + _OVERLAP_BYTES]
    keys = {found[1] for found in map(_FIRST_KEY.match, (own, like)) if found is not None}
    key = b"(?:" + b"|".join(re.escape(each) for each in sorted(keys)) + b")" if keys else _ANY_KEY
    pattern = re.compile(rb"[,\[\n]" + _GAP + rb"(\{" + _GAP + key + _GAP + rb":)")
    return _search(window, pattern, start + 1, until)


def next_member(window: Window, start: int, until: int | None = None) -> int | None:
    """Find the next ``"key":`` of a broken object."""
    return _search(window, _MEMBER, start, until)


def next_line(window: Window, start: int, torn_at: int) -> int:
    """Find the next line that may begin a value, in a file that holds a value a line.

    Args:
        window: both places are in view.
        start: where the broken value begins.
        torn_at: where it breaks. On a later line than it began it is a value of several lines, and the next one begins
            where a line begins with a bracket.
    """
    first, last = start - window.base, torn_at - window.base
    if window.data[last : last + 1] in (b"{", b"[") and window.data[last - 1 : last] == b"\n":
        return torn_at
    if window.data.find(b"\n", first, last) >= 0:
        found = _search(window, _LINE_START, torn_at, None)
        return window.end if found is None else found
    return window.find_line_end(torn_at)


def _search(window: Window, pattern: re.Pattern[bytes], start: int, until: int | None) -> int | None:
    pos = start
    while True:
        end = len(window.data) if until is None else min(until - window.base, len(window.data))
        found = pattern.search(window.data, pos - window.base, end)
        if found is not None:
            return window.base + found.start(1)
        if until is not None and window.end >= until:
            return None
        pos = max(pos, window.end - _OVERLAP_BYTES)
        if not window.more(pos):
            return None
