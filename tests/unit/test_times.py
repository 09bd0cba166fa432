"""Dates as text: what is read, what is not, and how they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcai import times


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2025-10-17", "2025-10-17T00:00:00Z"),
        ("  2025-10-17\n", "2025-10-17T00:00:00Z"),
        ("2025-10-17 08:30", "2025-10-17T08:30:00Z"),
        ("2025-10-17T08:30:15", "2025-10-17T08:30:15Z"),
        ("2025-10-17T00:39:20.063180", "2025-10-17T00:39:20.063180Z"),
        ("2025-10-17T00:39:20,5", "2025-10-17T00:39:20.500000Z"),
        ("2025-10-17T00:39:20.123456789", "2025-10-17T00:39:20.123456Z"),
        ("2025-10-17T00:39:20Z", "2025-10-17T00:39:20Z"),
        ("2025-10-17T00:39:20z", "2025-10-17T00:39:20Z"),
        ("2025-10-17 00:39:20 +02:00", "2025-10-16T22:39:20Z"),
        ("2025-10-17T00:39:20-0530", "2025-10-17T06:09:20Z"),
        ("2025-10-17T00:39+02", "2025-10-16T22:39:00Z"),
        ("0999-01-01", "0999-01-01T00:00:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"),
    ],
)
def test_date_is_read_as_utc(text: str, shown: str) -> None:
    """A zone is taken into account, its absence means UTC; digits beyond microseconds are cut."""
    moment = times.parse(text)

    assert moment is not None and moment.tzinfo is UTC
    assert times.show(moment) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "today",
        "2025",
        "2025-10",
        "20251017",
        "17.10.2025",
        "10/17/2025",
        "2025-13-01",
        "2025-02-29",
        "2025-10-17T25:00",
        "2025-10-17T08",
        "2025-W42-5",
        "1760661560",
        "2025-10-17T00:00:00+99:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "٢٠٢٥-١٠-١٧",
        "2025-10-17\x00",
        "2025-10-17T08:30:00 Z Z",
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    """Nothing is guessed: what is no ISO 8601 date is not made into one, and raises nothing."""
    assert times.parse(text) is None


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d{2}-\d{2}[T ]?[\d:.,+Z -]*", fullmatch=True))
def test_reading_never_fails(text: str) -> None:
    """Whatever the text, the answer is a UTC moment or none."""
    moment = times.parse(text)

    assert moment is None or moment.utcoffset() == timedelta(0)


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_as_the_same(moment: datetime) -> None:
    """Writing and reading loses nothing down to the microsecond."""
    assert times.parse(times.show(moment)) == moment


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
    st.integers(min_value=-23 * 60, max_value=23 * 60),
)
def test_zone_moves_the_moment(local: datetime, offset_min: int) -> None:
    """Any offset is taken off; the moment is the same."""
    zoned = local.replace(tzinfo=timezone(timedelta(minutes=offset_min)))

    assert times.parse(zoned.isoformat()) == zoned


def test_naive_moment_is_shown_as_utc() -> None:
    """The store keeps UTC without a zone; it is shown with Z."""
    assert times.show(datetime(2025, 1, 2, 3, 4, 5)) == "2025-01-02T03:04:05Z"
    assert times.now().tzinfo is UTC
