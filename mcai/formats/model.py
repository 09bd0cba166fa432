"""What the readers take and give: plain records without behaviour, shared by every module of the package."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from mcai.errors import UnreadableFileError
from mcai.records import MAX_RECORD_BYTES, NewExample

Kind: TypeAlias = Literal["json", "jsonl", "csv", "tsv", "txt", "parquet"]
Severity: TypeAlias = Literal["skipped", "unsupported", "unreadable"]

MAX_ITEM_BYTES = 6 * MAX_RECORD_BYTES + (1 << 16)
"""No item longer than this is held in memory: JSON may spell one byte of text with six (``\\u0001``)."""

MAX_DEPTH = 64
"""How deep a record may nest, the record itself being 1."""

MAX_KEYS = 1_000
"""How many keys a record may have, those of nested objects included."""

MAX_KEYS_SHOWN = 50

STDIN_PATH = "-"


class SourceFile(Struct, frozen=True):
    """One dataset file to be read."""

    path: str
    """Absolute, as it is shown and as it begins a record's ``source``; ``-`` is stdin."""
    os_path: str
    """What the system opens: may hold surrogate escapes that ``path`` shows as ``\\udcXX``."""
    kind: Kind | None
    """What its name says it is; None where only the content can tell."""
    size_bytes: int | None
    """None for stdin."""


class FileProblem(Struct, frozen=True):
    """Something on the way that is not read."""

    path: str
    reason: str
    severity: Severity
    """skipped: no dataset, nothing is lost. unsupported: named, but of no kind that is read. unreadable: it failed."""


class ReadOptions(Struct, frozen=True):
    """How the caller wants files to be read."""

    domain: str | None = None
    """Overrides every other domain."""
    content_key: str | None = None
    """The key, or dotted path, that holds the content; items without it are recognised as usual."""
    response_key: str | None = None


class Progress(Struct):
    """How far a file has been read; the reader keeps it, the caller looks whenever it likes."""

    bytes_read: int = 0


class Record(Struct, frozen=True):
    """One record that was understood."""

    example: NewExample


class OpenFile:
    """One regular file, open for reading at any offset.

    It is closed when nothing refers to it any more: a `Span` keeps it alive for as long as its bytes may be wanted.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size_bytes = os.fstat(descriptor).st_size
        self.close = weakref.finalize(self, os.close, descriptor)

    def duplicate(self) -> int:
        """Return a descriptor of the same file, for a library that wants one of its own; the caller closes it."""
        return os.dup(self._descriptor)

    def read_at(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes; fewer only at the end of the file.

        Raises:
            UnreadableFileError: the disk or the network below the file failed.
        """
        parts: list[bytes] = []
        while count > 0:
            try:
                part = os.pread(self._descriptor, count, offset)
            except OSError as error:
                raise UnreadableFileError(f"byte {offset}: {error.strerror or error}") from error
            if not part:
                break
            parts.append(part)
            offset += len(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Span(Struct, frozen=True):
    """A part of a file that is too big to be held in memory."""

    file: OpenFile
    offset: int
    length_bytes: int

    def chunks(self, size_bytes: int) -> Iterator[bytes]:
        """Yield the bytes in pieces of ``size_bytes``, the last one shorter."""
        end = self.offset + self.length_bytes
        for start in range(self.offset, end, size_bytes):
            yield self.file.read_at(start, min(size_bytes, end - start))


class Rejected(Struct, frozen=True):
    """One record that was found and cannot be taken. It has either ``record`` or ``raw``."""

    source: str
    domain: str
    reason: str
    keys: tuple[str, ...] = ()
    """The keys seen, when it is an object: the first `MAX_KEYS_SHOWN` of them."""
    hint: str | None = None
    """The ``--map content=KEY,response=KEY`` that would take it."""
    record: Any | UnsetType = UNSET
    """The original as a JSON value."""
    raw: bytes | Span | UnsetType = UNSET
    """The original as bytes, where it is no JSON value or would lose something as one."""


class Container(Struct, frozen=True):
    """The fields of an object that holds records: they belong to the dataset, not to a record."""

    source: str
    domain: str
    metadata: dict[str, Any]


class FileSummary(Struct, frozen=True):
    """What became of a file; the last thing that `read` yields."""

    shape: str
    """json list, json object, jsonl, csv, tsv, txt, parquet, or unknown."""
    found: int
    """Records plus rejected."""
    reason: str | None = None
    """What is wrong with the file beyond single records, or why nothing was found."""
    unreadable: bool = False
    """The file as such could not be read, or not to its end."""


Event: TypeAlias = Record | Rejected | Container | FileSummary
