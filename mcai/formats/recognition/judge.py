"""Tells records from the containers that hold them, and what a container says of itself."""

from __future__ import annotations

from enum import Enum
from typing import Any

from mcai.formats.model import MAX_DEPTH
from mcai.formats.readers.json_outline import SAMPLE_ITEMS
from mcai.formats.recognition import synonyms
from mcai.formats.recognition.fields import LOOSE_PAIR, NO_RECORD, SURE, Fields, Json, Misfit
from mcai.formats.recognition.recognise import Recogniser

NO_OBJECTS = -1
"""Weaker than `NO_RECORD`: there are no objects that could be records."""

_NOTES = frozenset(synonyms.canonical(name) for name in synonyms.NOTES)


class Role(Enum):
    """Where an object stands."""

    DOCUMENT = "document"
    """It is the whole file."""
    ELEMENT = "element"
    """One of a list, or of a file of many values."""
    MEMBER = "member"
    """Under a key of a container."""
    SIBLING = "sibling"
    """As MEMBER, and everything beside it is an object too: ``{"q1": {...}, "q2": {...}}``."""

    @property
    def is_item(self) -> bool:
        """What stands here and is no container is found: a record, or rejected."""
        return self is Role.DOCUMENT or self is Role.ELEMENT


class Verdict(Enum):
    """What an object is."""

    RECORD = "record"
    CONTAINER = "container"
    EMPTY = "empty"
    """A container that holds nothing."""
    OTHER = "other"


def member_role(obj: Json) -> Role:
    """Return the role of the objects under a container's keys."""
    return Role.SIBLING if len(obj) > 1 and all(type(value) is dict for value in obj.values()) else Role.MEMBER


def is_notes_name(key: str) -> bool:
    """Tell whether an object under this key describes its container, whatever it looks like."""
    return synonyms.canonical(key) in _NOTES


class Judge:
    """Looks into objects with a recogniser, a few elements of each list, so that a judgement costs little."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser

    def judge(self, obj: Json, fields: Fields | Misfit, role: Role) -> Verdict:
        """Tell what an object is.

        A surer record inside makes a container of what could be a record itself: a file's ``title`` and ``description``
        do not outweigh its list of questions and answers, but a question outweighs the texts of its references.

        Args:
            obj: the object, or a sketch of it.
            fields: what the recogniser makes of it.
            role: where it stands.
        """
        strength = fields.strength
        if strength == SURE:
            return Verdict.RECORD
        inside = self.inside(obj)
        if role is Role.MEMBER or role is Role.SIBLING:
            if role is Role.SIBLING and strength >= LOOSE_PAIR:
                return Verdict.RECORD
            return Verdict.CONTAINER if inside > NO_OBJECTS else Verdict.OTHER
        if inside > strength or inside == strength == LOOSE_PAIR:
            return Verdict.CONTAINER
        if strength:
            return Verdict.RECORD
        if role is Role.DOCUMENT:
            if inside == NO_RECORD:
                return Verdict.CONTAINER
            return Verdict.EMPTY if [] in obj.values() else Verdict.OTHER
        return Verdict.OTHER

    def inside(self, obj: Json, depth: int = 1) -> int:
        """Return how sure the surest record in an object is, `NO_OBJECTS` when it holds no objects in lists."""
        role = member_role(obj)
        best = NO_OBJECTS
        for key, value in obj.items():
            if type(value) is list:
                best = max(best, self._inside_list(value, depth + 1))
            elif type(value) is dict and not is_notes_name(key):
                best = max(best, self._inside_member(value, role, depth + 1))
        return best

    def is_note(self, key: str, value: Any, role: Role) -> bool:
        """Tell whether what stands under a container's key describes the container, rather than holding records."""
        if type(value) is list:
            return bool(value) and self._inside_list(value, 1) == NO_OBJECTS
        if type(value) is dict and not is_notes_name(key):
            return self._inside_member(value, role, 1) == NO_OBJECTS
        return True

    def _inside_list(self, values: list[Any], depth: int) -> int:
        best = NO_OBJECTS
        nested = [value for value in values if type(value) is dict or type(value) is list]
        for value in nested[:SAMPLE_ITEMS] if depth <= MAX_DEPTH else ():
            if isinstance(value, dict):
                strength = self._recogniser.read(value).strength
                best = max(best, strength if strength == SURE else max(strength, self.inside(value, depth + 1)))
            else:
                best = max(best, self._inside_list(value, depth + 1))
        return best

    def _inside_member(self, value: Json, role: Role, depth: int) -> int:
        if depth > MAX_DEPTH:
            return NO_OBJECTS
        strength = self._recogniser.read(value).strength
        if strength >= (SURE if role is Role.MEMBER else LOOSE_PAIR):
            return strength
        return self.inside(value, depth + 1)
