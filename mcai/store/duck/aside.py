"""Puts damaged files aside, and back again when what came instead of them did not work."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType


class Aside:
    """Moves files into a folder; leaving the block without `keep` moves them back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._moved: dict[Path, Path] = {}

    def take(self, path: Path) -> None:
        """Move a file or a folder away, if it is there."""
        if not os.path.lexists(path):
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        target = self._folder / f"{path.name}-{stamp}"
        path.rename(target)
        self._moved[path] = target

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
