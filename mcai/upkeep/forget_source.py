"""Finds a source, however short, in raw bytes: by whole components, and as JSON escapes it.

A short text may be anywhere by chance. A path is told from a longer one by what stands before and behind it.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from mcai.files import open_regular
from mcai.filters import source_forms

LEAST_CHARACTERS = 2
_CHUNK_BYTES = 4 << 20
_BEHIND = frozenset(b'/#"\\' + bytes(range(33)))
"""What may follow: more of the path, the place in the file, the end of a string or of a word."""
_BEFORE = frozenset(b"/._-" + bytes(sign for sign in range(128) if chr(sign).isalnum()))
"""What may not precede: the path would be the end of another one."""


class SourceFinder:
    """Finds one path prefix."""

    def __init__(self, source: str) -> None:
        """Prepare.

        Args:
            source: of at least `LEAST_CHARACTERS`, the last slash not counted.
        """
        prefix, _ = source_forms(source)
        as_json = (msgspec.json.encode(prefix)[1:-1], json.dumps(prefix)[1:-1].encode())
        self._forms = sorted({prefix.encode(), *as_json})
        self._longest = max(len(form) for form in self._forms)

    def is_in(self, data: bytes) -> bool:
        """Tell whether the source, or a path in it, stands in some bytes."""
        return self._is_within(data, begins=True, ends=True)

    def is_in_file(self, path: Path) -> bool:
        """Tell whether the source, or a path in it, stands in a file.

        Raises:
            OSError: it cannot be read.
        """
        with open_regular(path) as file:
            tail, begins = b"", True
            while piece := file.read(_CHUNK_BYTES):
                data = tail + piece
                if self._is_within(data, begins=begins, ends=False):
                    return True
                # The byte before it and all of a form that ends here: what stands behind comes with the next piece.
                tail = data[-self._longest - 1 :]
                begins = begins and len(tail) == len(data)
            return self._is_within(tail, begins=begins, ends=True)

    def _is_within(self, data: bytes, *, begins: bool, ends: bool) -> bool:
        """Tell whether a form stands in a piece of a file, which may be its begin, or its end, or neither."""
        return any(self._stands(data, form, begins=begins, ends=ends) for form in self._forms)

    @staticmethod
    def _stands(data: bytes, form: bytes, *, begins: bool, ends: bool) -> bool:
        at = data.find(form)
        while at >= 0:
            end = at + len(form)
            is_begun = data[at - 1] not in _BEFORE if at else begins
            is_ended = data[end] in _BEHIND if end < len(data) else ends
            if is_begun and is_ended:
                return True
            at = data.find(form, at + 1)
        return False
