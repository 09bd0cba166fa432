"""Tells by the first bytes what a file is. Only certain signs count: a name is overruled by nothing less."""

from __future__ import annotations

import re

from mcai.formats.model import Kind
from mcai.formats.readers.opening import UTF8_BOM
from mcai.formats.readers.txt_grammar import START_LABEL
from mcai.formats.recognition import synonyms

HEAD_BYTES = 1 << 16

_PARQUET_MAGIC = b"PAR1"
_JSON_RECORDS = re.compile(rb'\s*(?:\[\s*)*\{\s*["}]')
_JSON_START = re.compile(rb"\s*[\[{]")
_DELIMITERS = ",;\t|"
_RESPONSES = synonyms.ranks(synonyms.RESPONSE_FIRM, synonyms.RESPONSE_LOOSE)
_CONTENTS = synonyms.ranks(synonyms.CONTENT_FIRM, synonyms.CONTENT_LOOSE)


def kind_of(head: bytes, named: Kind | None) -> Kind | None:
    """Return what a file is.

    Args:
        head: its first bytes, `HEAD_BYTES` of them are enough.
        named: what its name says; it stands unless the content is certainly something else.

    Returns:
        The kind, or None when the name says nothing and neither does the content.
    """
    if head.startswith(_PARQUET_MAGIC):
        return "parquet"
    text = head.removeprefix(UTF8_BOM)
    if named in ("json", "jsonl"):
        first_line = text.lstrip().split(b"\n", 1)[0]
        return "txt" if START_LABEL.match(first_line) else named
    if _JSON_RECORDS.match(text):
        return "json"
    if named is not None:
        return named
    if START_LABEL.search(text):
        return "txt"
    if _JSON_START.match(text):
        return "json"
    return _table_kind(text)


def _table_kind(text: bytes) -> Kind | None:
    """A first line that names both a content and a response column is a table's header."""
    header = text.lstrip().split(b"\n", 1)[0].decode("utf-8", "replace")
    for delimiter in _DELIMITERS:
        names = [synonyms.canonical(cell.strip().strip('"')) for cell in header.split(delimiter)]
        if any(name in _CONTENTS for name in names) and any(name in _RESPONSES for name in names):
            return "tsv" if delimiter == "\t" else "csv"
    return None
