"""The lines of a journal: how one is written, and how the whole ones are found in a file that may be damaged anywhere.

A line is eight hexadecimal digits (the CRC-32 of what follows the blank), a blank, JSON, a newline. Damage is stepped
over by looking for the next place where a line could begin; nothing is taken for a line unless its checksum says so.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import BinaryIO

import msgspec

from mcai.errors import StoreError

FORMAT = 1
MAX_LINE_BYTES = 256 << 20
CHAIN_BYTES = 16
GENESIS = bytes(CHAIN_BYTES)
"""What the first epoch of a timeline follows."""

_PIECE_BYTES = 64 << 10
_CHECKSUM_BYTES = 9
"""Eight digits and the blank."""
_START = re.compile(rb'[0-9a-f]{8} \{"')
_START_BYTES = 11
_BODY = b' {"'
"""What every line has behind its digits. To look for these three bytes is thirty times faster than to match digits."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a segment: whose it is and what it goes on from."""

    timeline: str
    first_epoch: int
    previous_chain: bytes
    """The chain value of the epoch before ``first_epoch``."""
    version: int = FORMAT

    def encode(self) -> bytes:
        told = {
            "mcai_journal": self.version,
            "timeline": self.timeline,
            "first_epoch": self.first_epoch,
            "previous_chain": self.previous_chain.hex(),
        }
        return _sealed(msgspec.json.encode(told))


@dataclass(frozen=True, slots=True)
class Entry:
    """One epoch, as it was appended or as `redact` left it."""

    epoch: int
    chain: bytes
    """16 bytes: `next_chain` of the epoch before and of the payload as it was first written."""
    payload: bytes
    """One JSON object."""
    redacted: bool = False
    """The payload is no more the one that ``chain`` was made from."""

    def encode(self) -> bytes:
        """Return the line.

        Raises:
            StoreError: the line would be longer than a reader takes.
        """
        if not (self.payload.startswith(b"{") and self.payload.endswith(b"}")) or b"\n" in self.payload:
            raise ValueError("a journal entry's payload is one JSON object on one line")
        if len(self.chain) != CHAIN_BYTES:
            raise ValueError(f"a chain value has {CHAIN_BYTES} bytes, not {len(self.chain)}")
        mark = b'"redacted":true,' if self.redacted else b""
        told = b'{"epoch":%d,"chain":"%s",%s"entry":%s}'
        line = _sealed(told % (self.epoch, self.chain.hex().encode(), mark, self.payload))
        if len(line) > MAX_LINE_BYTES:
            raise StoreError(
                f"one change of {len(line) >> 20} MiB is more than the journal takes ({MAX_LINE_BYTES >> 20} MiB)",
                hint="Make the change in smaller parts.",
            )
        return line


@dataclass(frozen=True, slots=True)
class Abort:
    """The entry of this epoch that stands before it never happened."""

    epoch: int

    def encode(self) -> bytes:
        return _sealed(b'{"epoch":%d,"abort":true}' % self.epoch)


@dataclass(frozen=True, slots=True)
class Found:
    """A whole line and where it stands."""

    line: Header | Entry | Abort
    start: int
    end: int
    """Behind the newline, or behind the text where the newline is damaged."""
    terminated: bool


@dataclass(frozen=True, slots=True)
class Torn:
    """Bytes that are no whole line."""

    start: int
    end: int


class _Form(msgspec.Struct):
    """Every kind of line at once: which one it is, its fields say."""

    epoch: int = 0
    chain: str = ""
    redacted: bool = False
    abort: bool = False
    entry: msgspec.Raw = msgspec.Raw()
    mcai_journal: int = 0
    timeline: str = ""
    first_epoch: int = 0
    previous_chain: str = ""


_decoder = msgspec.json.Decoder(_Form)


def next_chain(previous: bytes, payload: bytes) -> bytes:
    """Return the chain value of an epoch, which vouches for it and for all epochs before it.

    Args:
        previous: that of the epoch before, `GENESIS` for the first.
        payload: the epoch's entry, exactly as it is appended.
    """
    digest = blake2b(previous, digest_size=CHAIN_BYTES)
    digest.update(payload)
    return digest.digest()


def walk(file: BinaryIO) -> Iterator[Found | Torn]:
    """Yield everything that a segment consists of, from its start to its end, in memory bounded by one line.

    Args:
        file: opened for reading, at its start, seekable.
    """
    at = 0
    while raw := _read_line(file):
        terminated = raw.endswith(b"\n")
        line = parse(raw[:-1]) if terminated else None
        if line:
            yield Found(line, at, at + len(raw), terminated)
            at += len(raw)
            continue
        end = _next_start(file, at + 1)
        if rescued := _without_newline(file, at, end):
            yield rescued
        start = rescued.end if rescued else at
        if start < end:
            yield Torn(start, end)
        at = end
        file.seek(at)


def parse(text: bytes) -> Header | Entry | Abort | None:
    """Return what a line says, None when it is not one.

    Args:
        text: the line without its newline.
    """
    body = memoryview(text)[_CHECKSUM_BYTES:]
    if text[:_CHECKSUM_BYTES] != b"%08x " % zlib.crc32(body):
        return None
    try:
        form = _decoder.decode(body)
        if form.mcai_journal:
            chain = bytes.fromhex(form.previous_chain)
            return Header(form.timeline, form.first_epoch, chain, form.mcai_journal)
        if form.abort:
            return Abort(form.epoch)
        chain = bytes.fromhex(form.chain)
    except (msgspec.MsgspecError, ValueError):
        return None
    payload = bytes(form.entry)
    return Entry(form.epoch, chain, payload, form.redacted) if payload and len(chain) == CHAIN_BYTES else None


def is_incomplete(file: BinaryIO, start: int) -> bool:
    """Tell whether what a segment holds from an offset on could be a line of which the rest was never written."""
    file.seek(start)
    head = file.read(_START_BYTES)
    digits = re.sub(rb"[0-9a-f]", b"0", head[:8])
    if digits + head[8:] != b'00000000 {"'[: len(head)]:
        return False
    return not any(b"\n" in piece for piece in iter(partial(file.read, _PIECE_BYTES), b""))


def _sealed(body: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _read_line(file: BinaryIO) -> bytes:
    """Return the bytes up to the next newline; no more than a piece of them when no line begins here."""
    raw = file.readline(_PIECE_BYTES)
    if len(raw) < _PIECE_BYTES or raw.endswith(b"\n") or not _START.match(raw):
        return raw
    return raw + file.readline(MAX_LINE_BYTES - len(raw))


def _next_start(file: BinaryIO, at: int) -> int:
    """Return the offset, from ``at`` on, of the next place where a line could begin, else that of the end."""
    while True:
        file.seek(at)
        piece = file.read(_PIECE_BYTES)
        body = piece.find(_BODY)
        while body >= 0:
            start = body - _CHECKSUM_BYTES + 1
            if start >= 0 and _START.match(piece, start):
                return at + start
            body = piece.find(_BODY, body + 1)
        if len(piece) < _PIECE_BYTES:
            return at + len(piece)
        at += len(piece) - _START_BYTES + 1


def _without_newline(file: BinaryIO, start: int, end: int) -> Found | None:
    """Return the line between two offsets when nothing but its newline is missing or damaged."""
    if end - start > MAX_LINE_BYTES:
        return None
    file.seek(start)
    text = file.read(end - start)
    for length in (len(text), len(text) - 1):
        if line := parse(text[:length]):
            return Found(line, start, start + length, terminated=False)
    return None
