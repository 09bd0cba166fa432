"""Tells what an object is: which of its keys is the prompt, which the answer, and what is left for the metadata.

Every item is judged by itself, by its own keys; items with the same keys share one `_Plan`, so that the judging costs
next to nothing. No I/O, no limits, no domains: this module knows objects only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Literal, TypeAlias, TypeVar

from msgspec import Struct

from mcai.formats.model import ReadOptions
from mcai.formats.recognition import columns, conversation, export_row, mapping, synonyms
from mcai.formats.recognition.fields import LOOSE_PAIR, NO_RECORD, PROMPT_ALONE, SURE, TEXT_ALONE, Fields, Json, Misfit

T = TypeVar("T")
_Said: TypeAlias = Literal["content", "response"]
FIRM = 0
PAIRED = 2
"""Tiers of the names of a prompt, as `synonyms` lists them."""

_MAX_PLANS = 4_096
_CONTENT = synonyms.ranks(synonyms.CONTENT_FIRM, synonyms.CONTENT_LOOSE, synonyms.CONTENT_PAIRED)
_RESPONSE = synonyms.ranks(synonyms.RESPONSE_FIRM, synonyms.RESPONSE_LOOSE)
_CONVERSATION = synonyms.ranks(synonyms.CONVERSATION)
_DOMAIN = synonyms.ranks(synonyms.DOMAIN)
_EMOTION = synonyms.ranks(synonyms.EMOTION)
_FREQUENCY = synonyms.ranks(synonyms.FREQUENCY)
_DATE = synonyms.ranks(synonyms.DATE)
_TEXT_OBJECT = synonyms.ranks(synonyms.TEXT_OBJECT)


class _Plan(Struct, frozen=True):
    """Where to look in objects with one certain set of keys; each list is best first."""

    firm: tuple[tuple[str, int], ...]
    """Keys that mean a prompt wherever they stand."""
    loose: tuple[tuple[str, int], ...]
    """Keys that may hold a prompt when nothing better is there."""
    conversation: tuple[str, ...]
    response: tuple[tuple[str, int], ...]
    domain: tuple[str, ...]
    emotion: tuple[str, ...]
    frequency: tuple[str, ...]
    date: tuple[str, ...]
    text: tuple[str, ...]
    """Where the text is, when the object stands for a text itself."""
    has_metadata: bool


class _Text(Struct, frozen=True):
    """A text that was found under a key."""

    key: str
    text: str
    tier: int
    rest: Any = None
    """What stays under the key: what else stands in the object that held the text, or a whole conversation."""
    response: str | None = None
    """The answer that came with it, when it is the question of a conversation."""


def _ranked(keys: Iterable[str], table: dict[str, tuple[int, int]]) -> tuple[tuple[str, int], ...]:
    found = [(*table[name], key) for key in keys if (name := synonyms.canonical(key)) in table]
    return tuple((key, tier) for tier, _, key in sorted(found, key=lambda each: each[:2]))


def _names(keys: Iterable[str], table: dict[str, tuple[int, int]]) -> tuple[str, ...]:
    return tuple(key for key, _ in _ranked(keys, table))


@lru_cache(_MAX_PLANS)  # bounded: there are objects whose keys are data
def _plan(keys: tuple[str, ...]) -> _Plan:
    content = _ranked(keys, _CONTENT)
    return _Plan(
        firm=tuple(each for each in content if each[1] == FIRM),
        loose=tuple(each for each in content if each[1] != FIRM),
        conversation=_names(keys, _CONVERSATION),
        response=_ranked(keys, _RESPONSE),
        domain=_names(keys, _DOMAIN),
        emotion=_names(keys, _EMOTION),
        frequency=_names(keys, _FREQUENCY),
        date=_names(keys, _DATE),
        text=_names(keys, _TEXT_OBJECT),
        has_metadata=synonyms.METADATA in keys,
    )


def _as_text(key: str, value: Any, tier: int, said: _Said) -> _Text | None:
    """Take a text, alone, out of an object such as ``{text, emotion}``, or out of the turns of a conversation."""
    if type(value) is str:
        return _Text(key, value, tier)
    if type(value) is dict:
        for inner in _plan(tuple(value)).text:
            if type(value[inner]) is str:
                rest = {name: each for name, each in value.items() if name != inner}
                return _Text(key, value[inner], tier, rest or None)
    if type(value) is list and (exchange := conversation.read(value)) is not None:
        text = getattr(exchange, said)
        if text is not None:
            return _Text(key, text, tier, None if exchange.is_all and len(value) == 1 else value)
    return None


def _wrong_type(key: str, value: Any) -> Misfit:
    found = "an object without a text in it" if type(value) is dict else columns.type_name(value)
    # A list of objects under the name of a prompt is more likely a list of records.
    holds_objects = type(value) is list and any(type(member) is dict for member in value)
    return Misfit(f"{key!r} must be text and is {found}", NO_RECORD if holds_objects else PROMPT_ALONE)


def _first_text(candidates: Iterable[tuple[str, int]], rest: Json, said: _Said) -> _Text | Misfit | None:
    """Return the best candidate that is not null; a firm one must hold text, a loose one need not."""
    for key, tier in candidates:
        value = rest[key]
        if value is not None:
            text = _as_text(key, value, tier, said)
            if text is not None:
                return text
            if tier == FIRM:
                return _wrong_type(key, value)
    return None


def _question(plan: _Plan, rest: Json) -> _Text | Misfit | None:
    """Return the first question of a conversation, which leaves the object when it is told completely by its texts."""
    for key in plan.conversation:
        exchange = conversation.read(rest[key])
        if exchange is not None:
            if exchange.content is None:
                return Misfit(f"nobody asks anything in {key!r}: no turn of a user with text", PROMPT_ALONE)
            kept = None if exchange.is_all else rest[key]
            return _Text(key, exchange.content, FIRM, kept, exchange.response)
    return None


def _loose_content(plan: _Plan, rest: Json, has_response: bool) -> _Text | Misfit | None:
    """Return the best text under a loose name, or why what stands under one is no prompt."""
    misfit: Misfit | None = None
    for key, tier in plan.loose:
        value = rest[key]
        if value is None or (tier == PAIRED and not has_response):
            continue
        text = _as_text(key, value, tier, "content")
        if text is not None and text.text.strip():
            return text
        if misfit is None:
            misfit = Misfit(f"{key!r} is blank") if text is not None else Misfit(_wrong_type(key, value).reason)
    return misfit


def _take_mapped(rest: Json, path: str | None, said: _Said) -> _Text | Misfit | None:
    if path is None:
        return None
    is_found, value = mapping.take(rest, path)
    if not is_found or value is None:
        return None
    return _as_text(path, value, FIRM, said) or _wrong_type(path, value)


def _column(rest: Json, keys: tuple[str, ...], use: Callable[[Any], T | None]) -> T | None:
    """Move the first usable value of a column out of ``rest``; what cannot be used stays there."""
    for key in keys:
        value = rest.get(key)
        if value is None:
            rest.pop(key, None)
            continue
        used = use(value)
        if used is not None:
            del rest[key]
            return used
    return None


def _date_column(rest: Json, keys: tuple[str, ...]) -> str | None:
    """As `_column`, but a date that is not written as it will be shown stays as read, too."""
    for key in keys:
        value = rest.get(key)
        shown = columns.date_of(value)
        if value is None or shown == value:
            rest.pop(key, None)
        if shown is not None:
            return shown
    return None


def _merge_metadata(rest: Json) -> None:
    """Lift an object's own ``metadata`` one level up, unless one of its keys is taken."""
    inner = rest[synonyms.METADATA]
    if type(inner) is dict and inner.keys().isdisjoint(rest.keys() - {synonyms.METADATA}):
        del rest[synonyms.METADATA]
        rest.update(inner)


def _strength(content: _Text, has_response: bool) -> int:
    if content.tier == FIRM:
        return SURE if has_response else PROMPT_ALONE
    return LOOSE_PAIR if has_response else TEXT_ALONE


class Recogniser:
    """Reads objects as records."""

    def __init__(self, options: ReadOptions) -> None:
        self._content_path = options.content_key
        self._response_path = options.response_key

    def read(self, obj: Json) -> Fields | Misfit:
        """Return an object's columns, or why it is no record. The object itself is left as it is."""
        if len(obj) == len(synonyms.EXPORT_KEYS) and obj.keys() == synonyms.EXPORT_KEYS:
            return export_row.read(obj)
        rest = obj.copy()
        content = _take_mapped(rest, self._content_path, "content")
        response = _take_mapped(rest, self._response_path, "response")
        plan = _plan(tuple(rest))
        if response is None:
            response = _first_text(plan.response, rest, "response")
        if content is None:
            content = _first_text(plan.firm, rest, "content") or _question(plan, rest)
        if content is None:
            content = _loose_content(plan, rest, response is not None)
        if content is None:
            return Misfit(f"fits no known shape (keys: {shown_keys(obj)})")
        if isinstance(content, Misfit):
            return content
        if isinstance(response, Misfit):
            return response
        if not content.text.strip():
            return Misfit(f"{content.key!r} is blank", _strength(content, response is not None))
        return _fields(plan, rest, content, response)

    def domain_of(self, obj: Json) -> tuple[str, str] | None:
        """Return the key and the name of the domain that an object names, whatever else it is."""
        return next(((key, obj[key]) for key in _plan(tuple(obj)).domain if columns.name_of(obj[key])), None)

    def date_of(self, obj: Json) -> str | None:
        """Return the date that an object names, whatever else it is."""
        return next((date for key in _plan(tuple(obj)).date if (date := columns.date_of(obj[key]))), None)

    def hint(self, obj: Json) -> str | None:
        """Return the ``--map`` that would take an object which fits nothing."""
        plan = _plan(tuple(obj))
        known = {*plan.domain, *plan.emotion, *plan.frequency, *plan.date, "id", "source"}
        response = next((key for key, tier in plan.response if _as_text(key, obj[key], tier, "response")), None)
        return mapping.hint({key: value for key, value in obj.items() if key not in known}, response)


def _fields(plan: _Plan, rest: Json, content: _Text, response: _Text | None) -> Fields:
    """Sort what is left of a record (``rest`` is changed in place) into its columns and its metadata."""
    for found in (content, response):
        if found is not None:
            rest.pop(found.key, None)
            if found.rest is not None:
                rest[found.key] = found.rest
    if response is None:
        for key, _ in plan.response:
            if rest.get(key, "") is None:
                del rest[key]
    answer = content.response if response is None else response.text
    fields = Fields(content.text, answer, rest, _strength(content, answer is not None))
    if type(content.rest) is dict:
        _read_inner(fields, content.key, content.rest)
    _read_columns(plan, fields)
    return fields


def _read_inner(fields: Fields, key: str, inner: Json) -> None:
    """Read the emotion and the frequency that stand beside the prompt in an object of its own."""
    plan = _plan(tuple(inner))
    fields.emotion = _column(inner, plan.emotion, columns.name_of)
    fields.frequency_hz = _column(inner, plan.frequency, columns.frequency_of)
    if not inner:
        del fields.metadata[key]


def _read_columns(plan: _Plan, fields: Fields) -> None:
    rest = fields.metadata
    if plan.emotion and fields.emotion is None:
        fields.emotion = _column(rest, plan.emotion, columns.name_of)
    if plan.frequency and fields.frequency_hz is None:
        fields.frequency_hz = _column(rest, plan.frequency, columns.frequency_of)
    if plan.date:
        fields.created_at = _date_column(rest, plan.date)
    if plan.domain:
        fields.domain_key = next((key for key in plan.domain if columns.name_of(rest.get(key))), None)
        fields.domain = rest.pop(fields.domain_key) if fields.domain_key is not None else None
    if plan.has_metadata:
        _merge_metadata(rest)


def shown_keys(obj: Json) -> str:
    """Return an object's keys for a message: the first ones, none too long."""
    names = [key if len(key) <= 40 else key[:39] + "…" for key in list(obj)[:12]]
    return ", ".join(names + ["…"] * (len(obj) > len(names))) or "none"
