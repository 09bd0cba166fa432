"""Reads one dataset file, whatever its shape: opens it, tells what it is, and hands it to the reader of that kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mcai.errors import UnreadableFileError
from mcai.formats.model import (
    Container,
    Event,
    FileSummary,
    Kind,
    OpenFile,
    Progress,
    ReadOptions,
    Record,
    Rejected,
    SourceFile,
)
from mcai.formats.readers.opening import open_source
from mcai.formats.readers.sniff import HEAD_BYTES, kind_of
from mcai.formats.recognition.intake import Intake


class _Reader(Protocol):
    shape: str
    reason: str | None

    def items(self) -> Iterator[Record | Rejected | Container]: ...


def read(file: SourceFile, options: ReadOptions, progress: Progress | None = None) -> Iterator[Event]:
    """Read one file, item by item.

    Args:
        file: as `find_files` yields it.
        options: the domain that overrides all others, and what ``--map`` says.
        progress: kept up to date with the bytes read, when the caller wants to look at it.

    Yields:
        A `Record` or a `Rejected` for each item found, a `Container` for each object that holds items and says
        something of itself, and exactly one `FileSummary`, last. A bad file is no exception: the summary tells.
    """
    progress = Progress() if progress is None else progress
    intake = Intake(file, options)
    reader: _Reader | None = None
    try:
        opened = open_source(file)
        kind = kind_of(opened.read_at(0, HEAD_BYTES), file.kind)
        if kind is None and opened.size_bytes > 0:
            raise UnreadableFileError("it holds neither JSON nor a table nor labelled text")
        reader = _reader(kind or "json", opened, intake, progress)
        yield from reader.items()
    except UnreadableFileError as error:
        yield FileSummary(reader.shape if reader else "unknown", intake.found, error.message, unreadable=True)
        return
    progress.bytes_read = opened.size_bytes
    yield FileSummary(reader.shape, intake.found, reader.reason)


def _reader(kind: Kind, opened: OpenFile, intake: Intake, progress: Progress) -> _Reader:
    """Return the reader for a kind of file; each is loaded when it is needed for the first time."""
    if kind == "parquet":
        from mcai.formats.readers.parquet_reader import ParquetReader

        return ParquetReader(opened, intake, progress)
    from mcai.formats.readers.window import Window

    window = Window(opened, progress)
    if kind == "txt":
        from mcai.formats.readers.txt_reader import TxtReader

        return TxtReader(window, intake)
    if kind == "csv" or kind == "tsv":
        from mcai.formats.readers.csv_reader import CsvReader

        return CsvReader(window, intake, kind)
    from mcai.formats.readers.json_reader import JsonReader

    return JsonReader(window, intake, is_lines=kind == "jsonl")
