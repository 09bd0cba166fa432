"""Reads a stream of JSON values: one document, a value a line (JSON Lines), or values that simply follow each other.

Which of these a file is shows as it is read, so one reader serves `.json`, `.jsonl` and `.ndjson` alike.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from mcai.formats.model import MAX_ITEM_BYTES
from mcai.formats.readers import json_values
from mcai.formats.readers.json_scan import skip_blanks, skip_value
from mcai.formats.readers.json_walk import Item, Spot, Walk, Walker
from mcai.formats.readers.opening import UTF8_BOM
from mcai.formats.readers.window import Mark, Window
from mcai.formats.recognition.fields import SURE, is_flat
from mcai.formats.recognition.intake import Intake
from mcai.formats.recognition.judge import Role


class JsonReader:
    """Reads one file."""

    def __init__(self, window: Window, intake: Intake, *, is_lines: bool) -> None:
        self._window = window
        self._intake = intake
        self._walker = Walker(window, intake)
        self._is_lines = is_lines
        self.shape = "jsonl" if is_lines else "json"
        self.reason: str | None = None

    def items(self) -> Iterator[Item]:
        """Yield what is found; ``shape`` and ``reason`` are known afterwards."""
        window = self._window
        window.more(window.base)
        start = window.base + len(UTF8_BOM) * window.data.startswith(UTF8_BOM)
        at = skip_blanks(window, start, commas=False)
        if not window.byte(at):
            self.reason = "nothing but white space" if window.file.size_bytes else "empty file"
            return
        pos = yield from self._first(at)
        while pos is not None:
            pos = skip_blanks(window, pos)
            if not window.byte(pos):
                break
            end = yield from self._lines(pos)
            pos = end if end > pos else (yield from self._value(pos))
        self.reason = self.reason or self._walker.trouble
        if self.reason is None and self._intake.found == 0:
            self.reason = "it holds no records"

    def _first(self, at: int) -> Walk:
        """Read the first value; it may be all of the file, and its positions are JSON pointers then."""
        window = self._window
        mark, first = window.mark(at), window.byte(at)
        if first == b"[":
            self.shape = "json list"
            end = yield from self._walker.list_at(at, Spot("", ""))
            if end is not None and window.byte(skip_blanks(window, end)):
                self.shape = "jsonl"
                if self._intake.found == 0:
                    yield self._walker.refuse_plain(mark, end, Spot(str(mark.line), ""))
            return end
        if not self._is_alone(mark):
            self.shape = "jsonl"
            return at
        if first != b"{":
            end = yield from self._walker.plain_value(at, Spot(str(mark.line), ""), is_expected=True)
            self.reason = None if self._intake.found else "a single value that is neither an object nor a list"
            return end
        if not self._is_lines:
            self.shape = "json object"
        return (yield from self._walker.object_at(at, Spot(str(mark.line), "", role=Role.DOCUMENT)))

    def _is_alone(self, mark: Mark) -> bool:
        """Tell whether nothing follows the value at a place. One that is torn is alone unless lines are expected."""
        window = self._window
        with window.scouting():
            end = skip_value(window, mark.offset)
            is_followed = end is not None and window.byte(skip_blanks(window, end)) != b""
            window.rewind(mark)
        if end is None:
            return not self._is_lines and b"\n{" not in window.data[mark.offset - window.base :]
        return not is_followed

    def _lines(self, at: int) -> Generator[Item, None, int]:
        """Take line after line, as fast as can be, until one is not simply a record."""
        window, intake = self._window, self._intake
        read, line = intake.recogniser.read, window.mark(at).line
        while True:
            data, start = window.data, at - window.base
            end = data.find(b"\n", start)
            if end < 0:
                if len(data) - start <= MAX_ITEM_BYTES and window.more(at):
                    continue
                end = len(data)
            raw = data[start:end]
            if raw.startswith(b"{"):
                try:
                    obj = json_values.decode_record(raw)
                except json_values.FaultError:
                    return at
                fields = read(obj)
                if fields.strength != SURE and not is_flat(obj):
                    return at
                yield intake.take(obj, line, len(raw), fields=fields)
            elif raw.strip() or end == len(data):
                return at
            at = window.base + end + 1
            line += 1

    def _value(self, at: int) -> Walk:
        """Read a value that is not simply a record on a line."""
        window, walker = self._window, self._walker
        mark, first = window.mark(at), window.byte(at)
        spot = Spot(str(mark.line), str(mark.line), is_line=True)
        if first == b"{":
            return (yield from walker.object_at(at, spot))
        if first == b"[":
            found_before = self._intake.found
            end = yield from walker.list_at(at, spot)
            if self._intake.found > found_before or end is None:
                return end
        else:
            end = window.find_line_end(at)
        yield walker.refuse_plain(mark, end, spot)
        return end
