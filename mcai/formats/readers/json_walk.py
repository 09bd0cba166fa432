"""Walks through the lists and objects of a JSON file, item by item, and carries on after what is broken.

Generators return the offset after what they walked through, or None when nothing that could be read follows.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from typing import TypeAlias

from msgspec import Struct

from mcai.formats import quarantine
from mcai.formats.model import MAX_DEPTH, MAX_ITEM_BYTES, Container, Record, Rejected
from mcai.formats.readers import json_values
from mcai.formats.readers.json_outline import Outline, member_head, outline
from mcai.formats.readers.json_resync import next_item, next_line, next_member
from mcai.formats.readers.json_scan import BLANK, SHALLOW_OBJECT, Extent, holds_object, measure, skip_blanks, skip_value
from mcai.formats.readers.window import Mark, Window
from mcai.formats.recognition import columns
from mcai.formats.recognition.fields import SURE, Fields, Json, Misfit, is_flat
from mcai.formats.recognition.intake import NOTHING_INHERITED, TOO_LARGE, Inherited, Intake
from mcai.formats.recognition.judge import Judge, Role, Verdict, is_notes_name, member_role
from mcai.identity import clean_name

Item: TypeAlias = Record | Rejected | Container
Walk: TypeAlias = Generator[Item, None, int | None]

_ITEM = re.compile(BLANK + rb",?" + BLANK + rb"(" + SHALLOW_OBJECT + rb")(?=" + BLANK + rb"[,\]])")


class Spot(Struct, frozen=True):
    """Where an item stands."""

    position: str
    """What its source says after ``#``."""
    pointer: str
    """The JSON pointer that the positions of what it holds begin with."""
    inherited: Inherited = NOTHING_INHERITED
    role: Role = Role.ELEMENT
    depth: int = 1
    like: bytes = b""
    """The bytes of an item before it."""
    is_line: bool = False
    """The file holds a value a line: what is broken ends with its line."""


class Walker:
    """Walks one file."""

    def __init__(self, window: Window, intake: Intake) -> None:
        self._window = window
        self._intake = intake
        self._judge = Judge(intake.recogniser)
        self.trouble: str | None = None
        """The first thing that is wrong with the file beyond single items."""

    def list_at(self, at: int, spot: Spot) -> Walk:
        """Walk through the list at an offset. Plain values are its container's, unless objects stand beside them."""
        if spot.depth > MAX_DEPTH:
            return (yield from self._refuse_deep(at, spot))
        holds_objects = holds_object(self._window, at)
        pos: int | None = at + 1
        index, like = 0, b""
        while pos is not None:
            for raw, obj, fields, end in self._records(pos):
                yield self._intake.take(obj, f"{spot.pointer}/{index}", len(raw), spot.inherited, fields)
                pos, index, like = end, index + 1, raw
            pos = skip_blanks(self._window, pos)
            first = self._window.byte(pos)
            if first == b"]":
                return pos + 1
            if not first:
                self.note(pos, "the file ends inside a list")
                return None
            pointer = f"{spot.pointer}/{index}"
            inner = Spot(pointer, pointer, spot.inherited, Role.ELEMENT, spot.depth + 1, like)
            if first == b"{":
                pos = yield from self.object_at(pos, inner)
            elif first == b"[":
                pos = yield from self._inner_list(pos, inner, holds_objects)
            else:
                pos = yield from self.plain_value(pos, inner, is_expected=not holds_objects)
            index += 1
        return None

    def object_at(self, at: int, spot: Spot) -> Walk:
        """Take the object at an offset, or walk through it when it holds records rather than being one."""
        extent = measure(self._window, at, MAX_ITEM_BYTES, by_line=spot.is_line)
        if extent.state != "whole":
            return (yield from self._unsound(at, extent, None, spot))
        raw = self._window.data[at - self._window.base : extent.end - self._window.base]
        try:
            obj = json_values.decode(raw)
        except json_values.FaultError as fault:
            return (yield from self._unsound(at, extent, fault, spot))
        fields = self._intake.recogniser.read(obj)
        verdict = Verdict.RECORD if quarantine.is_quarantine_line(obj) else self._judge.judge(obj, fields, spot.role)
        if verdict is Verdict.CONTAINER:
            return (yield from self._container(at, Outline(obj, set()), spot))
        if verdict is Verdict.RECORD or (verdict is Verdict.OTHER and spot.role.is_item):
            yield self._item(raw, obj, fields, spot)
        return extent.end

    def note(self, at: int, what: str) -> None:
        """Keep what is wrong with the file at a place in view, unless something was wrong before."""
        if self.trouble is None:
            self.trouble = f"{self._window.place(at)}: {what}"

    def refuse_plain(self, mark: Mark, end: int, spot: Spot) -> Rejected:
        """Reject what stands from a place up to an offset, which is no object."""
        if end - mark.offset > MAX_ITEM_BYTES:
            return self._refuse(mark, end, TOO_LARGE, spot)
        try:
            value = json_values.decode(self._window.take(mark, end).strip())
        except json_values.FaultError as fault:
            return self._refuse(mark, end, self._reason(mark.offset, fault), spot)
        reason = f"{columns.type_name(value)} where an object is expected"
        return self._intake.refuse(reason, spot.position, record=value, inherited=spot.inherited)

    def _records(self, pos: int) -> Iterator[tuple[bytes, Json, Fields | Misfit, int]]:
        """Yield what is simply a record, as fast as can be, as far as the view goes: most files hold nothing else."""
        data, base, read = self._window.data, self._window.base, self._intake.recogniser.read
        found = _ITEM.match(data, pos - base)
        while found is not None:
            try:
                obj = json_values.decode_record(found[1])
            except json_values.FaultError:
                return
            fields = read(obj)
            if fields.strength != SURE and not is_flat(obj):
                return
            yield found[1], obj, fields, base + found.end()
            found = _ITEM.match(data, found.end())

    def _item(self, raw: bytes, obj: Json, fields: Fields | Misfit, spot: Spot) -> Record | Rejected:
        try:
            json_values.check(raw, obj)
        except json_values.FaultError as fault:
            return self._intake.refuse(fault.reason, spot.position, raw=raw, keys=obj, inherited=spot.inherited)
        return self._intake.take(obj, spot.position, len(raw), spot.inherited, fields)

    def _inner_list(self, at: int, spot: Spot, holds_objects: bool) -> Walk:
        mark, found_before = self._window.mark(at), self._intake.found
        end = yield from self.list_at(at, spot)
        if holds_objects and end is not None and self._intake.found == found_before:
            yield self.refuse_plain(mark, end, spot)
        return end

    def plain_value(self, at: int, spot: Spot, *, is_expected: bool) -> Walk:
        """Pass over the text, number or word at an offset; reject it where it is not expected, or broken."""
        window, mark = self._window, self._window.mark(at)
        if window.byte(at) in (b"}", b":"):
            self.note(at, f"unexpected {window.byte(at).decode()!r}")
            return at + 1
        end = skip_value(window, at)
        if end is None:
            end = window.find_line_end(at)
        if not (is_expected and (end - at > MAX_ITEM_BYTES or json_values.is_sound(window.take(mark, end)))):
            yield self.refuse_plain(mark, end, spot)
        return end

    def _unsound(self, at: int, extent: Extent, fault: json_values.FaultError | None, spot: Spot) -> Walk:
        """Reject the object at an offset, which is broken or too long; but walk through it when it is a container."""
        window, mark = self._window, self._window.mark(at)
        reason, end = self._diagnosis(mark, extent, fault, spot)
        is_measured = extent.state in ("whole", "torn")
        window.rewind(mark)
        sketch = outline(window, at, end if is_measured else None)
        obj = sketch.fields
        verdict = self._judge.judge(obj, self._intake.recogniser.read(obj), spot.role)
        if verdict is Verdict.CONTAINER and not quarantine.is_quarantine_line(obj):
            return (yield from self._container(at, sketch, spot))
        if not is_measured:
            end = skip_value(window, at)
        if verdict is Verdict.RECORD or spot.role.is_item:
            yield self._refuse(mark, end or window.file.size_bytes, reason, spot, obj)
        else:
            self.note(at, reason)
        return end

    def _diagnosis(
        self, mark: Mark, extent: Extent, fault: json_values.FaultError | None, spot: Spot
    ) -> tuple[str, int | None]:
        """Tell what is wrong with an object, and where the next item begins (None: nowhere, or not looked for)."""
        window, at = self._window, mark.offset
        if extent.state == "long":
            return TOO_LARGE, None
        if extent.state == "deep":
            return json_values.TOO_DEEP, None
        if fault is not None:
            reason = self._reason(at, fault)
            inside = next_item(window, at, spot.like, extent.end) if fault.is_syntax else None
            return reason, inside or extent.end
        reason = self._torn_reason(mark, extent.end)
        end = next_line(window, at, extent.end) if spot.is_line else next_item(window, at, spot.like)
        if end is None or (end == extent.end and not window.byte(end)):
            reason = f"{mark.place}: the file ends inside this record"
        return reason, end

    def _torn_reason(self, mark: Mark, torn_at: int) -> str:
        window = self._window
        window.take(mark, torn_at)
        line_end = window.data.find(b"\n", torn_at - window.base)
        cut = window.data[mark.offset - window.base : line_end if line_end >= 0 else None]
        try:
            json_values.decode(cut)
        except json_values.FaultError as fault:
            return self._reason(mark.offset, fault)
        return f"{window.place(torn_at)}: invalid JSON"

    def _container(self, at: int, sketch: Outline, spot: Spot) -> Walk:
        """Walk through the members of an object that holds records."""
        window, obj = self._window, sketch.fields
        role = member_role(obj)
        inherited, notes = self._notes(at, sketch, role, spot)
        if notes:
            yield self._intake.container(notes, spot.pointer, inherited)
        pos: int | None = at + 1
        while pos is not None:
            pos = skip_blanks(window, pos)
            if window.byte(pos) == b"}":
                return pos + 1
            head = member_head(window, pos)
            if head is None:
                self.note(pos, "the file ends inside an object" if pos == window.end else "invalid JSON")
                pos = next_member(window, pos)
                continue
            key, value_at = head
            pointer = f"{spot.pointer}/{escaped(key)}"
            inner = Spot(pointer, pointer, inherited, role, spot.depth + 1)
            pos = yield from self._member(key, value_at, inner)
        return None

    def _member(self, key: str, at: int, spot: Spot) -> Walk:
        window = self._window
        first = window.byte(at)
        if first == b"[":
            return (yield from self.list_at(at, spot))
        if first == b"{" and not is_notes_name(key):
            return (yield from self.object_at(at, spot))
        mark = window.mark(at)
        end = skip_value(window, at)
        if end is None:
            window.rewind(mark)
            self.note(at, f"invalid JSON under {key!r}")
            return next_member(window, at)
        return end

    def _notes(self, at: int, sketch: Outline, role: Role, spot: Spot) -> tuple[Inherited, Json]:
        """Return what a container gives its records, and what it says of itself."""
        obj = {key: value for key, value in sketch.fields.items() if key not in sketch.partial}
        recogniser = self._intake.recogniser
        named = recogniser.domain_of(obj)
        domain = clean_name(named[1]) if named is not None else spot.inherited.domain
        inherited = Inherited(domain, recogniser.date_of(obj) or spot.inherited.created_at)
        notes = {key: value for key, value in obj.items() if self._judge.is_note(key, value, role)}
        if named is not None and self._intake.domain(inherited) == named[1]:
            del notes[named[0]]
        lost = [key for key, value in notes.items() if not json_values.is_clean({key: value})]
        lost += [key for key in sketch.partial if self._judge.is_note(key, sketch.fields[key], role)]
        if lost:
            self.note(at, f"left out of the dataset's metadata, as broken or too long: {', '.join(map(repr, lost))}")
        return inherited, {key: value for key, value in notes.items() if key not in lost}

    def _reason(self, at: int, fault: json_values.FaultError) -> str:
        return f"{self._window.place(at + (fault.offset or 0))}: {fault.reason}"

    def _refuse(self, mark: Mark, end: int, reason: str, spot: Spot, keys: Iterable[str] = ()) -> Rejected:
        raw = self._window.original(mark, end)
        return self._intake.refuse(reason, spot.position, raw=raw, keys=keys, inherited=spot.inherited)

    def _refuse_deep(self, at: int, spot: Spot) -> Walk:
        window, mark = self._window, self._window.mark(at)
        end = skip_value(window, at) or next_item(window, at, spot.like)
        yield self._refuse(mark, end or window.end, json_values.TOO_DEEP, spot)
        return end


def escaped(key: str) -> str:
    """Return a key as a JSON pointer spells it."""
    return key.replace("~", "~0").replace("/", "~1")
