"""Datasets: what there is of each domain, how it came to be so, and what moves between data and archive."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Dataset(Struct, frozen=True):
    """One domain."""

    id: int
    domain: str
    examples: int
    """Live (not archived) examples, counted now."""
    version: int
    """The last epoch that changed this domain."""
    created_at: str
    updated_at: str
    metadata: dict[str, Any]
    """The fields that its files' containers carried."""


class Datasets(Struct, frozen=True):
    """All domains, by name."""

    datasets: list[Dataset]
    total: int
    """Live examples over all domains."""


class Emotion(Struct, frozen=True):
    """One entry of the emotion-frequency catalog."""

    name: str
    neuroscience_freq: float | None
    """Hz, 0.5 to 100."""
    metaphysical_freq: float | None
    """Hz, the Solfeggio range."""
    band: str
    """Brain-wave band of the neuroscience frequency, else ``solfeggio``."""
    personality_template: list[str]
    """Sentences in which an answer may show that it understood this emotion."""


class Emotions(Struct, frozen=True):
    """The emotion catalog, by name."""

    emotions: list[Emotion]


class DomainChange(Struct, frozen=True):
    """What one epoch did to one domain. Archived rows count in neither number."""

    domain: str
    added: int
    """Versions that became live: new rows, edited ones, restored ones."""
    removed: int
    """Versions that ceased to be live: deleted, edited or archived rows."""


class EpochEntry(Struct, frozen=True):
    """One epoch of the history."""

    epoch: int
    at: str
    op: str
    """add, edit, delete, describe, drop, rotate, restore, rollback, forget, feedback or conversation."""
    domains: list[DomainChange]


class EpochLog(Struct, frozen=True):
    """The history, newest first."""

    entries: list[EpochEntry]
    next_cursor: str | None


class DomainDiff(Struct, frozen=True):
    """How one domain differs between two epochs, by id."""

    domain: str
    added: int
    removed: int
    edited: int


class EpochDiff(Struct, frozen=True, rename={"from_epoch": "from", "to_epoch": "to"}):
    """How the live examples of two epochs differ; domains that do not differ are left out."""

    from_epoch: int
    to_epoch: int
    domains: list[DomainDiff]


class RollbackResult(Struct, frozen=True):
    """What a rollback, or the deletion of a dataset, did or would do."""

    dry_run: bool
    epoch: int
    restored: int
    """Row versions that came back, archived ones too."""
    removed: int
    """Row versions that went, archived ones too."""
    forgotten: int = 0
    """Rows of that epoch that were forgotten since: they stay gone."""


class RotatedDomain(Struct, frozen=True):
    """What rotation did to one domain."""

    domain: str
    before: int
    moved: int
    after: int


class RotateResult(Struct, frozen=True):
    """What a rotation did or would do, for every domain with live examples; for none when the policy is off."""

    dry_run: bool
    epoch: int
    domains: list[RotatedDomain]
    moved: int


class ArchiveRestoreResult(Struct, frozen=True):
    """What came back from the archive."""

    epoch: int
    restored: int
