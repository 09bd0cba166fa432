"""Reads a chat (OpenAI ``messages``, ShareGPT ``conversations`` and their kin) as one record: its first exchange."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from mcai.formats.recognition import synonyms

_SPEAKERS = tuple(synonyms.canonical(name) for name in synonyms.TURN_SPEAKER)
_TEXTS = tuple(synonyms.canonical(name) for name in synonyms.TURN_TEXT)


class Exchange(Struct, frozen=True):
    """The first question of a conversation and the answer to it."""

    content: str | None
    """None when nobody asks anything."""
    response: str | None
    """None when nobody answers; without a question, the first thing that the assistant says."""
    is_all: bool
    """The conversation holds these texts, once each, and nothing more."""


class _Turn(Struct, frozen=True):
    speaker: str
    text: str | None
    is_plain: bool


def _first(turn: dict[str, Any], names: tuple[str, ...]) -> Any:
    known = {synonyms.canonical(key): value for key, value in turn.items()}
    return next((known[name] for name in names if name in known), None)


def _text(value: Any) -> tuple[str | None, bool]:
    """A turn's text may be a list of parts, some of which are no text (pictures, tool calls)."""
    if type(value) is str:
        return value, True
    if type(value) is list:
        parts = [part.get("text") for part in value if type(part) is dict]
        texts = [text for text in parts if type(text) is str]
        return ("\n".join(texts) if texts else None), False
    return None, False


def _read_turn(value: Any) -> _Turn | None:
    if type(value) is not dict:
        return None
    speaker = _first(value, _SPEAKERS)
    if type(speaker) is not str:
        return None
    text, is_text = _text(_first(value, _TEXTS))
    return _Turn(speaker.strip().casefold(), text, is_text and len(value) == 2)


def read(value: Any) -> Exchange | None:
    """Return a conversation's first exchange.

    Args:
        value: what stands under a key such as ``messages``.

    Returns:
        None when it is no conversation: no list, or with an item that names no speaker.
    """
    if type(value) is not list or not value:
        return None
    turns: list[_Turn] = []
    for item in value:
        turn = _read_turn(item)
        if turn is None:
            return None
        turns.append(turn)
    content, asked = _said_by(synonyms.USER_NAMES, turns, 0)
    response, _ = _said_by(synonyms.ASSISTANT_NAMES, turns, asked + 1)
    is_all = len(turns) == sum(text is not None for text in (content, response)) and all(
        turn.is_plain for turn in turns
    )
    return Exchange(content, response, is_all)


def _said_by(names: frozenset[str], turns: list[_Turn], start: int) -> tuple[str | None, int]:
    """Return the first text of a speaker and where it stands; None and -1 when there is none."""
    for at in range(start, len(turns)):
        if turns[at].speaker in names and turns[at].text:
            return turns[at].text, at
    return None, -1
