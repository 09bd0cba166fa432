"""Tells, cheaply, which texts may be damaged, so that `repair` is loaded and asked for those alone."""

from __future__ import annotations

import re

BREAK = "\\n"
"""A line break that was left as text."""

# The first byte of a UTF-8 sequence and one that may follow it, as the three usual misreadings show them.
_LEADS, _FOLLOWERS = bytes(range(0xC2, 0xF5)), bytes(range(0x80, 0xC0))
MISREAD = re.compile(
    "|".join(
        f"[{re.escape(_LEADS.decode(codec))}][{re.escape(_FOLLOWERS.decode(codec, 'ignore'))}]"
        for codec in ("latin-1", "cp1252", "mac_roman")
    )
)
"""What UTF-8 looks like that was read as Latin-1, Windows-1252 or MacRoman; seldom, something else as well."""


def may_need_repair(content: str, response: str | None) -> bool:
    """Tell whether one of a record's texts shows a sign of damage."""
    return _shows_damage(content) or (response is not None and _shows_damage(response))


def _shows_damage(text: str) -> bool:
    return BREAK in text or (not text.isascii() and MISREAD.search(text) is not None)
