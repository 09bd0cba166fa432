"""Checks records on their way in. A bad one never fails its batch: it comes back as a `Rejection` with a reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mcai import times
from mcai.errors import InvalidRequestError
from mcai.identity import TEXT_AS_READ, clean_name, identity
from mcai.records import MAX_RECORD_BYTES, MAX_TOLD, MAX_TOLD_BYTES, NewExample
from mcai.store.base import NewRow, Rejection

_decoder = msgspec.json.Decoder(NewExample)
MAX_NAME_CHARACTERS = 200
MAX_METADATA_DEPTH = 63
"""Inside an export row it is one level deeper, and 64 can be migrated. A reader decodes on what is left of its stack:
what is nested much deeper could be stored and never read."""


def read_rows(examples: Sequence[msgspec.Raw]) -> list[NewRow | Rejection]:
    """Check a batch, record by record."""
    return [_read(raw) for raw in examples]


def _read(raw: msgspec.Raw) -> NewRow | Rejection:
    try:
        return check(_decoder.decode(raw))
    except msgspec.ValidationError as error:
        return Rejection(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Rejection(f"no valid JSON: {error}")
    except RecursionError:
        return Rejection("nested too deeply")
    except InvalidRequestError as error:
        return Rejection(error.message)


def check(example: NewExample) -> NewRow:
    """Return the example as it is stored.

    Raises:
        InvalidRequestError: naming the field that cannot be stored.
    """
    domain = clean_name(example.domain)
    _check_name("domain", domain)
    if not example.content.strip():
        raise InvalidRequestError("content is blank")
    if example.emotion is not None:
        _check_name("emotion", example.emotion.strip())
    if example.frequency_hz is not None and not (math.isfinite(example.frequency_hz) and example.frequency_hz >= 0):
        raise InvalidRequestError("frequency_hz must be a finite number, 0 or above")
    created_at = times.parse(example.created_at) if example.created_at is not None else None
    if example.created_at is not None and created_at is None:
        raise InvalidRequestError(f"created_at {example.created_at[:40]!r} is no ISO 8601 date")
    if _deeper_than(MAX_METADATA_DEPTH, example.metadata):
        raise InvalidRequestError(f"metadata is nested more than {MAX_METADATA_DEPTH} deep")
    metadata_json = msgspec.json.encode(example.metadata)
    _check_text(example, metadata_json)
    return NewRow(
        domain=domain,
        content=example.content,
        response=example.response,
        emotion=clean_name(example.emotion) if example.emotion is not None else None,
        frequency_hz=example.frequency_hz,
        frequency_range_hz=_frequency_range(example.metadata),
        created_at=created_at,
        source=example.source,
        metadata_json=metadata_json.decode(),
        identity=identity(domain, example.content, example.response, example.metadata),
    )


def edited(before: Mapping[str, Any], changes: Mapping[str, Any]) -> NewRow:
    """Return the row that ``changes`` make of an example.

    Args:
        before: the example's fields.
        changes: the fields to replace, as the request has them.

    Raises:
        InvalidRequestError: an unknown field, the id, or a value that cannot be stored.
    """
    if "id" in changes:
        raise InvalidRequestError("an id cannot be changed")
    fields = {name: before[name] for name in NewExample.__struct_fields__} | dict(changes)
    metadata = dict(fields["metadata"]) if isinstance(fields["metadata"], Mapping) else fields["metadata"]
    if isinstance(metadata, dict):
        # Whatever the new metadata are, a text that stays keeps its original, by which it is known; one that is typed
        # anew is its own.
        stored = before["metadata"].get(TEXT_AS_READ)
        kept = isinstance(stored, Mapping) and {name: text for name, text in stored.items() if name not in changes}
        if kept:
            # In its old place: a change that changes nothing must give the same JSON.
            metadata[TEXT_AS_READ] = kept
        elif isinstance(metadata.get(TEXT_AS_READ), Mapping):
            del metadata[TEXT_AS_READ]
    try:
        return check(msgspec.convert({**fields, "metadata": metadata}, NewExample))
    except msgspec.ValidationError as error:
        raise InvalidRequestError(str(error)) from error


def check_containers(containers: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Refuse what could not be kept as a dataset's metadata.

    Raises:
        InvalidRequestError: too many, too long, too deep, or with NUL characters.
    """
    for domain, told in containers.items():
        if len(told) > MAX_TOLD + 1:
            raise InvalidRequestError(f"containers of {domain[:40]!r}: {MAX_TOLD + 1} are allowed")
        for each in told:
            raw = b"" if _deeper_than(MAX_METADATA_DEPTH, each) else msgspec.json.encode(each)
            if not raw or len(raw) > MAX_TOLD_BYTES or b"\\u0000" in raw.replace(b"\\\\", b""):
                raise InvalidRequestError(
                    f"a container of {domain[:40]!r} is nested too deeply, has NUL characters, "
                    f"or more than {MAX_TOLD_BYTES:,} bytes"
                )


def _check_name(field: str, name: str) -> None:
    if not name:
        raise InvalidRequestError(f"{field} is blank")
    if len(name) > MAX_NAME_CHARACTERS:
        raise InvalidRequestError(f"{field} is longer than {MAX_NAME_CHARACTERS} characters")
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in name):
        raise InvalidRequestError(f"{field} has control characters")


def _check_text(example: NewExample, metadata_json: bytes) -> None:
    texts = [text for text in (example.content, example.response, example.source) if text is not None]
    try:
        size = len(metadata_json) + sum(len(text.encode()) for text in texts)
    except UnicodeEncodeError:
        raise InvalidRequestError("the text has lone surrogates") from None
    if size > MAX_RECORD_BYTES:
        raise InvalidRequestError(f"the record has {size:,} bytes, {MAX_RECORD_BYTES:,} are allowed")
    if any("\0" in text for text in texts) or b"\\u0000" in metadata_json.replace(b"\\\\", b""):
        raise InvalidRequestError("the text has NUL characters")


def _deeper_than(levels: int, value: Any) -> bool:
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(levels - 1, member) for member in members)


def _frequency_range(metadata: Mapping[str, Any]) -> tuple[float, float] | None:
    given = metadata.get("frequency_range")
    if not isinstance(given, list) or len(given) != 2:
        return None
    try:
        ends = [float(end) for end in given if isinstance(end, int | float) and not isinstance(end, bool)]
    except OverflowError:
        return None
    if len(ends) != 2 or not all(map(math.isfinite, ends)):
        return None
    return min(ends), max(ends)
