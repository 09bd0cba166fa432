"""Dates as text and as UTC: the only place that reads or writes a timestamp.

Stored times are UTC with microseconds. A text without a zone is read as UTC; nothing else is guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

# ISO 8601 as people write it: a date, optionally a time (T or blank between), optionally a zone.
_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:\s?(?:Z|z|[+-]\d{2}(?::?\d{2})?))?)?"
)


def parse(text: str) -> datetime | None:
    """Read an ISO 8601 date or date-time.

    Args:
        text: for example ``2025-10-17``, ``2025-10-17T00:39:20.063180`` or ``2025-10-17 00:39+02:00``.

    Returns:
        The moment as an aware UTC datetime (digits beyond microseconds are cut), or None when the text is no such date.
    """
    text = text.strip()
    if not _ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(
            text.upper().replace(",", ".").replace(" +", "+").replace(" -", "-").replace(" Z", "Z")
        )
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def show(moment: datetime) -> str:
    """Write a UTC moment as ISO 8601 with ``Z``; a naive one is taken as UTC. Microseconds only where there are any."""
    return moment.replace(tzinfo=None).isoformat() + "Z"


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


def age(moment: datetime) -> timedelta:
    """Return how long ago a moment was; one without a time zone is UTC."""
    return now() - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
