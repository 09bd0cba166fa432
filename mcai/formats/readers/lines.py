"""The physical lines of a file, with their places, however long one of them is."""

from __future__ import annotations

from msgspec import Struct

from mcai.formats.readers.opening import UTF8_BOM
from mcai.formats.readers.window import Window
from mcai.records import MAX_RECORD_BYTES

MAX_LINE_BYTES = 2 * MAX_RECORD_BYTES


class Line(Struct, frozen=True):
    """One line."""

    number: int
    """From 1."""
    offset: int
    text: bytes
    """Without its line feed."""
    is_ended: bool
    """It has a line feed; only the last line of a file may lack it."""
    is_cut: bool = False
    """``text`` is only the beginning: the line is longer than `MAX_LINE_BYTES`."""


class Lines:
    """Reads a file line by line, and can go back."""

    def __init__(self, window: Window) -> None:
        self._window = window
        window.more(window.base)
        self._offset = window.base + len(UTF8_BOM) * window.data.startswith(UTF8_BOM)
        self._number = 1

    @property
    def offset(self) -> int:
        """Where the next line begins."""
        return self._offset

    def read(self) -> Line | None:
        """Return the next line, None at the end of the file."""
        window, offset = self._window, self._offset
        while True:
            at = offset - window.base
            end = window.data.find(b"\n", at)
            if end >= 0:
                self._offset = window.base + end + 1
                break
            if len(window.data) - at > MAX_LINE_BYTES:
                return self._cut_line()
            if not window.more(offset):
                end = len(window.data)
                self._offset = window.base + end
                break
        text = window.data[offset - window.base : end]
        is_ended = self._offset == window.base + end + 1
        if not text and not is_ended:
            return None
        self._number += 1
        return Line(self._number - 1, offset, text, is_ended)

    def go_to(self, offset: int, number: int) -> None:
        """Go on with the line that begins at an offset."""
        self._window.go_to(offset)
        self._offset, self._number = offset, number

    def _cut_line(self) -> Line:
        window, offset = self._window, self._offset
        at = offset - window.base
        text = window.data[at : at + MAX_LINE_BYTES]
        self._offset = window.find_line_end(window.end)
        self._number += 1
        is_ended = window.data[self._offset - window.base - 1 : self._offset - window.base] == b"\n"
        return Line(self._number - 1, offset, text, is_ended, is_cut=True)
