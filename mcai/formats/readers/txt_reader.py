"""Reads labelled text: ``Prompt: ...`` and ``Completion: ...``, each as many lines as it likes (see `txt_grammar`).

A label inside a fenced code block is text. A fence that nobody closes is no block, and swallows nothing: whether it is
closed is looked up ahead when it matters, that is at a label after an open fence.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from msgspec import Struct, field

from mcai.formats.model import Record, Rejected, Span
from mcai.formats.readers.lines import Line, Lines
from mcai.formats.readers.txt_grammar import Labels, labels_at
from mcai.formats.readers.window import CHUNK_BYTES, Window
from mcai.formats.recognition.fields import SURE, Fields
from mcai.formats.recognition.intake import TOO_LARGE, Intake
from mcai.records import MAX_RECORD_BYTES

_FENCE = re.compile(rb" {0,3}(`{3,}(?=[^`]*$)|~{3,})[ \t]*([^\r]*)")
_NO_LABEL = "no line begins with a label such as 'Prompt:' and 'Completion:', or 'Q:' and 'A:'"

FENCED_STARTS = 2
FENCED_BYTES = 32 << 10
"""A fenced block with a label in it may hold this much: a fence that stays open longer is one that was never closed, as
in many answers, and looking for its end at every label would take the square of the file's length."""


class _Draft(Struct):
    """A stretch of lines: a record from its first label on, or text outside any."""

    first: Line
    label: bytes
    """What it begins with; nothing for text outside any record."""
    lines: list[bytes] = field(default_factory=list)
    answer_label: bytes = b""
    answer_at: int | None = None
    """The line that begins the answer, as an index into ``lines``."""
    size_bytes: int = 0
    is_blank: bool = True

    @property
    def is_too_large(self) -> bool:
        """It was only measured from some line on."""
        return self.size_bytes > MAX_RECORD_BYTES + CHUNK_BYTES

    def add(self, line: Line) -> None:
        """Take one more line; what is too much for a record is dropped."""
        self.size_bytes += len(line.text) + 1
        self.is_blank = self.is_blank and not line.text.strip()
        if self.is_too_large:
            self.lines.clear()
        else:
            self.lines.append(line.text)

    def raw(self) -> bytes:
        """Return its bytes, when it is not too large."""
        return b"\n".join(self.lines).rstrip()

    def texts(self) -> tuple[str, str]:
        """Return prompt and answer of a record.

        Raises:
            UnicodeDecodeError: it is no UTF-8.
        """
        content = b"\n".join(self.lines[: self.answer_at])[len(self.label) :].decode("utf-8")
        answer = b"\n".join(self.lines[self.answer_at :])[len(self.answer_label) :].decode("utf-8")
        return content.replace("\r\n", "\n").strip(), answer.replace("\r\n", "\n").strip()


class TxtReader:
    """Reads one file."""

    shape = "txt"

    def __init__(self, window: Window, intake: Intake) -> None:
        self._window = window
        self._intake = intake
        self._lines = Lines(window)
        self._ahead: deque[Line] = deque()
        self._labels: Labels | None = None
        self.reason: str | None = None

    def items(self) -> Iterator[Record | Rejected]:
        """Yield what is found; ``reason`` is known afterwards."""
        draft: _Draft | None = None
        fence: bytes | None = None
        follows_blank = False
        while (line := self._next()) is not None:
            label = self._label(line, draft)
            if label and fence is not None and self._is_closed(fence, follows_blank):
                label = b""
            if draft is None or (label and label == self._start):
                if draft is not None:
                    yield from self._finish(draft, line.offset)
                draft = _Draft(line, label)
            elif label:
                draft.answer_label, draft.answer_at = label, len(draft.lines)
                self._labels = Labels(self._start, (label,))
            draft.add(line)
            fence = _fence_after(None if label else fence, line.text[len(label) :].lstrip() if label else line.text)
            follows_blank = not line.text.strip()
        if draft is not None:
            yield from self._finish(draft, self._lines.offset)
        if self._intake.found == 0:
            self.reason = "nothing but white space" if self._window.file.size_bytes else "empty file"

    @property
    def _start(self) -> bytes:
        return self._labels.start if self._labels is not None else b""

    def _next(self) -> Line | None:
        return self._ahead.popleft() if self._ahead else self._lines.read()

    def _label(self, line: Line, draft: _Draft | None) -> bytes:
        """Return the label that a line begins with, if it is one that may stand here."""
        if self._labels is None:
            self._labels = labels_at(line.text)
            return self._start
        if line.text.startswith(self._labels.start):
            return self._labels.start
        if draft is not None and draft.label and draft.answer_at is None:
            return next((label for label in self._labels.answers if line.text.startswith(label)), b"")
        return b""

    def _is_closed(self, fence: bytes, follows_blank: bool) -> bool:
        """Tell whether the label at hand stands in a fenced block: whether its open fence is closed further on.

        It is not when another block opens first. When a record begins between, or the fence that would close it is the
        first of a pair, that fence belongs to a later record.
        """
        open_fence: bytes | None = fence
        is_closed = False
        starts = 0
        for line in self._look_ahead():
            starts_record = line.text.startswith(self._start)
            if is_closed and starts_record:
                break
            starts += starts_record
            if starts == FENCED_STARTS:
                return False
            if starts_record and follows_blank:
                return False
            found = _FENCE.match(line.text)
            if found is not None and found[2] and not is_closed:
                return False
            open_fence = _fence_after(open_fence, line.text)
            is_closed = is_closed or open_fence is None
        return is_closed and open_fence is None

    def _look_ahead(self) -> Iterator[Line]:
        """Yield the lines that follow, as many as a fenced block may have, without taking them."""
        seen, size_bytes = 0, 0
        while size_bytes <= FENCED_BYTES:
            if seen == len(self._ahead):
                line = self._lines.read()
                if line is None:
                    return
                self._ahead.append(line)
            seen += 1
            size_bytes += len(self._ahead[seen - 1].text) + 1
            yield self._ahead[seen - 1]

    def _finish(self, draft: _Draft, end: int) -> Iterator[Record | Rejected]:
        if draft.is_blank:
            return
        number = draft.first.number
        if draft.is_too_large:
            raw = Span(self._window.file, draft.first.offset, end - draft.first.offset)
            yield self._intake.refuse(TOO_LARGE if draft.label else self._outside(), number, raw=raw)
        elif not draft.label:
            yield self._intake.refuse(self._outside(), number, raw=draft.raw())
        elif draft.answer_at is None:
            labels = " or ".join(repr(label.decode()) for label in self._labels.answers) if self._labels else ""
            yield self._intake.refuse(f"no line after line {number} begins with {labels}", number, raw=draft.raw())
        else:
            yield self._record(draft, number)

    def _outside(self) -> str:
        return f"text before the first {self._start.decode()!r}" if self._labels is not None else _NO_LABEL

    def _record(self, draft: _Draft, number: int) -> Record | Rejected:
        raw = draft.raw()
        try:
            content, response = draft.texts()
        except UnicodeDecodeError:
            bad = next(at for at, text in enumerate(draft.lines) if not _is_utf8(text))
            return self._intake.refuse(f"line {number + bad}: invalid UTF-8", number, raw=raw)
        if b"\0" in raw:
            bad = next(at for at, text in enumerate(draft.lines) if b"\0" in text)
            return self._intake.refuse(f"line {number + bad}: a NUL character", number, raw=raw)
        if not content:
            return self._intake.refuse(f"{draft.label.decode()!r} has no text", number, raw=raw)
        obj = {"prompt": content, "completion": response}
        return self._intake.take(obj, number, len(raw), fields=Fields(content, response, {}, SURE))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _fence_after(fence: bytes | None, line: bytes) -> bytes | None:
    """Return the fence that is open after a line, given the one that is open before it."""
    found = _FENCE.match(line)
    if found is None:
        return fence
    if fence is None:
        return found[1]
    is_closing = found[1].startswith(fence) and not found[2]
    return None if is_closing else fence
