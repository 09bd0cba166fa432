"""Making a journal end where the catalog ends, before anything is appended to it."""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path

from mcai.errors import StoreError
from mcai.files import sync_folder
from mcai.store.journal.lines import Abort, Entry, Header, Torn, is_incomplete, walk
from mcai.store.journal.segments import (
    FILE_MODE,
    drop_temporary,
    find_segments,
    first_epoch_of,
    opened,
)


def cut_back(folder: Path, timeline: str, head: int, chain: bytes, damaged_dir: Path) -> Path | None:
    """Cut off what a journal holds beyond an epoch; what was there is kept in another folder.

    Args:
        folder: the journal's.
        timeline: whose journal it must be.
        head: the last epoch that stays.
        chain: its chain value: another epoch of that number does not stay.
        damaged_dir: made when it is needed.

    Returns:
        the segment to go on with, or None when the next epoch has to begin a new one.

    Raises:
        StoreError: the newest segment belongs to another timeline; nothing was cut.
        OSError: a file cannot be read or written.
    """
    drop_temporary(folder)
    segments, _ = find_segments(folder)
    for segment in reversed(segments):
        end = _End(segment, timeline, head, chain)
        if first_epoch_of(segment) <= head:
            end.cut(damaged_dir)
            return segment if end.is_at_head else None
        if end.holds_more:
            _keep(segment, 0, damaged_dir)
        segment.unlink()
        sync_folder(folder)
    return None


class _End:
    """Where a segment has to end."""

    def __init__(self, segment: Path, timeline: str, head: int, chain: bytes) -> None:
        self.segment = segment
        self.offset_bytes = 0
        self.is_at_head = False
        """The last entry before the end is the head's."""
        self._is_terminated = True
        self._head = head
        self._chain = chain
        with opened(segment) as file:
            for found in walk(file):
                if isinstance(found, Torn):
                    continue
                if isinstance(found.line, Header) and found.line.timeline != timeline:
                    raise StoreError(f"{segment} belongs to another timeline, {found.line.timeline}")
                if self._stays(found.line):
                    self.offset_bytes = found.end
                    self._is_terminated = found.terminated
            self._size_bytes = file.seek(0, os.SEEK_END)
            self.holds_more = self._size_bytes > self.offset_bytes and not is_incomplete(file, self.offset_bytes)
            """There is more behind the end than the unfinished line of a crash."""

    def _stays(self, line: Header | Entry | Abort) -> bool:
        match line:
            case Entry():
                is_head = line.epoch == self._head and line.chain == self._chain
                self.is_at_head = is_head or (self.is_at_head and line.epoch > self._head)
                return is_head or line.epoch < self._head
            case Abort():
                self.is_at_head = self.is_at_head and line.epoch > self._head
                return line.epoch <= self._head + 1
        return True

    def cut(self, damaged_dir: Path) -> None:
        """Cut the segment off at its end, and complete a last line that only lacks its newline."""
        if self._size_bytes == self.offset_bytes and self._is_terminated:
            return
        if self.holds_more:
            _keep(self.segment, self.offset_bytes, damaged_dir)
        descriptor = os.open(self.segment, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "ab") as file:
            file.truncate(self.offset_bytes)
            if not self._is_terminated:
                file.write(b"\n")
            file.flush()
            os.fsync(descriptor)


def _keep(segment: Path, offset_bytes: int, damaged_dir: Path) -> None:
    """Copy a segment, from an offset on, to a new file in another folder."""
    damaged_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = (f"journal-{segment.stem}-from-{offset_bytes}{f'-{n}' if n else ''}.jsonl" for n in count())
    target = next(path for path in (damaged_dir / name for name in names) if not path.exists())
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with opened(segment) as source, os.fdopen(descriptor, "wb") as copy:
        source.seek(offset_bytes)
        shutil.copyfileobj(source, copy)
        copy.flush()
        os.fsync(descriptor)
    sync_folder(damaged_dir)
