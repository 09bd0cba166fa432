"""What the journal's tests share: a writer that keeps count of what it wrote, and a journal with one of everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from mcai.store.journal import GENESIS, Journal, Reading, Scan, next_chain

TIMELINE = "a-timeline"

History = dict[int, tuple[bytes, bytes]]
"""epoch -> (chain value, payload)."""


def payload(epoch: int, word: str = "first", **fields: Any) -> bytes:
    """Return an entry as it could be."""
    return msgspec.json.encode({"epoch": epoch, "op": "add", "word": word, "text": "a\nb \u2028 é", **fields})


@dataclass
class Writer:
    """Appends to a journal and remembers what a reader has to find."""

    folder: Path
    segment_bytes: int = 1 << 20
    history: History = field(default_factory=dict)
    ever: set[tuple[int, bytes]] = field(default_factory=set)
    """Every (epoch, payload) that was ever appended."""

    def __post_init__(self) -> None:
        self.journal = self.open()

    @property
    def head(self) -> int:
        return max(self.history, default=0)

    def chain(self, epoch: int) -> bytes:
        return self.history[epoch][0] if epoch else GENESIS

    def open(self) -> Journal:
        options: Any = {"damaged_dir": self.folder / ".." / "damaged", "segment_bytes": self.segment_bytes}
        return Journal.open(self.folder, TIMELINE, self.head, self.chain(self.head), **options)

    def append(self, epoch: int, word: str = "first", **fields: Any) -> None:
        """Append an epoch, the next or the newest once more."""
        told = payload(epoch, word, **fields)
        chain = next_chain(self.chain(epoch - 1), told)
        self.ever.add((epoch, told))
        self.journal.append(epoch, chain, told)
        self.history[epoch] = chain, told

    def abort(self) -> None:
        self.journal.abort(self.head)
        del self.history[self.head]

    def reopen(self) -> None:
        self.journal.close()
        self.journal = self.open()


def read_all(folder: Path, **options: Any) -> History:
    """Return what a reader finds."""
    return read_and_scan(folder, **options)[0]


def read_and_scan(folder: Path, **options: Any) -> tuple[History, Scan]:
    """Return what a reader finds in one pass, after checking that it comes in order."""
    reading = Reading(folder, **options)
    entries = list(reading)
    epochs = [entry.epoch for entry in entries]
    assert epochs == sorted(set(epochs)), epochs
    return {entry.epoch: (entry.chain, entry.payload) for entry in entries}, reading.result()


def one_of_everything(folder: Path) -> Writer:
    """Write a small journal of three segments with aborts, replacements and long and short lines; it is closed."""
    writer = Writer(folder)
    for epoch in (1, 2):
        writer.append(epoch)
    writer.append(3)
    writer.abort()
    writer.append(3, "second")
    writer.append(4)
    writer.append(4, "second")
    writer.journal.roll()
    for epoch in (5, 6, 7):
        writer.append(epoch, pad="x" * 40 * (epoch - 5))
    writer.append(8)
    writer.abort()
    writer.journal.roll()
    for epoch in (8, 9):
        writer.append(epoch, "third")
    writer.journal.close()
    return writer
