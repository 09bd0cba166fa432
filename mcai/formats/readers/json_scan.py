"""Finds where JSON values end, in bytes, without building them and without recursion, however long and deep they are.

Only strings and brackets are looked at; whether what lies between is JSON is for `json_values` to say. A string never
spans lines in JSON, so a quote that is missing shows at the end of its line and cannot swallow what follows.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from mcai.formats.model import MAX_DEPTH
from mcai.formats.readers.json_values import is_beginning
from mcai.formats.readers.patterns import any_number_of
from mcai.formats.readers.window import Window

_ESCAPED = any_number_of(rb'\\[^\n][^"\\\n]*+')
STRING = rb'"[^"\\\n]*+' + _ESCAPED + b'"'
BLANK = rb"[ \t\r\n]*+"
_OTHER = rb'[^{}\[\]"]*+'


def _brackets(opener: bytes, inner: bytes, closer: bytes) -> bytes:
    return opener + _OTHER + any_number_of(rb"(?:" + inner + rb")" + _OTHER) + closer


def _values(depth: int) -> bytes:
    """Return the pattern of what has quotes or brackets around it, brackets at most ``depth`` deep."""
    if depth == 0:
        return STRING
    inner = _values(depth - 1)
    return b"|".join((STRING, _brackets(rb"\{", inner, rb"\}"), _brackets(rb"\[", inner, rb"\]")))


SHALLOW_OBJECT = _brackets(rb"\{", _values(2), rb"\}")
"""An object with brackets at most three deep: one match finds its end. No byte is tried twice."""

_TO_BRACKET = re.compile(any_number_of(rb'[^"{}\[\]]++|' + STRING))
_RUN = re.compile(any_number_of(SHALLOW_OBJECT + BLANK + rb",?" + BLANK))
_IN_STRING = re.compile(rb'[^"\\\n]*+' + _ESCAPED)
_BLANKS = re.compile(rb"[ \t\r\n]*+")
_SEPARATORS = re.compile(rb"[ \t\r\n,]*+")
_WORD = re.compile(rb'[^\s,\[\]{}"]*+')

_QUOTE, _OPENERS, _CLOSER_OF = 0x22, b"{[", {0x7D: 0x7B, 0x5D: 0x5B}
_BACKSLASH, _NEWLINE, _BRACE, _BRACKET = 0x5C, 0x0A, 0x7B, 0x5B
# Far beyond what a record may have, so that what is deeper need not be looked into.
_DEEP = 2 * MAX_DEPTH
_MAX_OPEN = 1 << 16
_DOUBTFUL_BYTES = 1 << 16


class Extent(Struct, frozen=True):
    """How far a value reaches."""

    state: Literal["whole", "long", "deep", "torn"]
    """whole: it ends at ``end``. long, deep: so far it is JSON, and beyond a bound. torn: it is broken at ``end``."""
    end: int


def measure(window: Window, at: int, bound_bytes: int | None, *, by_line: bool = False) -> Extent:
    """Find the end of the object or list that begins at an offset.

    Args:
        window: keeps the value in view; without a bound it moves on with the search.
        at: the offset of ``{`` or ``[``, in view.
        bound_bytes: give up beyond this length; None goes on to the end of the file in bounded memory.
        by_line: the file holds a value a line: an object that begins a line inside this one shows that this is torn.
    """
    open_brackets = bytearray()
    pos = at
    while True:
        pos, done = _step(window, pos, open_brackets, by_line=by_line, is_skipping=bound_bytes is None)
        if done is not None:
            return Extent(done, pos)
        if bound_bytes is not None and len(open_brackets) > _DEEP:
            return Extent("deep" if is_beginning(window.data[at - window.base : pos - window.base]) else "torn", pos)
        length = window.end - at
        if bound_bytes is not None and length > _DOUBTFUL_BYTES and not is_beginning(window.data[at - window.base :]):
            return Extent("torn", pos)
        if bound_bytes is not None and length > bound_bytes:
            return Extent("long", pos)
        if bound_bytes is None and pos < window.end:  # a string that goes on beyond the view
            end = skip_string(window, pos)
            if end is None:
                return Extent("torn", pos)
            pos = end
        elif not window.more(pos if bound_bytes is None else at):
            return Extent("torn", window.end)


def _step(
    window: Window, pos: int, open_brackets: bytearray, *, by_line: bool, is_skipping: bool
) -> tuple[int, Literal["whole", "torn"] | None]:
    """Go through what is in view. Returns where it stopped, and the verdict when there is one."""
    data, base, size = window.data, window.base, len(window.data)
    at = pos - base
    while True:
        at = _to_bracket(data, at)
        if at >= size:
            return base + at, None
        byte = data[at]
        if byte == _QUOTE:
            return base + at, "torn" if _is_cut_string(data, at) else None
        if byte in _OPENERS:
            if by_line and open_brackets and byte == _BRACE and data[at - 1] == _NEWLINE:
                return base + at, "torn"
            if is_skipping and byte == _BRACE and open_brackets.endswith(b"["):
                run = _RUN.match(data, at)
                if run is not None and run.end() > at:
                    at = run.end()
                    continue
            open_brackets.append(byte)
            if len(open_brackets) > (_MAX_OPEN if is_skipping else _DEEP):
                return base + at + 1, "torn" if is_skipping else None
        else:
            if not open_brackets or open_brackets.pop() != _CLOSER_OF[byte]:
                return base + at, "torn"
            if not open_brackets:
                return base + at + 1, "whole"
        at += 1


def _to_bracket(data: bytes, at: int) -> int:
    found = _TO_BRACKET.match(data, at)
    return found.end() if found is not None else at


def _is_cut_string(data: bytes, at: int) -> bool:
    """Tell whether the string at an offset is broken by the end of its line, rather than by the end of the view."""
    found = _IN_STRING.match(data, at + 1)
    end = found.end() if found is not None else at + 1
    return end < len(data) and (data[end] == _NEWLINE or end + 1 < len(data))


def skip_string(window: Window, at: int) -> int | None:
    """Return the offset after the string that begins at an offset; None when its line or the file ends first."""
    pos = at + 1
    while True:
        if pos > window.end and not window.more(window.end):
            return None
        found = _IN_STRING.match(window.data, pos - window.base)
        end = found.end() if found is not None else pos - window.base
        pos = window.base + end
        rest = window.data[end : end + 2]
        if rest[:1] == b'"':
            return pos + 1
        if rest[:1] == b"\n" or len(rest) == 2 or not window.more(pos):
            return None


def skip_blanks(window: Window, pos: int, *, commas: bool = True) -> int:
    """Return the offset of the next byte that is no white space, and no comma unless those matter."""
    pattern = _SEPARATORS if commas else _BLANKS
    while pos > window.end and window.more(window.end):
        pass
    while True:
        found = pattern.match(window.data, pos - window.base)
        pos = window.base + (found.end() if found is not None else 0)
        if pos < window.end or not window.more(pos):
            return pos


def skip_value(window: Window, pos: int) -> int | None:
    """Return the offset after any value; None when it is torn. At least one byte is passed over."""
    first = window.byte(pos)
    if first == b'"':
        return skip_string(window, pos)
    if first in (b"{", b"["):
        extent = measure(window, pos, None)
        return extent.end if extent.state == "whole" else None
    start = pos
    while True:
        found = _WORD.match(window.data, pos - window.base)
        pos = window.base + (found.end() if found is not None else 0)
        if pos < window.end or not window.more(pos):
            return max(pos, start + 1)


def holds_object(window: Window, at: int) -> bool:
    """Tell whether an object is among the elements of the list at an offset; the view comes back to where it was."""
    mark = window.mark(at)
    with window.scouting():
        pos: int | None = skip_blanks(window, at + 1)
        while pos is not None and window.byte(pos) not in (b"{", b"]", b""):
            end = skip_value(window, pos)
            pos = None if end is None else skip_blanks(window, end)
        is_found = pos is not None and window.byte(pos) == b"{"
        window.rewind(mark)
    return is_found
