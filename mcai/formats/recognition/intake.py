"""Takes what the readers find: one place decides on limits, domains, sources and repair, and counts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from mcai.formats import quarantine
from mcai.formats.damage import may_need_repair
from mcai.formats.model import (
    MAX_KEYS_SHOWN,
    STDIN_PATH,
    Container,
    ReadOptions,
    Record,
    Rejected,
    SourceFile,
    Span,
)
from mcai.formats.recognition.domains import default_domain
from mcai.formats.recognition.fields import Fields, Json, Misfit
from mcai.formats.recognition.recognise import Recogniser
from mcai.identity import clean_name
from mcai.records import MAX_RECORD_BYTES, NewExample

# A record that was spelled with fewer bytes than this cannot be too large, whatever a writer makes of it.
_SMALL_BYTES = MAX_RECORD_BYTES // 2

TOO_LARGE = "the record is too large: 1 MiB is the limit"


class Inherited(Struct, frozen=True):
    """What a record takes from the container that it stands in."""

    domain: str | None = None
    created_at: str | None = None


NOTHING_INHERITED = Inherited()


class Intake:
    """Makes records and rejections out of one file's items."""

    def __init__(self, file: SourceFile, options: ReadOptions) -> None:
        self.recogniser = Recogniser(options)
        self.found = 0
        self._prefix = f"{file.path}#"
        self._is_stdin = file.path == STDIN_PATH
        self._forced_domain = clean_name(options.domain) if options.domain else None
        self._default_domain = default_domain(file)

    def source(self, position: str | int) -> str:
        """Return the ``path#position`` of the item that is being taken."""
        return f"{self._prefix}{self.found if self._is_stdin else position}"

    def take(
        self,
        obj: Json,
        position: str | int,
        size_bytes: int,
        inherited: Inherited = NOTHING_INHERITED,
        fields: Fields | Misfit | None = None,
    ) -> Record | Rejected:
        """Make an object into a record, or say why that cannot be.

        Args:
            obj: the item, without any of the faults that `json_values` looks for.
            position: where it stands in the file.
            size_bytes: how long it was there.
            inherited: what its container gives it.
            fields: what the recogniser said of it, when it was asked already.
        """
        self.found += 1
        source = self.source(position)
        if quarantine.is_quarantine_line(obj):
            return self._take_mended(obj, size_bytes, inherited)
        if fields is None:
            fields = self.recogniser.read(obj)
        if isinstance(fields, Misfit):
            return self._misfit(obj, fields, source, inherited)
        return self._finish(obj, fields, source, size_bytes, inherited, self._forced_domain)

    def refuse(
        self,
        reason: str,
        position: str | int,
        *,
        raw: bytes | Span | UnsetType = UNSET,
        record: Any = UNSET,
        keys: Iterable[str] = (),
        inherited: Inherited = NOTHING_INHERITED,
    ) -> Rejected:
        """Reject an item that cannot be taken for what it is; one of ``raw`` and ``record`` keeps the original."""
        self.found += 1
        domain = self.domain(inherited)
        return Rejected(self.source(position), domain, reason, _keys(keys), None, record, raw)

    def container(self, metadata: Json, position: str, inherited: Inherited) -> Container:
        """Make the fields of a container into what is handed to the caller."""
        return Container(f"{self._prefix}{position}", self.domain(inherited), metadata)

    def domain(self, inherited: Inherited, own: str | None = None) -> str:
        """Return the domain in effect: the forced one, the item's own, its container's, or its file's."""
        return self._forced_domain or clean_name(own or "") or inherited.domain or self._default_domain

    def _misfit(self, obj: Json, misfit: Misfit, source: str, inherited: Inherited) -> Rejected:
        named = self.recogniser.domain_of(obj)
        domain = self.domain(inherited, named[1] if named else None)
        hint = self.recogniser.hint(obj) if misfit.strength == 0 else None
        return Rejected(source, domain, misfit.reason, _keys(obj), hint, obj)

    def _finish(
        self, obj: Json, fields: Fields, source: str, size_bytes: int, inherited: Inherited, forced: str | None
    ) -> Record | Rejected:
        metadata = fields.metadata
        domain = forced or self.domain(inherited, fields.domain)
        if fields.domain_key is not None and fields.domain is not None and clean_name(fields.domain) != domain:
            metadata.setdefault(fields.domain_key, fields.domain)
        content, response = fields.content, fields.response
        if not fields.is_export and may_need_repair(content, response):
            from mcai.formats.recognition import repair  # only here: most files need none

            content, response = repair.repair(content, response, metadata)
        example = NewExample(
            content=content,
            response=response,
            domain=domain,
            emotion=fields.emotion,
            frequency_hz=fields.frequency_hz,
            created_at=fields.created_at or (None if fields.is_export else inherited.created_at),
            source=fields.source if fields.is_export else source,
            metadata=metadata,
        )
        if size_bytes > _SMALL_BYTES and _size_bytes(example) > MAX_RECORD_BYTES:
            return Rejected(source, domain, TOO_LARGE, _keys(obj), None, obj)
        return Record(example)

    def _take_mended(self, line: Json, size_bytes: int, inherited: Inherited) -> Record | Rejected:
        """Take the record inside a quarantine line; it keeps the domain and the source that it was rejected with."""
        mended = quarantine.open_line(line)
        kept = self._forced_domain or clean_name(mended.domain or "") or None
        reason, obj = mended.reason, mended.record
        if obj is not None:
            fields = self.recogniser.read(obj)
            if isinstance(fields, Fields):
                return self._finish(obj, fields, mended.source, size_bytes, inherited, kept)
            reason = fields.reason
        domain = kept or self.domain(inherited)
        keys, hint = (_keys(obj), self.recogniser.hint(obj)) if obj is not None else ((), None)
        return Rejected(mended.source, domain, reason, keys, hint, mended.original, mended.raw)


def _keys(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(keys, MAX_KEYS_SHOWN))


def _size_bytes(example: NewExample) -> int:
    texts = (example.content, example.response or "")
    return sum(len(text.encode("utf-8")) for text in texts) + len(msgspec.json.encode(example.metadata))
