"""A moving view of a file: the readers look at bytes by their offset in the file and never hold more than they need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from mcai.formats.model import OpenFile, Progress, Span

CHUNK_BYTES = 1 << 18


class Mark(Struct, frozen=True):
    """A place to come back to."""

    offset: int
    line: int
    line_start: int

    @property
    def place(self) -> str:
        """Return it as people name it, with a column in bytes."""
        return f"line {self.line}, column {self.offset - self.line_start + 1}"


class Window:
    """The bytes from ``base`` up to ``end`` of a file, moved on by `more`."""

    def __init__(self, file: OpenFile, progress: Progress, start: int = 0) -> None:
        self.file = file
        self.data = b""
        self.base = start
        self._progress = progress
        # The place of `base`, and the one that was asked for last: lines are counted from there.
        self._first = self._latest = Mark(start, 1, start)
        self._is_scouting = False

    @property
    def end(self) -> int:
        """The offset after the last byte in view."""
        return self.base + len(self.data)

    def more(self, keep: int) -> bool:
        """Read on. Twice as much each time that nothing can be dropped, so that a long item is not copied too often.

        Args:
            keep: drop the bytes before this offset; at most `end`.

        Returns:
            False at the end of the file, when nothing came.
        """
        self._drop(keep)
        chunk = self.file.read_at(self.end, max(CHUNK_BYTES, len(self.data)))
        self.data += chunk
        if not self._is_scouting:
            self._progress.bytes_read = self.base
        return bool(chunk)

    @contextmanager
    def scouting(self) -> Iterator[None]:
        """While this lasts, the view moves ahead of what is really read: progress stands still."""
        before, self._is_scouting = self._is_scouting, True
        try:
            yield
        finally:
            self._is_scouting = before

    def byte(self, offset: int) -> bytes:
        """Return the byte at an offset from ``base`` up, reading on when needed; nothing at the end of the file."""
        if offset >= self.end and not self.more(offset):
            return b""
        at = offset - self.base
        return self.data[at : at + 1]

    def find_line_end(self, offset: int) -> int:
        """Return the offset after the next line end; the view moves on with it."""
        while True:
            at = self.data.find(b"\n", offset - self.base)
            if at >= 0:
                return self.base + at + 1
            offset = self.end
            if not self.more(offset):
                return offset

    def mark(self, offset: int) -> Mark:
        """Return a place in view to come back to."""
        near = self._latest if self._latest.offset <= offset else self._first
        start, end = near.offset - self.base, offset - self.base
        breaks = self.data.count(b"\n", start, end)
        line_start = self.base + self.data.rfind(b"\n", start, end) + 1 if breaks else near.line_start
        self._latest = Mark(offset, near.line + breaks, line_start)
        return self._latest

    def rewind(self, mark: Mark) -> None:
        """Go back to a place; it is in view then."""
        if not self.base <= mark.offset < self.end:
            self.data = b""
            self.base = mark.offset
            self._first = self._latest = mark
            self.more(mark.offset)

    def go_to(self, offset: int) -> None:
        """Go to a place whose line does not matter; it is in view then."""
        self.rewind(Mark(offset, 1, offset))

    def take(self, mark: Mark, end: int) -> bytes:
        """Go back to a place and return the bytes from there up to an offset, all of them in view."""
        self.rewind(mark)
        while self.end < end and self.more(mark.offset):
            pass
        return self.data[mark.offset - self.base : end - self.base]

    def place(self, offset: int) -> str:
        """Return a place in view as people name it: ``line 3, column 7`` (in characters, where the line is in view)."""
        mark = self.mark(offset)
        before = self.data[max(0, mark.line_start - self.base) : offset - self.base]
        unseen = max(0, self.base - mark.line_start)
        return f"line {mark.line}, column {unseen + len(before.decode('utf-8', 'replace')) + 1}"

    def original(self, mark: Mark, end: int) -> bytes | Span:
        """Return a stretch of the file for the quarantine: its bytes when they are few, else where they lie."""
        if end - mark.offset > CHUNK_BYTES:
            return Span(self.file, mark.offset, end - mark.offset)
        return self.take(mark, end).rstrip(b", \t\r\n")

    def _drop(self, keep: int) -> None:
        if keep > self.base:
            self._first = self.mark(keep)
            self.data = self.data[keep - self.base :]
            self.base = keep
