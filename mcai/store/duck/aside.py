"""Puts damaged files aside, and back again when what came instead of them did not work."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from mcai.files import put_aside


class Aside:
    """Moves files into a folder; leaving the block without `keep` moves them back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._moved: dict[Path, Path] = {}

    def take(self, path: Path) -> None:
        """Move a file or a folder away, if it is there."""
        if not os.path.lexists(path):
            return
        self._moved[path] = put_aside(path, self._folder)

    def keep(self) -> list[Path]:
        """Leave everything where it is now; return where that is."""
        kept = list(self._moved.values())
        self._moved.clear()
        return kept

    def __enter__(self) -> Aside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for path, target in self._moved.items():
            target.rename(path)
        self._moved.clear()
