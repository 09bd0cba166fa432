"""How semantic and keyword scores become one: a weighted sum, each side scaled to its own best hit.

The weights are the best of a grid on ``data/search_labels.jsonl`` (``scripts/tune-fusion`` prints the grid). A weighted
sum beats reciprocal rank fusion there: it keeps how much better one hit is than the next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Scores = Mapping[int, float]

SCORE_DIGITS = 6


@dataclass(frozen=True)
class Weights:
    """What each side counts for."""

    semantic: float = 0.45
    """Share of the semantic side in a hybrid score; the keyword side has the rest."""
    response: float = 1.0
    """What a match in the response counts for, next to 1.0 for the content."""


@dataclass(frozen=True)
class Found:
    """What the index found for one query, by id."""

    similarity: Scores
    """Cosine similarity of the content's vector."""
    content: Scores
    """BM25 over the content."""
    response: Scores
    """BM25 over the response."""


def _scaled(scores: Scores) -> dict[int, float]:
    """Divide by the best score; what is not above zero is no match."""
    best = max(scores.values(), default=0.0)
    return {row: score / best for row, score in scores.items() if score > 0} if best > 0 else {}


def keyword_scores(found: Found, weights: Weights) -> dict[int, float]:
    """Return 0..1 by id: BM25 of both fields, weighted, scaled to the best hit."""
    rows = {*found.content, *found.response}
    return _scaled({row: found.content.get(row, 0.0) + weights.response * found.response.get(row, 0.0) for row in rows})


def rank(found: Found, mode: str, weights: Weights) -> dict[int, float]:
    """Return the fused scores by id, best first, ties by id.

    Args:
        found: both sides; one of them is empty unless the mode is hybrid.
        mode: ``semantic`` scores are the similarity itself, the other two are scaled to their best hit.
    """
    if mode == "semantic":
        # The nearest are asked for, so the far ones count too, at zero.
        scores = {row: min(1.0, max(0.0, score)) for row, score in found.similarity.items()}
    elif mode == "keyword":
        scores = keyword_scores(found, weights)
    else:
        semantic, keyword = _scaled(found.similarity), keyword_scores(found, weights)
        share = weights.semantic
        scores = {
            row: share * semantic.get(row, 0.0) + (1 - share) * keyword.get(row, 0.0) for row in {*semantic, *keyword}
        }
    # What is shown is what is sorted by: two hits that show the same score come by id.
    shown = {row: round(score, SCORE_DIGITS) for row, score in scores.items()}
    return dict(sorted(shown.items(), key=lambda item: (-item[1], item[0])))


def explain(
    row: int, found: Found, mode: str, weights: Weights, text: str, content: str, answer: str
) -> dict[str, Any]:
    """Say where one hit's score comes from."""
    told: dict[str, Any] = {}
    if mode != "keyword":
        told["semantic"] = {
            # None: not among the nearest, so never compared.
            "similarity": round(found.similarity[row], 4) if row in found.similarity else None,
            "weight": weights.semantic if mode == "hybrid" else 1.0,
        }
    if mode != "semantic":
        told["keyword"] = {
            "content_bm25": round(found.content.get(row, 0.0), 4),
            "response_bm25": round(found.response.get(row, 0.0), 4),
            "scaled": round(keyword_scores(found, weights).get(row, 0.0), 4),
            "content_weight": 1.0,
            "response_weight": weights.response,
            "weight": 1 - weights.semantic if mode == "hybrid" else 1.0,
        }
    words = set(_WORD.findall(f"{content} {answer}".casefold()))
    told["matched_words"] = [word for word in dict.fromkeys(_WORD.findall(text.casefold())) if word in words]
    return told


_WORD = re.compile(r"\w+")
