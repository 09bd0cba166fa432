"""The nearest match for a word that does not exist."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'query'?`` with a leading blank, or nothing when no known word is near."""
    from difflib import get_close_matches  # only for the mistaken

    near = get_close_matches(word.lower(), list(known), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""
