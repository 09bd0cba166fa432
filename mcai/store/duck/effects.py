"""What one epoch did, as plain values: written to the journal before the commit, applied again when the catalog has to
be repaired.

Whatever changes the catalog goes through `Transaction`, which applies effects and keeps them; a replay applies kept
ones through the same methods. So there is one piece of code for both, and the journal cannot miss a change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from mcai.store.base import NewRow

if TYPE_CHECKING:
    import pyarrow as pa

Table = Literal["examples", "examples_archive", "feedback", "conversations"]
VERSIONED: tuple[Table, ...] = ("examples", "examples_archive", "feedback", "conversations")

Values: TypeAlias = list[Any]
"""One row in the order of its table's `COLUMNS`; times are microseconds since 1970."""

_EXAMPLE = {
    "id": "int64",
    "dataset_id": "int32",
    "content": "string",
    "response": "string",
    "emotion": "string",
    "frequency_hz": "double",
    "range_lo_hz": "double",
    "range_hi_hz": "double",
    "created_at": "timestamp[us]",
    "source": "string",
    "metadata": "string",
    "identity_hi": "uint64",
    "identity_lo": "uint64",
}
_TIME = "timestamp[us]"
COLUMNS: Mapping[Table, Mapping[str, str]] = {
    "examples": _EXAMPLE,
    "examples_archive": _EXAMPLE,
    "feedback": {"id": "int64", "target": "string", "verdict": "string", "comment": "string", "created_at": _TIME},
    "conversations": {
        "id": "int64",
        "user_id": "string",
        "messages": "string",
        "created_at": _TIME,
        "updated_at": _TIME,
    },
}
"""Column -> Arrow type, without the epochs of a version."""

_EPOCH_0 = datetime(1970, 1, 1)
_HALF = 8
"""An identity is 16 bytes, kept as two 8-byte numbers: joins on numbers are three times faster than on blobs."""


class Copied(Struct, frozen=True):
    """Versions that came to live again, in this table or another."""

    source: Table
    target: Table
    versions: list[tuple[int, int]]
    """(id, c_epoch) of each version that was copied."""


class DatasetRow(Struct, frozen=True):
    """A dataset as it is after the epoch."""

    id: int
    domain: str
    metadata: str


class Stub(Struct, frozen=True, array_like=True):
    """When a version was there that was forgotten since: all that is kept of it."""

    id: int
    dataset_id: int
    c_epoch: int
    d_epoch: int | None


class KeptAnswer(Struct, frozen=True):
    """The answer to a request that carried an idempotency key."""

    key: str
    body_hash: bytes
    packed: bytes


class Entry(Struct, omit_defaults=True):
    """One epoch: all that has to be known to make it again on the epoch before."""

    epoch: int
    at_us: int
    """When it was committed, in microseconds since 1970 (UTC)."""
    op: str = ""
    last_id: int = 0
    rows: dict[Table, list[Values]] = field(default_factory=dict)
    ended: dict[Table, list[int]] = field(default_factory=dict)
    """Ids whose live version ceased to be."""
    copied: list[Copied] = field(default_factory=list)
    datasets: list[DatasetRow] = field(default_factory=list)
    answer: KeptAnswer | None = None
    forgotten: list[Stub] = field(default_factory=list)
    """Of examples of which no version is kept: their rows may be gone from every older entry and base copy."""
    counts: list[tuple[int, int, int]] = field(default_factory=list)
    """(dataset id, live versions that came, that went), for the log: they stay true when rows are forgotten later."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """Return an entry as the journal keeps it."""
    return _encoder.encode(entry)


def decode(payload: bytes) -> Entry:
    """Read an entry of the journal.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decoder.decode(payload)


def microseconds(moment: datetime) -> int:
    """Return a time in microseconds since 1970; a zone is dropped, for the catalog's times are all UTC."""
    passed = moment.replace(tzinfo=None) - _EPOCH_0
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def halves(identity: bytes) -> tuple[int, int]:
    """Return an identity as its two numbers."""
    return int.from_bytes(identity[:_HALF], "big"), int.from_bytes(identity[_HALF:], "big")


def values_of(example_id: int, dataset_id: int, row: NewRow) -> Values:
    """Return a new example in the order of its columns."""
    lo_hz, hi_hz = row.frequency_range_hz or (None, None)
    created_us = None if row.created_at is None else microseconds(row.created_at)
    texts = (row.content, row.response, row.emotion)
    return [
        example_id,
        dataset_id,
        *texts,
        row.frequency_hz,
        lo_hz,
        hi_hz,
        created_us,
        row.source,
        row.metadata_json,
        *halves(row.identity),
    ]


def arrow(table: Table, rows: Sequence[Values]) -> pa.Table:
    """Return rows as Arrow, the only fast way into DuckDB."""
    import pyarrow as pa

    kinds = COLUMNS[table]
    columns = zip(*rows, strict=True) if rows else ((),) * len(kinds)
    arrays = {
        name: pa.array(column, pa.type_for_alias(kind))
        for (name, kind), column in zip(kinds.items(), columns, strict=True)
    }
    return pa.table(arrays)


def arrow_of_stubs(stubs: Collection[Stub]) -> pa.Table:
    """Return stubs as Arrow."""
    import pyarrow as pa

    kinds = {"id": pa.int64(), "dataset_id": pa.int32(), "c_epoch": pa.int64(), "d_epoch": pa.int64()}
    return pa.table({name: pa.array([getattr(each, name) for each in stubs], kind) for name, kind in kinds.items()})
