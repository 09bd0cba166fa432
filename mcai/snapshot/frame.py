"""The Arrow file of a segment without its rows: pyarrow writes everything but the buffers, which are filled in later.

So a segment of any size is an Arrow file that pyarrow itself framed, and is written in bounded memory. Only what writes
snapshots imports this.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from mcai.snapshot.manifest import BY_DATASET, FIXED, JSON, TEXTS, Buffer

ARROW_TYPES = {
    "id": pa.int64(),
    "dataset_id": pa.int32(),
    "c_epoch": pa.int64(),
    "frequency_hz": pa.float64(),
    "range_lo_hz": pa.float64(),
    "range_hi_hz": pa.float64(),
    "created_at": pa.timestamp("us", tz="UTC"),
    "emotion": pa.large_string(),
    "source": pa.large_string(),
    JSON: pa.large_binary(),
    BY_DATASET: pa.int32(),
}
_WIDTHS = {pa.int64(): 8, pa.float64(): 8, pa.int32(): 4, ARROW_TYPES["created_at"]: 8}


@dataclass
class Totals:
    """How much a segment holds: what its frame depends on."""

    rows: int = 0
    text_bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*TEXTS, JSON), 0))
    nulls: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((*TEXTS, *(name for name, kind in FIXED.items() if kind.is_nullable)), 0)
    )


class _Holes:
    """A sink that leaves room for the buffers instead of writing them."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        # Frame and padding come as bytes; only the columns' own buffers come as Arrow buffers.
        if isinstance(data, pa.Buffer):
            self._file.seek(len(data), 1)
        else:
            self._file.write(data)
        return len(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False


def write_frame(path: Path, totals: Totals) -> dict[str, Buffer]:
    """Write an Arrow IPC file of one record batch, its buffers left empty.

    Args:
        path: the new file.
        totals: what the batch will hold.

    Returns:
        Where each buffer lies, by name (see `manifest.SegmentFacts.buffers`).
    """
    columns = {name: _column(name, totals) for name in ARROW_TYPES}
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    with path.open("xb") as file, pa.ipc.new_file(pa.PythonFile(_Holes(file), mode="w"), batch.schema) as writer:
        writer.write_batch(batch)
    return _places(path)


def _column(name: str, totals: Totals) -> Any:
    rows, kind, nulls = totals.rows, ARROW_TYPES[name], totals.nulls.get(name, 0)
    valid = _untouched(-(-rows // 8)) if nulls else None
    if name not in totals.text_bytes:
        return pa.Array.from_buffers(kind, rows, [valid, _untouched(rows * _WIDTHS[kind])], nulls)
    offsets = mmap.mmap(-1, (rows + 1) * 8, flags=mmap.MAP_PRIVATE)
    struct.pack_into("<q", offsets, rows * 8, totals.text_bytes[name])  # the writer cuts the data after the last offset
    data = _untouched(totals.text_bytes[name])
    return pa.Array.from_buffers(kind, rows, [valid, pa.py_buffer(offsets), data], nulls)


def _untouched(size_bytes: int) -> Any:
    """Return a buffer of addresses only: nobody can write there, so no memory is set aside for it."""
    return pa.py_buffer(mmap.mmap(-1, size_bytes, mmap.MAP_PRIVATE, mmap.PROT_READ) if size_bytes else b"")


def _places(path: Path) -> dict[str, Buffer]:
    """Read back where the buffers came to lie."""
    with pa.memory_map(str(path)) as file:
        whole = file.read_buffer()
        batch = pa.ipc.open_file(whole).get_batch(0)
        places: dict[str, Buffer] = {}
        for name in ARROW_TYPES:
            valid, *rest = batch.column(name).buffers()
            named: Mapping[str, Any] = {f"{name}.valid": valid, name: rest[-1]}
            if len(rest) == 2:
                named = {**named, f"{name}.offsets": rest[0]}
            places |= {
                key: Buffer(buffer.address - whole.address, buffer.size) if buffer.size else Buffer(0, 0)
                for key, buffer in named.items()
                if buffer is not None
            }
    return places
