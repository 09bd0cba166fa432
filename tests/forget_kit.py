"""A home full of markers: what must be gone after forgetting, and what must not, in every place that can hold it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mcai.filters import Filters
from mcai.paths import Home
from mcai.records import ForgetResult, Place
from mcai.store.duck import DuckCatalog, recovery
from mcai.upkeep.archive_files import ArchiveFiles
from mcai.upkeep.forget import Forgetting
from mcai.upkeep.hooks import Derived

T = TypeVar("T")

LIVE, ARCHIVED, EDITED = 1, 2, 3
"""The ids of the marked examples in a planted home; 4 and 5 are others."""


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


@contextmanager
def opened(home: Home) -> Iterator[DuckCatalog]:
    """Open a home's catalog as a start does."""
    home.dir.mkdir(mode=0o700, exist_ok=True)
    catalog = recovery.open_catalog(home, []).catalog
    try:
        yield catalog
    finally:
        catalog.close()


async def nothing_derived(ids: Sequence[int]) -> list[Place]:
    """Stand in for index and snapshot where there are none."""
    return []


def forgetting_of(home: Home, catalog: DuckCatalog, derived: Derived = nothing_derived) -> Forgetting:
    """Return what makes a home forget, without a daemon around it."""

    async def write(work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    return Forgetting(home, catalog, write, derived, ArchiveFiles(catalog, home.archive_dir), asyncio.Lock())


def forget(
    home: Home, catalog: DuckCatalog, ids: Sequence[int] = (), *, dry_run: bool = False, **filters: Any
) -> ForgetResult:
    """Forget, and return the receipt."""
    return asyncio.run(forgetting_of(home, catalog).forget(ids, Filters(**filters), dry_run=dry_run))


def told(result: ForgetResult) -> dict[str, tuple[int, int]]:
    """Return what was found and what is left in each place where there is any."""
    return {each.place: (each.found, each.left) for each in result.places if each.found or each.left}
