"""The seam between mcai and its engines: what a catalog is asked and what it answers, in plain records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mcai.filters import Filters
from mcai.records import (
    AddResult,
    ArchiveRestoreResult,
    Dataset,
    DeleteResult,
    Emotion,
    EpochDiff,
    EpochEntry,
    Example,
    Place,
    RollbackResult,
    RotateResult,
    StoredExample,
)

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class NewRow:
    """One checked example, ready to be stored."""

    domain: str
    content: str
    response: str | None
    emotion: str | None
    frequency_hz: float | None
    frequency_range_hz: tuple[float, float] | None
    created_at: datetime | None
    source: str | None
    metadata_json: str
    identity: bytes


@dataclass(frozen=True)
class Rejection:
    """A record that cannot be stored, and why."""

    reason: str


@dataclass(frozen=True)
class Key:
    """An idempotency key and the hash of the body that came with it."""

    name: str
    body_hash: bytes


@dataclass(frozen=True)
class Change:
    """All that happened to the rows in the epochs after ``since`` up to ``upto``."""

    since: int
    upto: int
    committed_at: datetime | None
    """When ``upto`` was committed (UTC, naive): by it an index is known to follow this catalog and no other."""
    gone: list[int]
    """Ids of which an indexed version ceased to be live."""
    rows: pa.Table
    """Versions that became live and still were at ``upto``, in id order: ``examples`` without identity."""
    domains: Mapping[int, str]
    """Names of all datasets."""


@dataclass(frozen=True)
class RotationPolicy:
    """Which examples go into the archive: what any of the parts takes. Empty, it takes nothing."""

    max_rows: int | None = None
    """So many of each domain stay; the oldest beyond them go."""
    max_age_days: float = 0
    """Older ones go; 0: never."""
    dislikes: int = 0
    """Those with so many more dislikes than likes go; 0: never."""


@dataclass(frozen=True)
class CopyFacts:
    """What a copy of the catalog holds."""

    epoch: int
    rows: int
    """Live and archived examples."""
    timeline: str
    chain: bytes
    schema_version: int


class Catalog(Protocol):
    """The truth. Reads may run in any number of threads; writes are serialised inside."""

    @property
    def epoch(self) -> int:
        """The newest epoch. Every change is one; it never goes back."""

    @property
    def timeline(self) -> str:
        """Which history this is: another one after every restore."""

    def add(
        self,
        rows: Sequence[NewRow | Rejection],
        *,
        key: Key | None = None,
        containers: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        dry_run: bool = False,
    ) -> AddResult:
        """Store a batch in one epoch; a batch that changes nothing makes none.

        Raises:
            IdempotencyConflictError: the key came before with another body.
            StoreFullError: the disk is full; nothing of the batch is stored.
        """

    def edit(self, example_id: int, change: Callable[[StoredExample], NewRow]) -> StoredExample:
        """Replace the live version of one example; its id stays.

        Args:
            example_id: which one.
            change: makes the new version of the present one, between which two no other write comes. One that equals
                the present version changes nothing and makes no epoch.

        Raises:
            NotFoundError: no such live example.
            ConflictError: another example holds the new identity.
        """

    def delete(self, ids: Sequence[int], *, key: Key | None = None) -> DeleteResult:
        """Delete examples, archived ones too."""

    def drop_dataset(self, domain: str, *, dry_run: bool = False) -> RollbackResult:
        """Delete all examples of a domain, archived ones too.

        Raises:
            NotFoundError: there is no such domain.
        """

    def log(self, domain: str | None, *, before: int, limit: int) -> list[EpochEntry]:
        """Return what happened in the epochs below ``before``, newest first.

        Raises:
            NotFoundError: there is no such domain.
        """

    def diff(self, from_epoch: int, to_epoch: int, domain: str | None) -> EpochDiff:
        """Return how the live examples of two epochs differ.

        Raises:
            NotFoundError: no such domain or epoch.
        """

    def rollback(self, epoch: int, domain: str | None, *, dry_run: bool = False) -> RollbackResult:
        """Make examples and archive equal to what they were right after an epoch, by a new epoch.

        Raises:
            NotFoundError: no such domain or epoch.
            ConflictError: a domain alone cannot go back.
        """

    def rotate(self, policy: RotationPolicy, *, dry_run: bool = False) -> RotateResult:
        """Move what a policy takes into the archive, in one epoch."""

    def restore_archived(self, ids: Sequence[int] | None, filters: Filters) -> ArchiveRestoreResult:
        """Bring archived examples back, in one epoch; without ids, all that match."""

    def forget(self, ids: Sequence[int]) -> tuple[int, int]:
        """Drop every version of these examples for good; return the epoch and how many examples there were."""

    def ids_matching(self, filters: Filters) -> list[int]:
        """Return the ids of all examples, archived ones too, that match: a source is that of any version, deleted and
        edited ones too; what else is asked for must be so of a live or archived one."""

    def copy_to(self, path: Path) -> CopyFacts:
        """Write the whole catalog, as it is at one epoch, into a new file, while others read and write."""

    def get(self, example_id: int) -> StoredExample | None:
        """Return one example, live or archived."""

    def page(self, filters: Filters, *, after_id: int, limit: int, epoch: int, archived: bool = False) -> list[Example]:
        """Return the first ``limit`` matching rows with a higher id, as they were at ``epoch``, in id order."""

    def pick(self, ids: Sequence[int], filters: Filters, *, epoch: int) -> dict[int, Example]:
        """Return those of ``ids`` that were live at ``epoch`` and match, by id."""

    def datasets(self) -> list[Dataset]:
        """Return every domain with its live count, by name."""

    def dataset_ids(self, domains: Sequence[str]) -> list[int]:
        """Return the ids of those domains that exist."""

    def count(self) -> int:
        """Return the number of live examples."""

    def count_matching(self, filters: Filters, *, epoch: int) -> int:
        """Return how many rows match that were live at ``epoch``."""

    def changes(self, since: int, limit_rows: int) -> Change:
        """Return what happened after an epoch: whole epochs, as many as fit into ``limit_rows`` and 32 MiB of text (at
        least one)."""

    def committed_at(self, epoch: int) -> datetime | None:
        """Return when an epoch was committed (UTC, naive), None when there is no such epoch."""

    def last_committed(self, op: str) -> datetime | None:
        """Return when the newest epoch of an operation was committed (UTC, naive), None when there is none."""

    def pending(self, since: int) -> int:
        """Return how many row versions came or went after an epoch."""

    def note_indexed(self, model: str, dim: int, epoch: int) -> None:
        """Remember for people how far the search index is."""

    def emotions(self) -> list[Emotion]:
        """Return the emotion catalog, by name."""

    def close(self) -> None:
        """Write everything down and let go of the files."""


@dataclass(frozen=True)
class IndexFilter:
    """Filters as the index can use them: datasets already turned into their ids."""

    filters: Filters
    dataset_ids: tuple[int, ...] | None
    """None: all; an empty tuple: no row can match."""


class SearchIndex(Protocol):
    """The derived index over vectors and full text. Everything in it can be had again from the catalog."""

    async def applied_epoch(self) -> int:
        """Return how far the index itself says that it is; 0 when it is empty."""

    async def apply(self, change: Change, vectors: Any) -> None:
        """Take in one change and, in the same commit, the epoch it leads to.

        Args:
            change: from `Catalog.changes`.
            vectors: (len(change.rows), dim) float32; an all-zero row stores no vector.
        """

    async def nearest(self, vector: Any, limit: int, chosen: IndexFilter) -> list[tuple[int, float]]:
        """Return (id, cosine similarity) of the nearest rows, best first."""

    async def matching(self, text: str, column: str, limit: int, chosen: IndexFilter) -> list[tuple[int, float]]:
        """Return (id, BM25 score > 0) of the rows whose ``content`` or ``response`` shares words with a text."""

    async def maintain(self) -> None:
        """Build or extend the indexes, merge small files, drop old versions."""

    async def rows(self) -> int:
        """Return how many examples the index holds."""

    async def forget(self, ids: Sequence[int]) -> Place:
        """Write everything anew without some examples, so that neither their texts nor their vectors stay in any file.

        Raises:
            IndexUnavailableError: it failed; to be done again.
        """

    async def upkeep_facts(self) -> dict[str, int]:
        """Return ``unindexed_rows`` and ``fragments``: what the next upkeep has to do."""
