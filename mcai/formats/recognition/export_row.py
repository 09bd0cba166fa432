"""Reads a row of mcai's own exports: every field but ``id`` is given back as it stands."""

from __future__ import annotations

from mcai.formats.recognition import columns, synonyms
from mcai.formats.recognition.fields import SURE, Fields, Json, Misfit

_OPTIONAL = ("domain", "emotion", "frequency_hz", "created_at", "source")


def read(row: Json) -> Fields | Misfit:
    """Read an object that has exactly the keys of an example.

    An optional column that was edited into something unusable goes to the metadata under its own name, as anywhere.
    """
    content, response, metadata = row["content"], row["response"], row[synonyms.METADATA]
    if type(content) is not str or (response is not None and type(response) is not str):
        key = "response" if type(content) is str else "content"
        return Misfit(f"{key!r} must be text and is {columns.type_name(row[key])}", SURE)
    if not content.strip():
        return Misfit("'content' is blank", SURE)
    if metadata is not None and type(metadata) is not dict:
        return Misfit(f"'metadata' must be an object and is {columns.type_name(metadata)}", SURE)
    fields = Fields(content, response, {}, SURE, is_export=True)
    fields.domain = columns.name_of(row["domain"])
    fields.domain_key = "domain" if fields.domain is not None else None
    fields.emotion = columns.name_of(row["emotion"])
    fields.frequency_hz = columns.frequency_of(row["frequency_hz"])
    fields.created_at = columns.date_of(row["created_at"])
    fields.source = columns.name_of(row["source"])
    unused = {key: row[key] for key in _OPTIONAL if getattr(fields, key) is None and row[key] is not None}
    kept: Json = metadata or {}
    taken = next((key for key in unused if key in kept), None)
    if taken is not None:
        return Misfit(f"{taken!r} cannot be used and the metadata has a key of that name already", SURE)
    fields.metadata = {**kept, **unused}
    return fields
