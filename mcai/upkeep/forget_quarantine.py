"""Forgetting in quarantine: what an import refused lies there word for word, each line with where it came from.

No example was made of such a record, so no id leads to it. A line goes when it comes from what is forgotten: from a
source or a domain that was asked for, or from the very place that a forgotten example was read from.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from mcai.errors import NO_JSON, DamagedError
from mcai.files import files_below, open_regular, read_errors, sync_folder, write_parts
from mcai.filters import Filters, is_below
from mcai.identity import clean_name

_PIECE_BYTES = 1 << 20
"""A line may hold a record of any size; this much of it is looked at in one piece."""
_RECORD = re.compile(rb',\s*"(?:record|raw_base64)"\s*:')
"""Where the record itself begins in a line, as mcai orders it. Inside a string the quotes would be escaped."""
_STDIN = "-#"


class _Envelope(Struct):
    """What a line says of its record."""

    domain: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Wanted:
    """Which lines are to go."""

    filters: tuple[Filters, ...] = ()
    """Any of them; by domain or by source alone: of a record that was refused nothing else is known."""
    places: frozenset[bytes] = frozenset()
    """Digests of exact sources, path#position: they can be noted without naming what is to be forgotten."""

    def __bool__(self) -> bool:
        return bool(self.filters or self.places)

    def __or__(self, other: Wanted) -> Wanted:
        return Wanted(tuple(dict.fromkeys((*self.filters, *other.filters))), self.places | other.places)

    def takes(self, line: bytes) -> bool:
        """Tell whether a line, of which this is the begin, is one of them."""
        told = _read(line)
        if told is None or told.source is None:
            return False
        return _digest(told.source) in self.places or any(_matches(told, filters) for filters in self.filters)


def wanted(filters: Filters, sources: set[str]) -> Wanted:
    """Return which lines go with what is forgotten.

    Args:
        filters: that examples were asked for with; none when they are empty.
        sources: of those examples. What came from stdin is passed over: every import counts it anew.
    """
    told = Filters(domains=filters.domains, source=filters.source)
    places = frozenset(_digest(source) for source in sources if not source.startswith(_STDIN))
    return Wanted((told,) if filters and filters == told else (), places)


def _digest(source: str) -> bytes:
    return blake2b(source.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _matches(told: _Envelope, filters: Filters) -> bool:
    domains = filters.domains
    if domains and (told.domain is None or clean_name(told.domain) not in domains):
        return False
    return filters.source is None or is_below(told.source, filters.source)


@dataclass
class Counted:
    """What the quarantine holds."""

    files: int = 0
    lines: int = 0
    """Those that are to go."""
    holders: list[Path] = field(default_factory=list)
    """The files that hold some."""


def count(folder: Path, which: Wanted) -> Counted:
    """Look at every line of a folder, or of one file; change nothing. What is no file any more is passed over.

    Raises:
        StoreUnavailableError: one of them cannot be read now.
    """
    counted = Counted()
    with read_errors(folder):
        paths = _files(folder)
    for path in paths:
        with contextlib.suppress(DamagedError), read_errors(path), open_regular(path, follow=False) as file:
            lines = sum(begins and which.takes(piece) for piece, begins in _pieces(file))
            counted.files += 1
            counted.lines += lines
            counted.holders += [path] if lines else []
    return counted


def drop(folder: Path, which: Wanted) -> list[Path]:
    """Write the files that hold such lines anew, without them; one that holds nothing else goes.

    Returns:
        the files that are left as they are, for an import is just writing them.

    Raises:
        OSError: a file cannot be read or written; it is as it was.
    """
    busy: list[Path] = []
    for path in _files(folder):
        with open_regular(path, follow=False) as file:
            is_mine = _lock(file)  # before the look: an import could add a line behind it
            begun = [which.takes(piece) for piece, begins in _pieces(file) if begins]
            if not any(begun):
                continue
            if not is_mine:
                busy.append(path)
            elif all(begun):
                path.unlink()
            else:
                file.seek(0)
                write_parts(path, _staying(file, which))
    if folder.is_dir():
        sync_folder(folder)
    return busy


def _staying(file: BinaryIO, which: Wanted) -> Iterator[bytes]:
    goes = False
    for piece, begins in _pieces(file):
        goes = which.takes(piece) if begins else goes
        if not goes:
            yield piece


def _pieces(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Yield a file line by line, a long line in pieces, each with whether a line begins there."""
    begins = True
    while piece := file.readline(_PIECE_BYTES):
        yield piece, begins
        begins = piece.endswith(b"\n")


def _read(line: bytes) -> _Envelope | None:
    with contextlib.suppress(*NO_JSON):
        return msgspec.json.decode(line, type=_Envelope)
    # Longer than a piece, or with half a character in it: what stands before the record says enough.
    if record := _RECORD.search(line):
        with contextlib.suppress(ValueError, RecursionError, msgspec.ValidationError):
            return msgspec.convert(json.loads(line[: record.start()] + b"}"), _Envelope)
    return None


def _lock(file: BinaryIO) -> bool:
    """Tell whether nobody is writing a file: an import holds a shared lock on its own."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder, or the one file that was given."""
    return files_below(folder) if folder.is_dir() else [folder] if folder.is_file() else []
