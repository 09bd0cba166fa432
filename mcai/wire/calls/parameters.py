"""How a verb's arguments become parts of a request: filters, ids, JSON."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

import msgspec

from mcai.errors import InvalidRequestError

Frequencies: TypeAlias = "str | tuple[float | None, float | None]"


class Filtering(TypedDict, total=False):
    """The filters that a verb takes; see `filters`."""

    domain: str | Sequence[str] | None
    emotion: str | None
    frequency: Frequencies | None
    since: str | None
    until: str | None
    source: str | None


def filters(
    *,
    domain: str | Sequence[str] | None = None,
    emotion: str | None = None,
    frequency: Frequencies | None = None,
    since: str | None = None,
    until: str | None = None,
    source: str | None = None,
) -> dict[str, Any]:
    """Return the filters as query parameters.

    Args:
        domain: one exact name or several.
        emotion: compared without case.
        frequency: ``"LO..HI"`` or a pair in Hz, inclusive; an open end is empty or None.
        since: ISO 8601, inclusive.
        until: ISO 8601, exclusive.
        source: a path prefix, by whole components.
    """
    if frequency is not None and not isinstance(frequency, str):
        frequency = "..".join("" if end is None else repr(float(end)) for end in frequency)
    given = {
        "domain": [domain] if isinstance(domain, str) else list(domain or []) or None,
        "emotion": emotion,
        "frequency": frequency,
        "since": since,
        "until": until,
        "source": source,
    }
    return {name: value for name, value in given.items() if value is not None}


def selection(ids: Iterable[int] | None, chosen: Filtering) -> dict[str, Any]:
    """Return ids and filters as fields of a body. No ids (None) is not an empty list of them."""
    return filters(**chosen) | ({} if ids is None else {"ids": id_list(ids)})


def whole_number(value: Any, noun: str = "an epoch") -> int:
    """Read a whole number, not something that could be made into one."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidRequestError(f"{noun} is a whole number, not {value!r:.40}")
    return operator.index(value)


def id_list(values: Iterable[Any]) -> list[int]:
    """Read ids; a text, whose characters could be taken for several, is refused."""
    if isinstance(values, str | bytes):
        raise InvalidRequestError("ids is one text; give a list of numbers")
    return [whole_number(each, "an id") for each in values]


def check_plain(value: Any) -> None:
    """Refuse what JSON would silently make into something else: NaN into null, bytes into base64, a set into a list."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidRequestError(f"{value} is no JSON number")
    if isinstance(value, bytes | bytearray | set | frozenset):
        raise InvalidRequestError(f"a value of the type {type(value).__name__} is no JSON value")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InvalidRequestError("the keys of a JSON object are text")
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for each in value:
        check_plain(each)


def to_json(value: Any) -> bytes:
    """Return a value as JSON.

    Raises:
        InvalidRequestError: JSON cannot carry it.
    """
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"this cannot be written as JSON: {error}") from error
    except RecursionError:
        raise InvalidRequestError("this cannot be written as JSON: it is nested too deeply") from None
