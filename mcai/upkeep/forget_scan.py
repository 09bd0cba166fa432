"""Looks through raw bytes for texts that must not be there any more, whatever file they are in.

Run as ``python -m mcai.upkeep.forget_scan`` it looks through a home: a process of its own, because the daemon must not
open the file that DuckDB has open, and one that is nice to the others. The texts go in over a pipe, never over the
command line, which everybody on the machine can read.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from mcai.errors import StoreError
from mcai.files import open_regular
from mcai.upkeep.forget_source import SourceFinder

MARKER_CHARACTERS = (16, 64)
"""A shorter text may be anywhere by chance; of a longer one this much is looked for."""
MAX_MARKERS = 10_000
"""So many are looked for."""
_PLAIN = re.compile(rf'[^\x00-\x1f"\\\x7f]{{{MARKER_CHARACTERS[0]},}}')
"""What is written as it is, inside JSON too."""

_CHUNK_BYTES = 4 << 20
_WORD_BYTES = 8
_TABLE_BITS = 22
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)
NICENESS = 10


class Wanted(Struct):
    """What a scan is asked for."""

    folder: bytes
    """As the system has it: a path need not be text."""
    markers: list[bytes]
    sources: list[str] = []
    """Path prefixes, by whole components: of any length."""


class Report(Struct):
    """What a scan found."""

    scanned: list[str] = []
    """Files, by their path below the folder."""
    hits: dict[str, list[int]] = {}
    """File -> which markers are in it."""
    named: dict[str, list[int]] = {}
    """File -> which sources stand in it."""
    unread: list[str] = []
    """Files that could not be read."""


def markers_of(texts: Iterable[str]) -> list[bytes]:
    """Return what to look for: of each text the longest stretch that every format writes as it is, if it is long
    enough."""
    least, most = MARKER_CHARACTERS
    stretches = (max(_PLAIN.findall(text), key=len, default="")[-most:] for text in texts)
    return sorted({stretch.encode() for stretch in stretches if len(stretch) >= least})


class Finder:
    """Finds any of many byte strings at hundreds of megabytes a second, however many they are."""

    def __init__(self, markers: Sequence[bytes]) -> None:
        """Prepare.

        Args:
            markers: of at least 16 bytes each.
        """
        self._markers = markers
        self._longest = max((len(marker) for marker in markers), default=0)
        by_words: dict[int, list[int]] = defaultdict(list)
        for number, marker in enumerate(markers):
            by_words[1 if len(marker) < 3 * _WORD_BYTES - 1 else 2].append(number)
        self._grids = [_Grid(markers, numbers, words) for words, numbers in by_words.items()]

    def find(self, data: Any) -> set[int]:
        """Return the numbers of the markers that a buffer holds."""
        view = memoryview(data).cast("B")
        return {
            number
            for grid in self._grids
            for number, begin in grid.candidates(view)
            if self._is_at(view, number, begin)
        }

    def _is_at(self, view: memoryview, number: int, begin: int) -> bool:
        marker = self._markers[number]
        return begin >= 0 and view[begin : begin + len(marker)] == marker

    def find_in_file(self, path: Path) -> set[int]:
        """Return the numbers of the markers that a file holds.

        Raises:
            OSError: it cannot be read.
        """
        found: set[int] = set()
        with open_regular(path) as file:
            begin = 0
            while self._markers and (
                data := os.pread(file.fileno(), _CHUNK_BYTES + self._longest + 2 * _WORD_BYTES, begin)
            ):
                found |= self.find(data)
                begin += _CHUNK_BYTES
        return found


class _Grid:
    """Says where markers may stand in a buffer, from looking at its aligned words of 8 bytes alone.

    Wherever a marker stands, one of its first 8 offsets is aligned: the words that begin there are looked up in a
    table. Two words together are rare even in plain prose.
    """

    def __init__(self, markers: Sequence[bytes], numbers: Sequence[int], words: int) -> None:
        """Prepare.

        Args:
            markers: all of them.
            numbers: those that are looked for; the shortest is as long as its words and 7 bytes.
            words: so many are looked up together, 1 or 2.
        """
        self._words = words
        self._places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        """What words are mixed to -> (marker, offset in it)."""
        for number in numbers:
            for offset in range(_WORD_BYTES):
                piece = markers[number][offset : offset + words * _WORD_BYTES]
                self._places[int(self._mixed(np.frombuffer(piece, "<u8"))[0])].append((number, offset))
        self._wanted = np.sort(np.fromiter(self._places, np.uint64, len(self._places)))
        self._may_be = np.zeros(1 << _TABLE_BITS, np.bool_)
        self._may_be[_slots(self._wanted)] = True

    def candidates(self, view: memoryview) -> Iterator[tuple[int, int]]:
        """Yield (marker, where it would begin)."""
        mixed = self._mixed(np.frombuffer(view, "<u8", len(view) // _WORD_BYTES))
        at = np.flatnonzero(self._may_be[_slots(mixed)])
        nearest = np.searchsorted(self._wanted, mixed[at]).clip(max=len(self._wanted) - 1)
        at = at[self._wanted[nearest] == mixed[at]]
        for position, value in zip(at.tolist(), mixed[at].tolist(), strict=True):
            for number, offset in self._places[value]:
                yield number, position * _WORD_BYTES - offset

    def _mixed(self, words: Any) -> Any:
        mixed = words * _MULTIPLIERS[0]
        return mixed if self._words == 1 else mixed[:-1] + words[1:] * _MULTIPLIERS[1]


def scan(folder: Path, markers: Sequence[bytes], sources: Sequence[str] = ()) -> Report:
    """Look through every file of a home, in a child.

    Raises:
        StoreError: the child failed.
    """
    order = msgspec.json.encode(Wanted(os.fsencode(folder), list(markers), list(sources)))
    command = [sys.executable, "-P", "-m", "mcai.upkeep.forget_scan"]
    done = subprocess.run(command, input=order, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise StoreError(f"the files could not be looked through: exit code {done.returncode}")
    return msgspec.json.decode(done.stdout, type=Report)


def look_through(order: Wanted) -> Report:
    """Look through every regular file of a folder."""
    folder, report = Path(os.fsdecode(order.folder)), Report()
    forms = [(form, number) for number, marker in enumerate(order.markers) for form in _forms(marker)]
    finder = Finder([form for form, _ in forms])
    sources = [SourceFinder(source) for source in order.sources]
    for path in _files(folder):
        # What is no text in a name is shown escaped: the report is JSON.
        name = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
        try:
            found = finder.find_in_file(path)
            named = [number for number, source in enumerate(sources) if source.is_in_file(path)]
        except FileNotFoundError:
            continue  # removed meanwhile
        except OSError:
            report.unread.append(name)
            continue
        report.scanned.append(name)
        if found:
            report.hits[name] = sorted({forms[at][1] for at in found})
        if named:
            report.named[name] = named
    return report


def _forms(marker: bytes) -> set[bytes]:
    """Return a marker as it is, and as JSON may escape it that is to be ASCII alone."""
    return {marker} if marker.isascii() else {marker, json.dumps(marker.decode())[1:-1].encode()}


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _slots(mixed: Any) -> Any:
    return mixed >> np.uint64(64 - _TABLE_BITS)


if __name__ == "__main__":
    os.nice(NICENESS)
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Wanted)
    sys.stdout.buffer.write(msgspec.json.encode(look_through(wanted)))
