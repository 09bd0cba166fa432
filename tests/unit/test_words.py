"""What people type: one spelling of numbers, one length of quotations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcai.words import MESSAGE_CHARACTERS, MOST_DIGITS, decimal, quoted, shortened, whole


@given(st.integers(-(10**50), 10**50))
def test_every_whole_number_is_read(number: int) -> None:
    """Plain digits, with a minus where there is one."""
    assert whole(str(number)) == number


@pytest.mark.parametrize("text", ["", "-", "+5", " 5", "5 ", "5\n", "1_0", "0x5", "5.0", "٣", "５", "1e3", "9" * 5_000])
def test_only_plain_ascii_digits_are_a_whole_number(text: str) -> None:
    """What Python would take beyond them is no number here, nor is what it refuses to read."""
    assert whole(text) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_decimal_number_is_read(number: float) -> None:
    """As Python writes it."""
    assert decimal(repr(number)) == number


@pytest.mark.parametrize(
    "text", ["", ".", "-", "nan", "inf", "infinity", " 5", "1_0", "٣.٥", "1e", "e5", "1,5", "0x1p3"]
)
def test_only_plain_decimals_are_a_number(text: str) -> None:
    """No names of numbers that are none, no other script's digits."""
    assert decimal(text) is None


@given(st.text() | st.binary() | st.integers() | st.lists(st.text()))
def test_a_quotation_is_short_and_shows_on_one_line(value: object) -> None:
    """Nothing in it acts on a terminal, and a long value is cut."""
    told = quoted(value)
    assert told.isprintable() and len(told) <= 12 * 40


@pytest.mark.parametrize(
    "value", ["x" * 10**6, 10**100_000, ["x" * 10**6], b"x" * 10**6], ids=["text", "int", "list", "bytes"]
)
def test_a_megabyte_is_not_repeated(value: object) -> None:
    """However long the input is, the message about it is not."""
    assert len(quoted(value)) < 200


def test_a_short_value_is_quoted_whole() -> None:
    """Nothing is taken away that fits."""
    assert [quoted("one"), quoted(7), quoted("a\nb")] == ["'one'", "7", r"'a\nb'"]


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    """What it is about stands first, the reason last."""
    told = shortened(f"there is {'x' * 10**6}: no such file")
    assert len(told) == MESSAGE_CHARACTERS and told.startswith("there is x") and told.endswith("x: no such file")
    assert shortened("as it is") == "as it is"


def test_the_longest_number_can_be_read_and_written() -> None:
    """The limit stays below Python's own."""
    assert str(whole("9" * MOST_DIGITS)) == "9" * MOST_DIGITS
