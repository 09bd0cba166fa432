"""Sketches an object that is too long or too broken to be decoded: what it is, and what it says of itself.

The sketch holds the object's own small fields, wherever they stand (a ``domain`` after a list of five gigabytes too),
and the first elements of its lists. Its size is bounded, whatever the object's.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from mcai.formats.model import MAX_KEYS
from mcai.formats.readers import json_values
from mcai.formats.readers.json_resync import next_member
from mcai.formats.readers.json_scan import BLANK, STRING, measure, skip_blanks, skip_value
from mcai.formats.readers.window import CHUNK_BYTES, Window
from mcai.formats.recognition.fields import Json

SAMPLE_ITEMS = 8
"""How many elements of a list are looked at to tell what the list holds."""

_SKETCH_DEPTH = 10
_FIELD_BYTES = 1 << 16
_BUDGET_BYTES = 2 << 20
_HEAD = re.compile(BLANK + rb",?" + BLANK + rb"(" + STRING + rb")" + BLANK + rb":" + BLANK)
_NO_ELEMENT = (b"", b"]", b"}", b":")
_UNKNOWN = "…"
"""Stands for a value that is too long or broken: there is something, and it may be a text."""


class Outline(Struct):
    """The sketch of an object."""

    fields: Json
    partial: set[str]
    """Keys whose values are sketches themselves."""
    until: int | None = None
    """Where the next item begins, when it is known."""
    budget_bytes: int = _BUDGET_BYTES


def member_head(window: Window, pos: int) -> tuple[str, int] | None:
    """Read ``, "key":`` at an offset: the key and the offset of its value; None where there is no such thing."""
    while True:
        found = _HEAD.match(window.data, pos - window.base)
        is_open = found is None or found.end() == len(window.data)
        if not is_open or window.end - pos > CHUNK_BYTES or not window.more(pos):
            break
    if found is None:
        return None
    try:
        return json_values.decode(found[1]), window.base + found.end()
    except json_values.FaultError:
        return found[1].decode("utf-8", "replace"), window.base + found.end()


def outline(window: Window, at: int, until: int | None = None) -> Outline:
    """Sketch the object at an offset, as far as ``until``; the view comes back to where it was."""
    mark = window.mark(at)
    sketch = Outline({}, set(), until)
    with window.scouting():
        _object(window, at, sketch, sketch, 1)
        window.rewind(mark)
    return sketch


def _object(window: Window, at: int, sketch: Outline, whole: Outline, depth: int) -> None:
    pos: int | None = at + 1
    while pos is not None and len(sketch.fields) <= MAX_KEYS:
        pos = skip_blanks(window, pos)
        if window.byte(pos) in (b"}", b"") or _is_beyond(whole, pos):
            return
        head = member_head(window, pos)
        if head is None:
            pos = next_member(window, pos, whole.until)
            continue
        key, value_at = head
        value, is_complete, pos = _value(window, value_at, whole, depth)
        sketch.fields[key] = value
        if not is_complete:
            sketch.partial.add(key)


def _value(window: Window, at: int, whole: Outline, depth: int) -> tuple[Any, bool, int | None]:
    """Sketch a value: what it is, whether that is all of it, and where it ends (None: torn)."""
    mark = window.mark(at)
    is_nested = window.byte(at) in (b"{", b"[")
    end = _end_of_small(window, at) if is_nested else skip_value(window, at)
    if end is not None and end - at <= min(_FIELD_BYTES, whole.budget_bytes):
        try:
            value = json_values.decode(window.take(mark, end))
            whole.budget_bytes -= end - at
            return value, True, end
        except json_values.FaultError:
            pass
    if not is_nested:
        return _UNKNOWN, False, end
    window.rewind(mark)
    value = _sample(window, at, whole, depth)
    window.rewind(mark)
    return value, False, skip_value(window, at)


def _is_beyond(whole: Outline, pos: int) -> bool:
    return whole.until is not None and pos >= whole.until


def _end_of_small(window: Window, at: int) -> int | None:
    extent = measure(window, at, _FIELD_BYTES)
    return extent.end if extent.state == "whole" else None


def _sample(window: Window, at: int, whole: Outline, depth: int) -> Any:
    first = window.byte(at)
    if depth >= _SKETCH_DEPTH or whole.budget_bytes < _FIELD_BYTES:
        return {} if first == b"{" else [] if first == b"[" else _UNKNOWN
    if first == b"{":
        inner = Outline({}, set())
        _object(window, at, inner, whole, depth + 1)
        return inner.fields
    if first == b"[":
        return _elements(window, at, whole, depth + 1)
    return _UNKNOWN


def _elements(window: Window, at: int, whole: Outline, depth: int) -> list[Any]:
    found: list[Any] = []
    pos: int | None = at + 1
    while pos is not None and len(found) < SAMPLE_ITEMS:
        pos = skip_blanks(window, pos)
        if window.byte(pos) in _NO_ELEMENT or _is_beyond(whole, pos):
            break
        value, _, pos = _value(window, pos, whole, depth)
        found.append(value)
    return found
