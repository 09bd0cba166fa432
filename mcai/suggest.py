"""The nearest match for a word that does not exist."""

from __future__ import annotations

from collections.abc import Iterable

_LEAST_LIKENESS = 0.5


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like another, whatever the case of either; None when none is near."""
    from difflib import get_close_matches  # only for the mistaken

    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=_LEAST_LIKENESS)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return ``Did you mean 'query'?``, or something else when no known word is near."""
    near = nearest(word, known)
    return f"Did you mean '{near}'?" if near else otherwise
