"""How a verb's arguments become parts of a request: filters, ids, JSON."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict
from urllib.parse import quote

import msgspec

from mcai.errors import InvalidRequestError
from mcai.words import MOST_DIGITS, quoted

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

    Raises:
        InvalidRequestError: naming the one that is of another type.
    """
    domains = [domain] if isinstance(domain, str) else _members(domain or (), "domain is one text or several")
    given: dict[str, Any] = {"domain": [text(each, "domain") for each in domains] or None}
    for name, value in (("emotion", emotion), ("since", since), ("until", until), ("source", source)):
        given[name] = optional_text(value, name)
    given["frequency"] = frequency if frequency is None or isinstance(frequency, str) else _range(frequency)
    return {name: value for name, value in given.items() if value is not None}


def _range(ends: Any) -> str:
    told = "frequency is LO..HI, or a pair of numbers"
    pair = _members(ends, told)
    if len(pair) != 2:
        raise InvalidRequestError(f"{told}, not {quoted(ends)}")
    return "..".join("" if end is None else repr(_number(end, told)) for end in pair)


def _members(values: Any, told: str) -> list[Any]:
    """Return what a sequence or an array has; bytes, whose members are numbers, are none."""
    members = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(members, bytes | bytearray) or not isinstance(members, Iterable):
        raise InvalidRequestError(f"{told}, not {quoted(values)}")
    return list(members)


def _number(value: Any, told: str) -> float:
    # A text would do for float(), too.
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        raise InvalidRequestError(f"{told}, not {quoted(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidRequestError(f"{told}, not {quoted(value)}") from None


def text(value: Any, noun: str) -> str:
    """Read a text, not something that could be made into one."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"{noun} is a text, not {quoted(value)}")
    return value


def optional_text(value: Any, noun: str) -> str | None:
    """Read a text that may be left out; see `text`."""
    return None if value is None else text(value, noun)


def segment(name: Any, noun: str) -> str:
    """Return a name as one segment of a path."""
    try:
        told = quote(text(name, noun), safe="")
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{noun} {quoted(name)} is no valid Unicode") from None
    # As they are, these mean a step up to whoever puts a path in order on its way.
    return told.replace(".", "%2E") if told in (".", "..") else told


def numbers(values: Any) -> list[float]:
    """Read a vector: any sequence of finite numbers, a NumPy array too."""
    told = "a vector is a sequence of numbers"
    vector = [_number(each, told) for each in _members(values, told)]
    if not all(map(math.isfinite, vector)):
        raise InvalidRequestError("the vector has values that are no numbers")
    return vector


def selection(ids: Iterable[int] | None, chosen: Filtering) -> dict[str, Any]:
    """Return ids and filters as fields of a body. No ids (None) is not an empty list of them."""
    return filters(**chosen) | ({} if ids is None else {"ids": id_list(ids)})


def paging(limit: Any, cursor: Any) -> dict[str, Any]:
    """Return how much of what, and from where, as query parameters."""
    return {"limit": whole_number(limit, "limit"), "cursor": optional_text(cursor, "cursor")}


def whole_number(value: Any, noun: str = "an epoch") -> int:
    """Read a whole number, not something that could be made into one."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidRequestError(f"{noun} is a whole number, not {quoted(value)}")
    try:
        number = operator.index(value)
    except TypeError:  # an array of several numbers
        raise InvalidRequestError(f"{noun} is a whole number, not {quoted(value)}") from None
    if abs(number) >= 10**MOST_DIGITS:
        raise InvalidRequestError(f"{noun} is a whole number of at most {MOST_DIGITS} digits")
    return number


def id_list(values: Iterable[Any]) -> list[int]:
    """Read ids; a text, whose characters could be taken for several, is refused."""
    if isinstance(values, str | bytes):
        raise InvalidRequestError("ids is one text; give a list of numbers")
    return [whole_number(each, "an id") for each in _members(values, "ids is a list of numbers")]


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
