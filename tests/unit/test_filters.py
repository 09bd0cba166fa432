"""Filters and cursors as text: what a request says, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcai.errors import InvalidCursorError, InvalidRequestError
from mcai.filters import MAX_ID, Filters, check_limit, make_cursor, parse_filters, read_cursor
from mcai.wire import calls


def test_nothing_asked_for_filters_nothing() -> None:
    """Without filters there is none; each one alone makes a filter."""
    assert parse_filters() == Filters() and not Filters()
    assert parse_filters(emotion="calm") and Filters(frequency_hz=(0.0, 0.0))


def test_domains_are_a_set_of_clean_names() -> None:
    """Order, repetition, outer blanks and the way of composing letters do not matter; case does."""
    one = parse_filters(domain=["b", " a ", "cafe\u0301"])
    other = parse_filters(domain=["caf\u00e9", "a", "b", "a"])

    assert one == other and one != parse_filters(domain=["B", "a", "caf\u00e9"])


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("8..13", (8, 13)),
        ("7.83..7.83", (7.83, 7.83)),
        ("40..", (40, math.inf)),
        ("..4", (-math.inf, 4)),
        ("..", (-math.inf, math.inf)),
        (" 8 .. 13 ", (8, 13)),
        ("1e2..1E3", (100, 1000)),
        ("-1..1", (-1, 1)),
    ],
)
def test_frequency_range_is_read(text: str, ends: tuple[float, float]) -> None:
    """LO..HI in Hz; an end may be empty."""
    assert parse_filters(frequency=text).frequency_hz == ends


@pytest.mark.parametrize("text", ["", "8", "8-13", "a..b", "13..8", "nan..", "..nan", "8...13", "8..13..20", "8..,13"])
def test_unreadable_frequency_is_refused(text: str) -> None:
    """What is no range is an error that shows how one is written."""
    with pytest.raises(InvalidRequestError, match="frequency") as caught:
        parse_filters(frequency=text)

    assert "LO..HI" in caught.value.hint


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01", "2025"])
def test_unreadable_date_is_refused_by_name(name: str, text: str) -> None:
    """The error names which of the two dates cannot be read."""
    with pytest.raises(InvalidRequestError, match=name):
        parse_filters(**{name: text})


def test_bare_date_is_midnight_utc() -> None:
    """A date without a time is 00:00Z; a zone is taken off."""
    assert parse_filters(since="2025-10-17").since == parse_filters(since="2025-10-17T02:00+02:00").since


@pytest.mark.parametrize("limit", [1, 2, 1_000])
def test_limit_in_range_is_taken(limit: int) -> None:
    """1 to 1,000, both included."""
    assert check_limit(limit) == limit


@pytest.mark.parametrize("limit", [0, -1, 1_001, 10**18])
def test_limit_out_of_range_is_refused(limit: int) -> None:
    """Beyond is an error, never silently cut."""
    with pytest.raises(InvalidRequestError, match=r"1 to 1,000"):
        check_limit(limit)


@pytest.mark.parametrize("source", ["", " ", "\t"])
def test_blank_source_is_refused(source: str) -> None:
    """As a prefix it would match every path: what a script left empty must never pick everything."""
    with pytest.raises(InvalidRequestError, match="blank"):
        parse_filters(source=source)


all_filters = st.builds(
    parse_filters,
    domain=st.lists(st.text(max_size=5), max_size=3),
    emotion=st.none() | st.text(max_size=5),
    frequency=st.none() | st.sampled_from(["8..13", "..", "40..", "..4"]),
    since=st.none() | st.sampled_from(["2025-01-01", "2025-01-01T00:00:00.000001Z"]),
    until=st.none() | st.sampled_from(["2025-01-01", "2026-01-01"]),
    source=st.none() | st.text(min_size=1, max_size=5).filter(str.strip),
)
ids = st.integers(min_value=1, max_value=MAX_ID)


@given(all_filters, ids)
def test_cursor_leads_back_to_its_place(filters: Filters, last_id: int) -> None:
    """A cursor is read back with its own filters, and is safe in a URL."""
    cursor = make_cursor(filters, last_id)

    assert read_cursor(filters, cursor) == last_id
    assert cursor.replace("-", "a").replace("_", "a").isalnum() and cursor.isascii()


@given(all_filters, all_filters, ids)
def test_cursor_of_other_filters_is_refused(one: Filters, other: Filters, last_id: int) -> None:
    """A cursor is bound to its filters: with others it would skip rows silently."""
    assume(one != other)

    with pytest.raises(InvalidCursorError, match="other filters"):
        read_cursor(other, make_cursor(one, last_id))


@given(st.text(max_size=30))
def test_invented_cursor_is_refused(cursor: str) -> None:
    """Anything that is no cursor is refused as such, whatever its characters."""
    with pytest.raises(InvalidCursorError):
        read_cursor(Filters(), cursor)


def test_no_cursor_is_the_beginning() -> None:
    """The first page needs none; an empty one is not taken for none."""
    assert read_cursor(Filters(), None) == 0
    with pytest.raises(InvalidCursorError):
        read_cursor(Filters(), "")


@pytest.mark.parametrize(
    ("given_range", "ends"),
    [((8, 13), (8, 13)), ((None, 13), (-math.inf, 13)), ((8.5, None), (8.5, math.inf)), ("8..13", (8, 13))],
)
def test_client_s_pair_is_the_daemon_s_range(given_range: calls.Frequencies, ends: tuple[float, float]) -> None:
    """What `Client` writes for a pair of numbers, the daemon reads as the same."""
    written = calls.filters(frequency=given_range)["frequency"]

    assert parse_filters(frequency=written).frequency_hz == ends
