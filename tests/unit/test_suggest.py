"""The nearest name for a mistyped one."""

from __future__ import annotations

import pytest

from mcai.suggest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("qurey", ["get", "query"], "query"),
        ("PHYSICS", ["Physics", "Music"], "Physics"),
        ("physics", ["Physics"], "Physics"),
        ("xyz", ["query"], None),
        ("", ["query"], None),
        ("query", [], None),
    ],
)
def test_the_nearest_is_found_whatever_its_case(word: str, known: list[str], near: str | None) -> None:
    """A name is given back as it is spelled; where nothing is near, none is invented."""
    assert nearest(word, known) == near


def test_the_question_or_something_else() -> None:
    """A hint is never empty where the caller has another one to give."""
    assert did_you_mean("qurey", ["query"], "See: --help") == "Did you mean 'query'?"
    assert did_you_mean("xyz", ["query"], "See: --help") == "See: --help"
    assert did_you_mean("xyz", ["query"]) == ""
