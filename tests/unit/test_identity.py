"""Identity: (domain, content, response) as they were read, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcai.identity import DIGEST_BYTES, clean_name, identity

Triple = tuple[str, str, str | None]

texts = st.text(st.characters(), max_size=8)
triples = st.tuples(texts, texts, st.none() | texts)


@given(triples, triples)
def test_equal_triples_alone_share_an_identity(one: Triple, other: Triple) -> None:
    """Two examples have one identity exactly when all three texts are equal, surrogates and NULs included."""
    assert len(identity(*one, {})) == DIGEST_BYTES
    assert (identity(*one, {}) == identity(*other, {})) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b", ""), ("a", "b", None)),
        (("a", "bc", "d"), ("a", "b", "cd")),
        (("ab", "c", "d"), ("a", "bc", "d")),
        (("a", "1:b", "c"), ("a1", ":b", "c")),
        (("a", "b", "-"), ("a", "b", None)),
        (("d", "é", "x"), ("d", "e\u0301", "x")),
    ],
)
def test_fields_do_not_run_into_each_other(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """No shifting of text between fields gives the same identity; content is not normalised."""
    assert identity(*one, {}) != identity(*other, {})


def test_text_as_read_decides() -> None:
    """A repaired record has the identity of the text that was read, field by field."""
    read = identity("d", "grÃ¼n", "hÃ¶her", {})

    assert identity("d", "grün", "höher", {"text_as_read": {"content": "grÃ¼n", "response": "hÃ¶her"}}) == read
    assert identity("d", "grün", "hÃ¶her", {"text_as_read": {"content": "grÃ¼n"}}) == read
    assert identity("d", "grün", "höher", {"text_as_read": {"response": "hÃ¶her"}}) != read


@pytest.mark.parametrize("as_read", [None, "text", ["content"], {}, {"content": 5, "response": None}])
def test_unusable_text_as_read_is_passed_over(as_read: Any) -> None:
    """A field of that name that somebody else put there is metadata like any other."""
    assert identity("d", "c", "r", {"text_as_read": as_read, "other": 1}) == identity("d", "c", "r", {})


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        (" Physics\n", "Physics"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u00a0Straße\u2003", "Straße"),
        ("a b", "a b"),
        (" ", ""),
    ],
)
def test_domain_is_normalised_and_trimmed(given_name: str, kept: str) -> None:
    """Domain names are NFC without outer blanks; their case and inner blanks are kept."""
    assert clean_name(given_name) == kept


@given(st.text(max_size=20))
def test_cleaning_a_clean_name_changes_nothing(name: str) -> None:
    """However often a name passes, it is the same dataset."""
    assert clean_name(clean_name(name)) == clean_name(name)
