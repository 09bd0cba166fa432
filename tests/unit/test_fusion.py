"""Fusion: how two kinds of scores become one order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcai.dataset.fusion import Found, Weights, explain, keyword_scores, rank

WEIGHTS = Weights(semantic=0.6, response=0.5)
BOTH = Found(similarity={1: 0.8, 2: 0.4}, content={2: 10.0, 3: 5.0}, response={3: 10.0, 4: 4.0})


def test_keyword_score_weighs_the_fields() -> None:
    """A match in the response counts for its share of one in the content; the best is 1."""
    assert keyword_scores(BOTH, WEIGHTS) == {2: 1.0, 3: 1.0, 4: 0.2}


def test_hybrid_is_a_weighted_sum_of_scaled_sides() -> None:
    """Each side is scaled to its own best hit, so neither drowns the other; a row of one side still counts."""
    ranked = rank(BOTH, "hybrid", WEIGHTS)

    assert ranked == pytest.approx({2: 0.7, 1: 0.6, 3: 0.4, 4: 0.08})
    assert list(ranked) == [2, 1, 3, 4]


def test_semantic_is_the_similarity_itself() -> None:
    """Semantic scores are not scaled, and never beyond 1 or below 0."""
    found = Found({1: 1.0000001, 2: 0.25, 3: 0.0, 4: -0.3}, {}, {})

    assert list(rank(found, "semantic", WEIGHTS).items()) == [(1, 1.0), (2, 0.25), (3, 0.0), (4, 0.0)]


def test_ties_go_by_id() -> None:
    """Equal scores come in id order, so that the same question has the same answer."""
    found = Found({9: 0.5, 3: 0.5, 5: 0.5}, {}, {})

    assert [list(rank(found, mode, WEIGHTS)) for mode in ("semantic", "hybrid")] == [[3, 5, 9], [3, 5, 9]]


@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
def test_nothing_found_ranks_nothing(mode: str) -> None:
    """No candidates, or only such without any likeness, are no hits."""
    assert rank(Found({}, {}, {}), mode, WEIGHTS) == {}
    assert rank(Found({1: -0.5, 2: 0.0}, {}, {}), mode, WEIGHTS) == {}


scores = st.dictionaries(
    st.integers(1, 30), st.floats(min_value=-1, max_value=50).map(lambda score: round(score, 4)), max_size=10
)


@given(scores, scores, scores, st.sampled_from(["hybrid", "semantic", "keyword"]))
def test_scores_are_between_0_and_1_and_fall(
    similarity: dict[int, float], content: dict[int, float], response: dict[int, float], mode: str
) -> None:
    """Whatever the index answers, scores are in 0..1, best first, of rows that were found."""
    found = Found(similarity, {k: v for k, v in content.items() if v > 0}, {k: v for k, v in response.items() if v > 0})
    ranked = rank(found, mode, Weights())

    assert all(0 <= score <= 1 + 1e-9 for score in ranked.values())
    assert list(ranked.values()) == sorted(ranked.values(), reverse=True)
    assert set(ranked) <= {*found.similarity, *found.content, *found.response}


def test_explanation_adds_up_to_the_score() -> None:
    """What `--explain` shows is what the score was made of."""
    for row, score in rank(BOTH, "hybrid", WEIGHTS).items():
        told = explain(row, BOTH, "hybrid", WEIGHTS, "", "", "")
        semantic, keyword = told["semantic"], told["keyword"]
        made = semantic["weight"] * (semantic["similarity"] or 0.0) / 0.8 + keyword["weight"] * keyword["scaled"]
        assert made == pytest.approx(score, abs=1e-4)
        assert semantic["weight"] + keyword["weight"] == pytest.approx(1)


@pytest.mark.parametrize(("mode", "parts"), [("semantic", {"semantic"}), ("keyword", {"keyword"})])
def test_explanation_tells_only_what_counted(mode: str, parts: set[str]) -> None:
    """A side that took no part is not shown."""
    assert set(explain(2, BOTH, mode, WEIGHTS, "", "", "")) == parts | {"matched_words"}


def test_matched_words_are_whole_words_of_either_field() -> None:
    """Each query word once, in its order, without regard to case, when content or answer has it as a word."""
    told = explain(1, BOTH, "hybrid", WEIGHTS, "Alpha waves, ALPHA calm über", "The alpha-wave; Über", "be CALM")

    assert told["matched_words"] == ["alpha", "calm", "über"]
