"""Which rows are asked for: filters and cursors, and how a request spells them. One reading for store and snapshot."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import msgspec

from mcai import times, words
from mcai.errors import InvalidCursorError, InvalidRequestError
from mcai.identity import clean_name
from mcai.records import MAX_LIMIT

MAX_ID = (1 << 63) - 1


@dataclass(frozen=True)
class Filters:
    """Which rows are asked for; the empty one asks for all. A row without the value never matches."""

    domains: tuple[str, ...] = ()
    """Exact names; any of them."""
    emotion: str | None = None
    """Compared without case."""
    frequency_hz: tuple[float, float] | None = None
    """Inclusive; a ``frequency_range`` in the row's metadata matches by overlap."""
    since: datetime | None = None
    """UTC, inclusive."""
    until: datetime | None = None
    """UTC, exclusive."""
    source: str | None = None
    """A path prefix, by whole components."""

    def __bool__(self) -> bool:
        return self != Filters()

    @property
    def only_source(self) -> str | None:
        """The source, when nothing else is asked for."""
        return self.source if self == Filters(source=self.source) else None

    @property
    def only_domains(self) -> bool:
        """Whether nothing but domains is asked for, if anything is."""
        return self == Filters(domains=self.domains)


def parse_filters(
    *,
    domain: Sequence[str] = (),
    emotion: str | None = None,
    frequency: str | None = None,
    since: str | None = None,
    until: str | None = None,
    source: str | None = None,
) -> Filters:
    """Read the filters of a request.

    Raises:
        InvalidRequestError: naming the filter that cannot be read.
    """
    if source is not None and not source.strip():
        raise InvalidRequestError("source is blank", hint="It takes a path, or a part of one from its beginning.")
    return Filters(
        domains=tuple(sorted({clean_name(name) for name in domain})),
        emotion=clean_name(emotion) if emotion is not None else None,
        frequency_hz=_frequency(frequency) if frequency is not None else None,
        since=_moment("since", since),
        until=_moment("until", until),
        source=source,
    )


def source_forms(prefix: str) -> tuple[str, tuple[str, str]]:
    """Say what a source must be to lie in a path, by whole components: /a/b holds /a/b/c.json#1 and /a/b#1, not
    /a/bc.json#1.

    Returns:
        the source that is the path itself, and what every other one begins with.
    """
    itself = prefix.rstrip("/")
    return itself, (f"{itself}/", f"{itself}#")


def is_below(source: str | None, prefix: str) -> bool:
    """Tell whether a source is a path, or lies in it."""
    itself, begins = source_forms(prefix)
    return source is not None and (source == itself or source.startswith(begins))


def _frequency(text: str) -> tuple[float, float]:
    lo, dots, hi = (part.strip() for part in text.partition(".."))
    least = words.decimal(lo) if lo else -math.inf
    most = words.decimal(hi) if hi else math.inf
    if not dots or least is None or most is None or least > most:
        raise InvalidRequestError(
            f"frequency {text[:40]!r} is no range", hint="Write LO..HI in Hz; an end may be empty: 8..13, 40.., ..4"
        )
    return least, most


def _moment(name: str, text: str | None) -> datetime | None:
    moment = times.parse(text) if text is not None else None
    if text is not None and moment is None:
        raise InvalidRequestError(
            f"{name} {text[:40]!r} is no ISO 8601 date", hint="For example 2025-10-17 or 2025-10-17T08:30:00Z"
        )
    return moment


def check_limit(limit: int) -> int:
    """Return a usable limit.

    Raises:
        InvalidRequestError: it is below 1 or above 1,000.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequestError(f"limit must be 1 to {MAX_LIMIT:,}, not {limit}")
    return limit


def _fingerprint(filters: Filters) -> bytes:
    return blake2b(msgspec.json.encode(filters), digest_size=6).digest()


def make_cursor(filters: Filters, last_id: int) -> str:
    """Return the cursor behind the row ``last_id`` of a query with these filters."""
    return base64.urlsafe_b64encode(_fingerprint(filters) + last_id.to_bytes(8, "big")).decode().rstrip("=")


def read_cursor(filters: Filters, cursor: str | None) -> int:
    """Return the id behind which the page begins; 0 without a cursor.

    Raises:
        InvalidCursorError: it is damaged, or was made with other filters.
    """
    if cursor is None:
        return 0
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 14:
        raise InvalidCursorError("this is no cursor")
    if raw[:6] != _fingerprint(filters):
        raise InvalidCursorError("the cursor was made with other filters")
    return int.from_bytes(raw[6:], "big") & MAX_ID
