"""What the tests of the dataset readers share: to write a file, read it, and check that everything is counted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from mcai.formats import (
    Container,
    FileProblem,
    FileSummary,
    ReadOptions,
    Record,
    Rejected,
    SourceFile,
    find_files,
    read,
    write_quarantine_line,
)
from mcai.records import NewExample


@dataclass
class Reading:
    """Everything that one file gave."""

    examples: list[NewExample] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    summary: FileSummary = field(default_factory=lambda: FileSummary("", 0))
    quarantine: bytes = b""
    """The rejected records as they are written down."""

    @property
    def contents(self) -> list[str]:
        return [example.content for example in self.examples]

    @property
    def pairs(self) -> list[tuple[str, str | None]]:
        return [(example.content, example.response) for example in self.examples]

    @property
    def reasons(self) -> list[str]:
        return [rejected.reason for rejected in self.rejected]

    @property
    def positions(self) -> list[str]:
        """Where records and rejected ones stood."""
        sources = [example.source or "" for example in self.examples] + [each.source for each in self.rejected]
        return [source.rpartition("#")[2] for source in sources]


def read_source(file: SourceFile, options: ReadOptions | None = None) -> Reading:
    """Read a file; whatever it holds, all that is found is counted, and the summary comes once, last."""
    reading, quarantine = Reading(), BytesIO()
    events = list(read(file, options or ReadOptions()))
    for event in events[:-1]:
        if isinstance(event, Record):
            reading.examples.append(event.example)
        elif isinstance(event, Rejected):
            reading.rejected.append(event)
            write_quarantine_line(event, quarantine)
        else:
            assert isinstance(event, Container)
            reading.containers.append(event)
    assert isinstance(events[-1], FileSummary)
    reading.summary = events[-1]
    reading.quarantine = quarantine.getvalue()
    assert reading.summary.found == len(reading.examples) + len(reading.rejected)
    for line in reading.quarantine.splitlines():
        assert json.loads(line).keys() in ({"domain", "source", "reason", each} for each in ("record", "raw_base64"))
    return reading


def read_path(path: Path, **options: Any) -> Reading:
    """Read the one file at a path."""
    [file] = find_files([str(path)])
    assert isinstance(file, SourceFile), file
    return read_source(file, ReadOptions(**options))


def read_bytes(folder: Path, name: str, data: bytes, **options: Any) -> Reading:
    """Write a file and read it."""
    path = folder / name
    path.write_bytes(data)
    return read_path(path, **options)


def read_text(folder: Path, name: str, text: str, **options: Any) -> Reading:
    """Write a file and read it."""
    return read_bytes(folder, name, text.encode("utf-8"), **options)


def read_json(folder: Path, value: Any, name: str = "a.json", **options: Any) -> Reading:
    """Write a JSON document and read it."""
    return read_text(folder, name, json.dumps(value), **options)


def problems(paths: list[Path]) -> list[FileProblem]:
    """Walk paths and return what will not be read."""
    return [found for found in find_files([str(path) for path in paths]) if isinstance(found, FileProblem)]


def files(paths: list[Path]) -> list[str]:
    """Walk paths and return what will be read."""
    return [found.path for found in find_files([str(path) for path in paths]) if isinstance(found, SourceFile)]
