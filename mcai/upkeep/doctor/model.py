"""What a check looks at and what it may find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from mcai.paths import Home
from mcai.settings import Settings
from mcai.store.base import CopyFacts
from mcai.store.duck import verify
from mcai.store.duck.catalog import DuckCatalog

FIX = "Mend it: mcai doctor --fix"


@dataclass(frozen=True)
class Patient:
    """A home under examination."""

    home: Home
    source: verify.Source | None
    """The catalog, to be read; None while it cannot be opened, or is not there."""
    catalog: DuckCatalog | None
    """The catalog, to be changed; None while it is only looked at."""
    live: bool = False
    """A daemon serves it, this process."""
    settings: Settings | None = None
    """Those that the daemon serves with."""

    @property
    def facts(self) -> CopyFacts | None:
        """What the catalog holds."""
        return verify.facts(self.source) if self.source else None


@dataclass(frozen=True)
class Trouble:
    """Something that is not as it should be."""

    cause: str
    remedy: str = FIX
    mend: Callable[[Patient], object] | None = None
    """Makes it good, with the catalog open; None where that takes a person, or happens as the catalog is opened."""
    harmless: bool = False
    """Worth a word, but nothing is wrong."""


Look: TypeAlias = Callable[[Patient], Iterator[Trouble]]
"""One check. It changes nothing."""
