"""Reads the optional columns of a record. A value that cannot be used is left where it was, never guessed at."""

from __future__ import annotations

import math
import re
from typing import Any

from mcai import times

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
_EXACT_INT = 1 << 53
_TYPE_NAMES = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}


def type_name(value: Any) -> str:
    """Return what a JSON value is, as people say it."""
    return _TYPE_NAMES.get(type(value), "null")


def name_of(value: Any) -> str | None:
    """Return a domain or an emotion, which is any text that is not blank; None when it cannot be used."""
    return value if type(value) is str and value.strip() else None


def frequency_of(value: Any) -> float | None:
    """Return a frequency in Hz: a finite number from 0 up, or the same as text; None when it cannot be used."""
    if type(value) is str and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if type(value) is int and abs(value) <= _EXACT_INT:
        value = float(value)
    return value if type(value) is float and math.isfinite(value) and value >= 0 else None


def date_of(value: Any) -> str | None:
    """Return a date as it is shown (ISO 8601, UTC, ``Z``); None when it cannot be used."""
    moment = times.parse(value) if type(value) is str else None
    return times.show(moment) if moment is not None else None
