"""Reads tables: CSV and TSV with a header, cells quoted by the book (RFC 4180).

An empty cell is an absent value: a table cannot tell null from "". A quote that nobody closes would swallow the rest of
the file; then only its own line is rejected, and reading goes on with the next one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from msgspec import Struct

from mcai.errors import UnreadableFileError
from mcai.formats.model import MAX_ITEM_BYTES, MAX_KEYS, Kind, Record, Rejected, Span
from mcai.formats.readers import json_values
from mcai.formats.readers.lines import Line, Lines
from mcai.formats.readers.window import Window
from mcai.formats.recognition import synonyms
from mcai.formats.recognition.fields import Fields
from mcai.formats.recognition.intake import TOO_LARGE, Intake
from mcai.records import MAX_RECORD_BYTES

_DELIMITERS = {"csv": ",;\t|", "tsv": "\t,;|"}
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?", re.IGNORECASE)
_ROW_BYTES = 2 * MAX_RECORD_BYTES
"""Doubled quotes may take twice the room of what they say."""


class _RowTooLongError(Exception):
    """A row goes on beyond what a record may have."""


class _Feed(Iterator[str]):
    """Hands lines to the csv module and remembers those of the row that it is working on."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.row: list[Line] = []
        self.fault: str | None = None
        self._size_bytes = 0

    def begin_row(self) -> None:
        """Forget the row before."""
        self.row = []
        self.fault = None
        self._size_bytes = 0

    def __next__(self) -> str:
        line = self._lines.read()
        if line is None:
            raise StopIteration
        self.row.append(line)
        self._size_bytes += len(line.text) + 1
        if line.is_cut or self._size_bytes > _ROW_BYTES:
            raise _RowTooLongError
        if b"\0" in line.text:
            self.fault = f"line {line.number}: a NUL character"
        try:
            text = line.text.decode("utf-8")
        except UnicodeDecodeError:
            self.fault = f"line {line.number}: invalid UTF-8"
            text = line.text.decode("utf-8", "replace")
        return text + "\n" if line.is_ended else text

    def raw(self) -> bytes:
        """Return the bytes of the row."""
        return b"\n".join(line.text for line in self.row).rstrip(b"\r")


class _Header(Struct, frozen=True):
    names: tuple[str, ...]
    fault: str | None
    """Why no row below it can be taken."""
    is_export: bool


class CsvReader:
    """Reads one file."""

    def __init__(self, window: Window, intake: Intake, kind: Kind) -> None:
        self.shape: str = kind
        self.reason: str | None = None
        self._window = window
        self._intake = intake
        self._lines = Lines(window)
        self._feed = _Feed(self._lines)
        self._preferred = _DELIMITERS[kind]
        self._delimiter = self._preferred[0]

    def items(self) -> Iterator[Record | Rejected]:
        """Yield what is found; ``reason`` is known afterwards.

        Raises:
            UnreadableFileError: the header cannot be read.
        """
        # The csv module's own limit is lower than a record's; rows are bounded by the feed.
        csv.field_size_limit(MAX_ITEM_BYTES)
        header = self._read_header()
        if header is None:
            self.reason = "nothing but white space" if self._window.file.size_bytes else "empty file"
            return
        number = 1
        rows = self._rows()
        while True:
            self._feed.begin_row()
            try:
                cells = next(rows, None)
            except csv.Error as error:
                yield self._refuse_first_line(str(error), number)
                rows = self._rows()
            except _RowTooLongError:
                yield self._refuse_long(number)
                rows = self._rows()
            else:
                if cells is None:
                    break
                if not any(cells):
                    continue
                yield self._take(header, cells, number)
            number += 1
        if self._intake.found == 0:
            self.reason = "a header and no rows below it"

    def _rows(self) -> Iterator[list[str]]:
        return csv.reader(self._feed, delimiter=self._delimiter, strict=True)

    def _read_header(self) -> _Header | None:
        line = self._lines.read()
        while line is not None and not line.text.strip():
            line = self._lines.read()
        if line is None:
            return None
        separator = _SEPARATOR_LINE.fullmatch(line.text.decode("utf-8", "replace"))
        if separator is not None:
            self._delimiter = separator[1]
        else:
            self._delimiter = self._best_delimiter(line)
            self._lines.go_to(line.offset, line.number)
        self._feed.begin_row()
        try:
            names = next(self._rows(), None)
        except (csv.Error, _RowTooLongError) as error:
            raise UnreadableFileError(f"line {line.number}: the header cannot be read: {error or TOO_LARGE}") from error
        if self._feed.fault is not None:
            raise UnreadableFileError(f"the header cannot be read: {self._feed.fault}")
        return None if names is None else _header(names)

    def _best_delimiter(self, line: Line) -> str:
        """Return the delimiter that makes the most of a header: known names first, then the most cells."""
        best, best_score = self._preferred[0], (False, 0)
        for delimiter in self._preferred:
            try:
                cells = next(csv.reader([line.text.decode("utf-8", "replace")], delimiter=delimiter), [])
            except csv.Error:
                continue
            names = {cell.strip(): "x" for cell in cells}
            score = (isinstance(self._intake.recogniser.read(dict(names)), Fields), len(cells))
            if score > best_score:
                best, best_score = delimiter, score
        return best

    def _take(self, header: _Header, cells: list[str], number: int) -> Record | Rejected:
        line = self._feed.row[0].number
        if self._feed.fault is not None or header.fault is not None:
            return self._intake.refuse(self._feed.fault or header.fault or "", number, raw=self._feed.raw())
        if len(cells) != len(header.names):
            reason = f"line {line}: {len(cells)} cells, and the header has {len(header.names)}"
            return self._intake.refuse(reason, number, record=cells)
        obj = as_object(header.names, cells, keep_empty=header.is_export)
        return self._intake.take(obj, number, len(self._feed.raw()))

    def _refuse_first_line(self, complaint: str, number: int) -> Rejected:
        """Reject the first line of a row that is no row, and go on with its second line."""
        first = self._feed.row[0]
        if len(self._feed.row) > 1:
            self._lines.go_to(self._feed.row[1].offset, self._feed.row[1].number)
        return self._intake.refuse(f"line {first.number}: {complaint}", number, raw=first.text)

    def _refuse_long(self, number: int) -> Rejected:
        """Reject a row that is too long; but when no quote closes it, only its first line."""
        first = self._feed.row[0]
        end = self._end_of_quotes(first)
        if end is None and len(self._feed.row) > 1:
            return self._refuse_first_line("a quote is opened and never closed", number)
        if end is None:
            end = self._lines.offset
            self._lines.go_to(end, first.number + 1)
        raw = Span(self._window.file, first.offset, end - first.offset)
        return self._intake.refuse(f"line {first.number}: {TOO_LARGE}", number, raw=raw)

    def _end_of_quotes(self, first: Line) -> int | None:
        """Find the end of a long row: the line end after as many closing as opening quotes; None when there is none."""
        window, line, quotes = self._window, first.number, 0
        window.go_to(first.offset)
        at = first.offset
        while window.byte(at):
            end = window.data.find(b"\n", at - window.base) + 1
            end = end or len(window.data)
            quotes += window.data.count(b'"', at - window.base, end)
            is_line_end = window.data[end - 1 : end] == b"\n"
            line += is_line_end
            at = window.base + end
            if is_line_end and quotes % 2 == 0:
                self._lines.go_to(at, line)
                return at
        return at if quotes % 2 == 0 else None


def _header(names: list[str]) -> _Header:
    named = tuple(name.strip() or f"column_{at}" for at, name in enumerate(names, 1))
    double = next((name for at, name in enumerate(named) if name in named[:at]), None)
    fault = f"the column {double!r} stands twice in the header" if double is not None else None
    if len(named) > MAX_KEYS:
        fault = f"{len(named):,} columns; a record may have {MAX_KEYS:,} keys"
    return _Header(named, fault, is_export=set(named) == synonyms.EXPORT_KEYS and double is None)


def as_object(names: tuple[str, ...], cells: list[str], *, keep_empty: bool) -> dict[str, object]:
    """Make a row into an object: empty cells are absent (or null), a ``metadata`` cell that holds an object is one."""
    obj: dict[str, object] = {name: cell or None for name, cell in zip(names, cells, strict=True) if cell or keep_empty}
    metadata = obj.get(synonyms.METADATA)
    if isinstance(metadata, str):
        obj[synonyms.METADATA] = json_values.object_or_text(metadata)
    return obj
