"""A home full of markers: what must be gone after forgetting, and what must not, in every place that can hold it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Marked:
    """Texts that are nowhere else in the world."""

    content: str = field(default_factory=lambda: f"what of {secrets.token_hex(16)}?")
    response: str = field(default_factory=lambda: f"that of {secrets.token_hex(16)}.")
    source: str = field(default_factory=lambda: f"/secret/{secrets.token_hex(16)}.json#1")
    note: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def fields(self) -> dict[str, Any]:
        """The example that says them."""
        return {
            "content": self.content,
            "response": self.response,
            "source": self.source,
            "metadata": {"note": self.note},
            "domain": "secret",
        }

    @property
    def texts(self) -> list[str]:
        return [self.content, self.response, self.source, self.note]


def files_with(folder: Path, texts: Iterable[str]) -> dict[str, list[str]]:
    """Return in which files of a folder any of the texts stands as it is."""
    needles = [text.encode() for text in texts]
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if hits := [needle.decode() for needle in needles if needle in content]:
                found[str(path.relative_to(folder))] = hits
    return found
