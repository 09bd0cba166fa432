"""Reads a chat (OpenAI ``messages``, ShareGPT ``conversations`` and their kin) as one record: its first exchange."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from mcai.formats import synonyms

_SPEAKERS = tuple(synonyms.canonical(name) for name in synonyms.TURN_SPEAKER)
_TEXTS = tuple(synonyms.canonical(name) for name in synonyms.TURN_TEXT)


class Exchange(Struct, frozen=True):
    """The first question of a conversation and the answer to it."""

    content: str | None
    """None when nobody asks anything."""
    response: str | None
    is_all: bool
    """The conversation holds these two texts and nothing more."""


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
    asked = next((at for at, turn in enumerate(turns) if turn.speaker in synonyms.USER_NAMES and turn.text), None)
    if asked is None:
        return Exchange(None, None, is_all=False)
    answer = next(
        (
            turn.text
            for turn in turns[asked + 1 :]
            if turn.speaker in synonyms.ASSISTANT_NAMES and turn.text is not None
        ),
        None,
    )
    is_all = len(turns) == (1 if answer is None else 2) and all(turn.is_plain for turn in turns)
    return Exchange(turns[asked].text, answer, is_all)
