"""Examples: on their way in, stored, on a page, found by a search; and the limits that hold for them."""

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


class ExportResult(Struct, frozen=True):
    """One finished export."""

    path: str
    format: Literal["jsonl", "parquet"]
    rows: int
    bytes: int
    sha256: str
    epoch: int
