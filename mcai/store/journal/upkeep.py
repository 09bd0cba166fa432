"""Making a journal shorter: segments that nothing needs any more go, and payloads are made to forget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from mcai.files import sync_folder, write_errors
from mcai.store.journal.lines import Entry, Torn, walk
from mcai.store.journal.segments import (
    drop_temporary,
    find_segments,
    first_epoch_of,
    opened,
    replacing,
)

Transform = Callable[[bytes], bytes | None]
"""Takes a payload and returns the one to put in its place, or None to leave it as it is."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """What `redact` did."""

    segments: int
    """Segments that were read."""
    rewritten: int
    entries: int
    """Entries that were looked at, those that an abort or a replacement took back too."""
    changed: int
    damaged_bytes: int
    """Bytes that no payload could be read from: they might hold what is to be forgotten, and are gone."""


def prune(folder: Path, keep_from_epoch: int) -> int:
    """Remove the segments that end before an epoch; the newest always stays.

    Returns:
        how many were removed.

    Raises:
        StoreError: a file cannot be removed.
    """
    segments, _ = find_segments(folder)
    with write_errors(folder):
        gone = [segment for segment, following in pairwise(segments) if first_epoch_of(following) <= keep_from_epoch]
        for segment in gone:
            segment.unlink()
        if gone:
            sync_folder(folder)
    return len(gone)


def redact(folder: Path, transform: Transform, *, segments: Sequence[Path] | None = None) -> Redacted:
    """Replace payloads; the chain values stay, and each changed entry says that it was redacted.

    Each segment is replaced as a whole or not at all. After a crash or a full disk some are done and some are not:
    doing it again completes it.

    Args:
        folder: of the journal; nobody appends to it meanwhile, unless ``segments`` leaves out what is appended to.
        transform: called with every payload.
        segments: which to look through, default all; those that `Journal.roll` returned while a journal is open.

    Raises:
        StoreFullError: the disk is full.
        StoreError: a file cannot be read or written.
    """
    with write_errors(folder):
        drop_temporary(folder)
        chosen = find_segments(folder)[0] if segments is None else segments
        done = [_redact_segment(segment, transform) for segment in chosen]
    return Redacted(
        segments=len(done),
        rewritten=sum(each.rewritten for each in done),
        entries=sum(each.entries for each in done),
        changed=sum(each.changed for each in done),
        damaged_bytes=sum(each.damaged_bytes for each in done),
    )


def _redact_segment(segment: Path, transform: Transform) -> Redacted:
    seen = _count(segment, transform)
    if not seen.changed and not seen.damaged_bytes:
        return seen
    with opened(segment) as file, replacing(segment) as fresh:
        for found in walk(file):
            if not isinstance(found, Torn):
                line = found.line
                fresh.write((_redacted(line, transform) or line if isinstance(line, Entry) else line).encode())
    return seen


def _count(segment: Path, transform: Transform) -> Redacted:
    """Look what would change, so that most segments are only read."""
    entries = changed = damaged_bytes = 0
    with opened(segment) as file:
        for found in walk(file):
            if isinstance(found, Torn):
                damaged_bytes += found.end - found.start
            elif isinstance(found.line, Entry):
                entries += 1
                changed += _redacted(found.line, transform) is not None
    return Redacted(1, int(bool(changed or damaged_bytes)), entries, changed, damaged_bytes)


def _redacted(entry: Entry, transform: Transform) -> Entry | None:
    payload = transform(entry.payload)
    return None if payload is None else Entry(entry.epoch, entry.chain, payload, redacted=True)
