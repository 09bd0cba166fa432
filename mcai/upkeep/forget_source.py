"""Finds a source, however short, in raw bytes: by whole components, and as JSON escapes it.

A short text may be anywhere by chance. A path is told from a longer one by what stands before and behind it.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from mcai.files import open_regular

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
        prefix = source.rstrip("/")
        as_json = (msgspec.json.encode(prefix)[1:-1], json.dumps(prefix)[1:-1].encode())
        self._forms = sorted({prefix.encode(), *as_json})
        self._longest = max(len(form) for form in self._forms)

    def is_in(self, data: bytes) -> bool:
        """Tell whether the source, or a path in it, stands in some bytes."""
        return any(self._stands(data, form) for form in self._forms)

    def is_in_file(self, path: Path) -> bool:
        """Tell whether the source, or a path in it, stands in a file.

        Raises:
            OSError: it cannot be read.
        """
        with open_regular(path) as file:
            tail = b""
            while piece := file.read(_CHUNK_BYTES):
                if self.is_in(tail + piece):
                    return True
                tail = (tail + piece)[-self._longest - 1 :]
        return False

    @staticmethod
    def _stands(data: bytes, form: bytes) -> bool:
        at = data.find(form)
        while at >= 0:
            behind = data[at + len(form) : at + len(form) + 1]
            if (not at or data[at - 1] not in _BEFORE) and (not behind or behind[0] in _BEHIND):
                return True
            at = data.find(form, at + 1)
        return False
