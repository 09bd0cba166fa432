"""What the tests of the snapshot need: rows as the catalog gives them, stores that are driven by hand, their views."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mcai.filters import Filters
from mcai.records import Example
from mcai.snapshot.store import SnapshotStore
from mcai.snapshot.view import View

MODEL = "test/8"
DIM = 8
TIMELINE = "first"
DOMAINS = {1: "physics", 2: "neuroscience", 3: "o'brien"}

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("dataset_id", pa.int32()),
        ("content", pa.string()),
        ("response", pa.string()),
        ("emotion", pa.string()),
        ("frequency_hz", pa.float64()),
        ("range_lo_hz", pa.float64()),
        ("range_hi_hz", pa.float64()),
        ("created_at", pa.timestamp("us")),
        ("source", pa.string()),
        ("metadata", pa.string()),
        ("c_epoch", pa.int64()),
    ]
)

Row = dict[str, Any]


def row(example_id: int, **fields: Any) -> Row:
    """Return one version of an example as `Catalog.changes` gives it."""
    plain = dict.fromkeys(SCHEMA.names) | {"dataset_id": 1, "content": f"question {example_id}", "metadata": "{}"}
    return plain | {"id": example_id, "response": f"answer {example_id}", "c_epoch": 1} | fields


def numbered(count: int, first: int = 1, **fields: Any) -> list[Row]:
    """Return ``count`` rows with the ids from ``first`` on."""
    return [row(number, **fields) for number in range(first, first + count)]


def vectors_of(rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float32]:
    """Return a unit vector for each content, always the same one; none (all zero) for a content of "nothing"."""
    made = np.zeros((len(rows), DIM), np.float32)
    for at, each in enumerate(rows):
        if each["content"] != "nothing":
            made[at] = vector_of(each["content"])
    return made


def vector_of(text: str) -> npt.NDArray[np.float32]:
    """Return the unit vector of a text."""
    drawn = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIM)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def open_store(folder: Path, *, timeline: str = TIMELINE, model: str = MODEL) -> SnapshotStore:
    """Open the store of a snapshot folder."""
    return SnapshotStore.open(folder, model=model, dim=DIM, timeline=timeline)


def change(store: SnapshotStore, rows: Iterable[Row] = (), gone: Sequence[int] = (), *, upto: int | None = None) -> int:
    """Let a store take in one change; return the epoch that it led to."""
    told = list(rows)
    epoch = store.view.epoch + 1 if upto is None else upto
    store.apply(epoch, gone, pa.Table.from_pylist(told, schema=SCHEMA), vectors_of(told), DOMAINS)
    return epoch


def published(folder: Path, rows: Iterable[Row] = (), gone: Sequence[int] = ()) -> SnapshotStore:
    """Return a store in which these changes are published."""
    store = open_store(folder)
    change(store, rows, gone)
    store.publish()
    return store


def merge_all(store: SnapshotStore) -> int:
    """Merge until nothing is worth it; return how many steps that took."""
    steps = 0
    while store.merge():
        steps += 1
    return steps


def examples_of(view: View, filters: Filters | None = None) -> list[Example]:
    """Return all rows of a view, in the order of its pages."""
    found: list[Example] = []
    after_id, more = 0, True
    while more:
        page = view.page(filters or Filters(), after_id, 7)
        found += msgspec.json.decode(b"[" + page.json + b"]", type=list[Example])
        after_id, more = page.last_id, page.more
    return found


def ids_of(view: View, filters: Filters | None = None) -> list[int]:
    """Return the ids of all rows of a view, in the order of its pages."""
    return [example.id for example in examples_of(view, filters)]


def file_names(folder: Path) -> set[str]:
    """Return the names of all files in a folder."""
    return {path.name for path in folder.iterdir()}


def moment(text: str) -> datetime:
    """Read a date that a test knows to be one, as stored."""
    return datetime.fromisoformat(text)


def only_file(folder: Path, ending: str) -> Path:
    (path,) = folder.glob(f"*.{ending}")
    return path


def sizes(store: SnapshotStore) -> list[int]:
    """Return how many rows each segment has, hidden ones too."""
    return sorted(layer.segment.rows for layer in store.view.layers)


ROWS = [
    row(3, emotion="Calm", frequency_hz=8.5, created_at=moment("2025-10-17"), source="/a/b.json#1"),
    row(5, dataset_id=2, response=None, range_lo_hz=4.0, range_hi_hz=8.0),
    row(9, emotion="", content="nothing", metadata='{"k": [1, 2]}'),
    *numbered(20, first=11, dataset_id=2),
]
