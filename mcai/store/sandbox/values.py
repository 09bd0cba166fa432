"""DuckDB's types as JSON: to what each is cast inside the engine, and what is left to do in Python.

Python's own types would lose the months of an interval, the years before 1 and after 9999 and the nanoseconds, and need
a time zone library. So dates and the like leave the engine as text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from duckdb.sqltypes import DuckDBPyType

from mcai.errors import NO_JSON

Children = list[tuple[str, Any]]
"""The named parts of a nested type."""

_WHOLE = {"tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"}
_AS_IS = {"null", "boolean", "varchar", "double"} | _WHOLE
"""JSON as they are; the encoder writes NaN and the infinities as null."""
_INTEGERS = range(-(1 << 63), 1 << 64)
"""What a JSON reader takes for a whole number."""
_EXACT_DIGITS = 15
"""A double keeps so many decimal digits."""
_MOMENT = re.compile(r"(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?(?:\+00)?")


@dataclass(frozen=True)
class Shape:
    """How values of one type leave the engine."""

    sql: str
    """The type that they are cast to."""
    convert: Callable[[Any], Any] | None = None
    """What makes JSON of such a value, which is never NULL; None when it is JSON already."""

    def json(self, value: Any) -> Any:
        """Return a value from the engine as something that msgspec encodes."""
        return value if value is None or self.convert is None else self.convert(value)


def shape_of(kind: DuckDBPyType) -> Shape:
    """Return how values of a type become JSON.

    Args:
        kind: any type that a query can answer with.

    Returns:
        Numbers as numbers where a JSON reader keeps every digit, else as text; a TIMESTAMP, which is UTC here, as ISO
        8601 with Z; a BLOB as base64; JSON, lists, structs and maps as JSON; all else as DuckDB writes it.
    """
    if str(kind) == "JSON":
        return Shape("VARCHAR", _json)
    if kind.id in _AS_IS:
        return Shape(str(kind))
    if kind.id in _NESTED:
        return _NESTED[kind.id](kind.children)
    if kind.id.startswith("timestamp"):
        return Shape("VARCHAR", _moment)
    return _SCALARS.get(kind.id, Shape("VARCHAR"))


def _integer(value: int) -> int | str:
    return value if value in _INTEGERS else str(value)


def _decimal(text: str) -> float | str:
    digits = text.lstrip("-").replace(".", "").lstrip("0")
    return float(text) if len(digits) <= _EXACT_DIGITS else text


def _blob(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _moment(text: str) -> str:
    """``2025-10-17 00:39:20.06+00`` as ``2025-10-17T00:39:20.060000Z``; infinity and years BC stay as they are."""
    parts = _MOMENT.fullmatch(text)
    if parts is None:
        return text
    date, time, fraction = parts.groups()
    return f"{date}T{time}.{fraction:0<6}Z" if fraction else f"{date}T{time}Z"


def _json(text: str) -> msgspec.Raw | str:
    """Pass JSON on unread. What our own reader would not take (too deep, too big a number) is told as text."""
    try:
        msgspec.json.decode(text)
    except NO_JSON:
        return text
    return msgspec.Raw(text.encode())


def _list(children: Children) -> Shape:
    inner = shape_of(dict(children)["child"])
    return Shape(f"{inner.sql}[]", lambda values: [inner.json(value) for value in values])


def _map(children: Children) -> Shape:
    inner = shape_of(dict(children)["value"])
    # The keys of a JSON object are text, whatever they were.
    declared = f"MAP(VARCHAR, {inner.sql})"
    return Shape(declared, lambda pairs: {key: inner.json(value) for key, value in pairs.items()})


def _struct(children: Children) -> Shape:
    fields = {name: shape_of(kind) for name, kind in children}
    declared = ", ".join(f"{_quoted(name)} {shape.sql}" for name, shape in fields.items())
    return Shape(
        f"STRUCT({declared})", lambda values: {name: fields[name].json(value) for name, value in values.items()}
    )


def _tuple(children: Children) -> Shape:
    shapes = [shape_of(kind) for _, kind in children]
    declared = ", ".join(shape.sql for shape in shapes)
    return Shape(f"TUPLE({declared})", lambda values: list(map(Shape.json, shapes, values)))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_NESTED: dict[str, Callable[[Children], Shape]] = {
    "array": _list,
    "list": _list,
    "map": _map,
    "struct": _struct,
    "tuple": _tuple,
}
_SCALARS = {
    "blob": Shape("BLOB", _blob),
    "decimal": Shape("VARCHAR", _decimal),
    "float": Shape("VARCHAR", float),  # by way of its text: 0.1, not 0.10000000149011612
    "hugeint": Shape("HUGEINT", _integer),
    "uhugeint": Shape("UHUGEINT", _integer),
    "variant": Shape("JSON", _json),
}
