"""The records that mcai hands out: frozen, typed, with the field names of the public contract.

They are what the daemon writes as JSON, what ``mcai.Client`` returns and what ``--json`` prints: one shape from end to
end. Times are ISO 8601 text in UTC with ``Z``, as on the wire.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

MAX_RECORD_BYTES = 1 << 20
"""One record may be 1 MiB: content, response and metadata together, in UTF-8."""

MAX_BATCH_RECORDS = 5_000
"""One request may carry this many records; `Client.add` splits what is longer."""

MAX_TOLD = 32
"""So many different containers of one dataset are kept in its metadata; a file may have a million."""

MAX_TOLD_BYTES = 32 << 10
"""What one of them may have, as JSON; longer fields are left out, by name."""

MAX_LIMIT = 1_000
"""The largest page and the largest number of hits."""

DEFAULT_DOMAIN = "general"


class NewExample(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One example on its way in."""

    content: str
    """The prompt. Not blank, no NUL."""
    response: str | None = None
    domain: str = DEFAULT_DOMAIN
    emotion: str | None = None
    frequency_hz: float | None = None
    """Finite, not negative."""
    created_at: str | None = None
    """The record's own date, ISO 8601; without a zone it is read as UTC. It is never invented."""
    source: str | None = None
    """Where it came from: ``path#position``."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """All that was in the record and has no column."""
    id: int | None = None
    """Passed over: the store gives out ids. It is here so that a stored example can be added again as it is."""


class Example(Struct, frozen=True):
    """One stored example."""

    id: int
    """Rising, never reused."""
    domain: str
    content: str
    response: str | None
    emotion: str | None
    frequency_hz: float | None
    created_at: str | None
    source: str | None
    metadata: dict[str, Any]


class StoredExample(Example, frozen=True):
    """One example as `get` and `edit` answer it."""

    archived: bool
    epoch: int


class Page(Struct, frozen=True):
    """Examples in id order."""

    examples: list[Example]
    next_cursor: str | None
    """None when no further row existed at ``epoch``."""
    epoch: int


class Hit(Example, frozen=True, omit_defaults=True):
    """One search hit: an example with its score."""

    score: float
    """0..1, comparable within one answer; a top score of 1.0 says nothing of relevance."""
    explain: dict[str, Any] | UnsetType = UNSET


class SearchResult(Struct, frozen=True):
    """The hits of one search, best first, ties by id."""

    hits: list[Hit]
    mode: Literal["hybrid", "semantic", "keyword"]
    epoch: int
    index_epoch: int
    """What the search index had taken in; below ``epoch`` while it is still catching up."""
    took_ms: float


class AddedItem(Struct, frozen=True, omit_defaults=True):
    """What became of one record of a batch."""

    index: int
    status: Literal["imported", "duplicate", "rejected"]
    id: int | UnsetType = UNSET
    """The new row's id, or for a duplicate that of the row that was there first."""
    archived: bool | UnsetType = UNSET
    """True when the duplicate lies in the archive."""
    reason: str | UnsetType = UNSET


class AddResult(Struct, frozen=True):
    """What became of a batch."""

    epoch: int
    """The batch's epoch, or the present one when nothing changed."""
    imported: int
    duplicate: int
    rejected: int
    results: list[AddedItem]


class DeleteResult(Struct, frozen=True):
    """What `delete` did."""

    epoch: int
    deleted: int
    missing: list[int]


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


class BackupResult(Struct, frozen=True):
    """One finished backup."""

    path: str
    epoch: int
    rows: int
    """Live and archived examples."""
    files: int
    bytes: int


class Backup(Struct, frozen=True):
    """One backup that lies in the home."""

    path: str
    epoch: int
    rows: int
    """Live and archived examples."""
    at: str
    bytes: int


class Backups(Struct, frozen=True):
    """The backups in the home, newest first."""

    backups: list[Backup]


class RestoreResult(Struct, frozen=True):
    """One finished restore."""

    home: str
    epoch: int
    rows: int
    """Live and archived examples."""
    timeline: str
    """A new one for every restore: what was derived from another timeline is rebuilt."""
    replaced: str | None = None
    """Where the data lies that was there before; None when there was none."""


class Place(Struct, frozen=True):
    """One place that `forget` looked through."""

    place: str
    scanned: int
    """Rows or files looked at."""
    found: int
    """Rows or copies of them that were there."""
    left: int
    """Those that are still there: 0, or the place says why in the daemon's log."""


class ForgetResult(Struct, frozen=True):
    """The receipt of `forget`."""

    dry_run: bool
    epoch: int
    forgotten: int
    places: list[Place]


class Check(Struct, frozen=True, omit_defaults=True):
    """One check of `doctor`."""

    name: str
    ok: bool
    fixed: bool
    """It was not ok before `--fix`, and is now."""
    cause: str | None = None
    remedy: str | None = None


class DoctorReport(Struct, frozen=True):
    """All checks; `ok` when every one is."""

    ok: bool
    checks: list[Check]


class SqlColumn(Struct, frozen=True):
    """One column of an answer of `sql`."""

    name: str
    type: str


class SqlResult(Struct, frozen=True):
    """The answer of one query."""

    columns: list[SqlColumn]
    rows: list[list[Any]]
    truncated: bool
    """True when there were more rows than are shown."""
    took_ms: float


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


class DaemonInfo(Struct, frozen=True):
    """The process that answers."""

    pid: int
    version: str
    uptime_s: float
    socket: str
    ready: bool


class IndexInfo(Struct, frozen=True):
    """The search index beside the store."""

    state: Literal["loading", "ready", "catching_up", "failed"]
    model: str
    dim: int
    rows: int
    pending: int
    """Rows that are stored and not yet indexed."""
    error: str | None = None
    unindexed_rows: int = 0
    """Rows that a search finds by scanning, until the next upkeep."""
    fragments: int = 0
    bytes: int = 0


class GraphInfo(Struct, frozen=True):
    """The graph index over the vectors of the snapshot's base."""

    state: Literal["none", "building", "ready", "failed"]
    """Without a ready one, searches scan all vectors: slower, and exact."""
    rows: int = 0
    recall: float | None = None
    """recall@10 against the exact scan, measured on a sample when it was built."""
    error: str | None = None


class SnapshotInfo(Struct, frozen=True):
    """The memory-mapped snapshot."""

    epoch: int
    """What is published: any process can map it."""
    view_epoch: int
    """What the daemon serves from it, its tail in memory included."""
    rows: int
    segments: int
    tail_rows: int
    bytes: int
    fallbacks: int
    """Reads that went to the catalog because the snapshot could not serve them."""
    graph: GraphInfo
    error: str | None = None


class RecoveryInfo(Struct, frozen=True):
    """What had to be mended at the daemon's start."""

    at: str
    cause: str
    recovered_epochs: int
    lost_epochs: int
    kept: list[str]
    """Where the damaged files lie."""


class Status(Struct, frozen=True):
    """What runs and how far it is."""

    daemon: DaemonInfo
    examples: int
    datasets: int
    epoch: int
    index_epoch: int
    index: IndexInfo
    home: str
    bytes_on_disk: int
    timeline: str = ""
    """Changes with every restore."""
    snapshot: SnapshotInfo | None = None
    recovery: RecoveryInfo | None = None
    """None when the last start found everything in order."""
    settings: dict[str, str | int | float] = {}
    """What the daemon read at its start, secrets masked."""


class ExportResult(Struct, frozen=True):
    """One finished export."""

    path: str
    format: Literal["jsonl", "parquet"]
    rows: int
    bytes: int
    sha256: str
    epoch: int
