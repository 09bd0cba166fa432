"""What the recogniser finds in an object: its columns, or why it is no record."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

Json: TypeAlias = dict[str, Any]

NO_RECORD, TEXT_ALONE, LOOSE_PAIR, PROMPT_ALONE, SURE = range(5)
"""How surely an object is a record. It decides only between a record and a container of records."""


class Fields(Struct):
    """What an object says, column by column."""

    content: str
    response: str | None
    metadata: Json
    strength: int
    domain: str | None = None
    domain_key: str | None = None
    """Where the domain stood, so that it can go back to the metadata when another domain overrides it."""
    emotion: str | None = None
    frequency_hz: float | None = None
    created_at: str | None = None
    source: str | None = None
    """Set by export rows only; a record's own ``source`` is metadata."""
    is_export: bool = False
    """It came from an export of mcai: every field is given back as it stands."""


class Misfit(Struct, frozen=True):
    """An object that is no usable record."""

    reason: str
    strength: int = NO_RECORD
    """Above `NO_RECORD` when it is a record with a fault, and so neither a container nor something unknown."""


def is_flat(obj: Json) -> bool:
    """Tell whether an object holds no objects or lists, so that nothing can be found inside it."""
    kinds = set(map(type, obj.values()))
    return dict not in kinds and list not in kinds
