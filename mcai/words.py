"""Words that people type: how a number is spelled, and how what was typed is quoted back in a message.

One reading of numbers for command line, query strings and paths; one length for quotations, so that no message repeats
a megabyte of input.
"""

from __future__ import annotations

import re
from typing import Any

MOST_DIGITS = 100
"""Longer numbers mean nothing here, and Python refuses to read the longest."""
QUOTED_CHARACTERS = 40
MESSAGE_CHARACTERS = 600
"""Room for a reason and two paths; a screenful at most."""

_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
# ASCII alone: Python's own conversions also take 1_0, blanks around it, and the digits of other scripts.
_WHOLE = re.compile(rf"-?[0-9]{{1,{MOST_DIGITS}}}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def whole(text: str) -> int | None:
    """Read a whole number; None when the text is none."""
    return int(text) if _WHOLE.fullmatch(text) else None


def decimal(text: str) -> float | None:
    """Read a decimal number, infinite where it is too large for a float; None when the text is none."""
    return float(text) if _DECIMAL.fullmatch(text) else None


def quoted(value: Any) -> str:
    """Return a value as a message quotes it: on one line, what does not show as escapes, long ones cut short."""
    if isinstance(value, str | bytes) and len(value) > QUOTED_CHARACTERS:
        return f"{value[:QUOTED_CHARACTERS]!r}{_ELLIPSIS} ({len(value):,} long)"
    try:
        told = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return told if len(told) <= 4 * QUOTED_CHARACTERS else told[: 4 * QUOTED_CHARACTERS] + _ELLIPSIS


def shortened(text: str) -> str:
    """Return a message that fits a screen: of a longer one the beginning and the end, where the reason stands."""
    if len(text) <= MESSAGE_CHARACTERS:
        return text
    tail = MESSAGE_CHARACTERS // 4
    return text[: MESSAGE_CHARACTERS - tail - 1] + _ELLIPSIS + text[-tail:]
