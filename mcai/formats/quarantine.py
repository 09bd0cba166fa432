"""The quarantine line: how a rejected record is written down, and how it is read again once it was mended.

{"domain": ..., "source": ..., "reason": ..., "record": ...}        the original, a JSON value
{"domain": ..., "source": ..., "reason": ..., "raw_base64": "..."}  the original, where it is no JSON value
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec
from msgspec import UNSET, Struct, UnsetType

from mcai.formats.model import Rejected, Span
from mcai.formats.readers import json_values, txt_grammar
from mcai.formats.recognition import columns, synonyms
from mcai.formats.recognition.fields import Json

_ENVELOPE_KEYS = ("domain", "source", "reason")
_RECORD_KEYS = frozenset({*_ENVELOPE_KEYS, "record"})
_RAW_KEYS = frozenset({*_ENVELOPE_KEYS, "raw_base64"})
# A multiple of three, so that pieces of base64 can be joined.
_PIECE_BYTES = 3 << 18


def write_quarantine_line(rejected: Rejected, out: BinaryIO) -> None:
    """Write one rejected record as a JSON line; one of any size takes little memory.

    Args:
        rejected: as `read` yielded it. Its file must not have changed since.
        out: a binary stream.
    """
    head = {"domain": rejected.domain, "source": rejected.source, "reason": rejected.reason}
    out.write(_encode(head)[:-1])
    if rejected.raw is UNSET:
        out.write(b',"record":' + _encode(rejected.record))
    else:
        out.write(b',"raw_base64":"')
        for piece in _pieces(rejected.raw):
            out.write(binascii.b2a_base64(piece, newline=False))
        out.write(b'"')
    out.write(b"}\n")


def _encode(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate can be written as an escape only
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def _pieces(raw: bytes | Span | UnsetType) -> Iterator[bytes]:
    if isinstance(raw, Span):
        yield from raw.chunks(_PIECE_BYTES)
    elif isinstance(raw, bytes):
        yield raw


class Mended(Struct, frozen=True):
    """What stands inside a quarantine line."""

    source: str
    domain: str | None
    """None when the line names none."""
    record: Json | None
    """None when it cannot be read."""
    reason: str = ""
    """Why not."""
    original: Any = UNSET
    raw: bytes | UnsetType = UNSET
    """The original again, one of the two, for the next quarantine."""


def is_quarantine_line(obj: Json) -> bool:
    """Tell whether an object has exactly the keys of a quarantine line."""
    return len(obj) == 4 and (obj.keys() == _RECORD_KEYS or obj.keys() == _RAW_KEYS) and type(obj["source"]) is str


def open_line(line: Json) -> Mended:
    """Take the record out of a quarantine line."""
    source, domain = line["source"], columns.name_of(line["domain"])
    if "record" in line:
        inner = line["record"]
        if type(inner) is dict:
            if inner.get("source") == source and inner.keys() <= synonyms.EXPORT_KEYS:
                # It was an example already when it was refused: it comes back as one, field by field.
                inner = {key: inner.get(key) for key in synonyms.EXPORT_KEYS}
            return Mended(source, domain, inner, original=inner)
        reason = f"'record' must be an object and is {columns.type_name(inner)}: mend it first"
        return Mended(source, domain, None, reason, original=inner)
    try:
        raw = binascii.a2b_base64(line["raw_base64"], strict_mode=True)
    except (TypeError, ValueError):
        return Mended(source, domain, None, "'raw_base64' holds no base64", original=line["raw_base64"])
    return _open_raw(source, domain, raw)


def _open_raw(source: str, domain: str | None, raw: bytes) -> Mended:
    texts = txt_grammar.parse_one(raw)
    if texts is not None and "\0" not in texts[0] + texts[1]:
        return Mended(source, domain, {"prompt": texts[0], "completion": texts[1]}, raw=raw)
    try:
        value = json_values.decode_record(raw)
    except json_values.FaultError as fault:
        return Mended(source, domain, None, fault.reason, raw=raw)
    if type(value) is not dict:
        return Mended(source, domain, None, f"it must be an object and is {columns.type_name(value)}", raw=raw)
    return Mended(source, domain, value, raw=raw)
