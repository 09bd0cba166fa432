"""Turns dataset files into records, on the client's side: JSON, JSON Lines, CSV, TSV, text and Parquet.

`find_files` walks what the user named, `read` turns one file into records, rejections and what its containers say.
Files are read in a stream: memory stays bounded whatever their size. Nothing here talks to a daemon, and nothing that
takes long to import is imported before a file needs it.
"""

from __future__ import annotations

from mcai.formats.files import find_files
from mcai.formats.model import (
    Container,
    Event,
    FileProblem,
    FileSummary,
    Progress,
    ReadOptions,
    Record,
    Rejected,
    SourceFile,
    Span,
)
from mcai.formats.quarantine import write_quarantine_line
from mcai.formats.reading import read

__all__ = [
    "Container",
    "Event",
    "FileProblem",
    "FileSummary",
    "Progress",
    "ReadOptions",
    "Record",
    "Rejected",
    "SourceFile",
    "Span",
    "find_files",
    "read",
    "write_quarantine_line",
]
