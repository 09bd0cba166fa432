"""Exports: all rows that filters pick, in id order, as they were at one epoch; page by page, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from mcai.filters import Filters
from mcai.records import Example
from mcai.store.base import Catalog

FIRST_PAGE_ROWS = 32
PAGE_ROWS = 2_000
PAGE_BYTES = 8 << 20
CHUNK_BYTES = 1 << 20

_COLUMNS = ("id", "domain", "content", "response", "emotion", "frequency_hz", "created_at", "source", "metadata")


def pages(catalog: Catalog, filters: Filters, epoch: int) -> Iterator[list[Example]]:
    """Yield the rows in pages."""
    after_id, limit = 0, FIRST_PAGE_ROWS
    while rows := catalog.page(filters, after_id=after_id, limit=limit, epoch=epoch):
        yield rows
        after_id = rows[-1].id
        size_bytes = sum(len(row.content) + len(row.response or "") for row in rows)
        # A row may have a megabyte, or a hundred bytes: pages grow slowly and shrink at once.
        limit = max(1, min(PAGE_ROWS, limit * 4, limit * PAGE_BYTES // max(size_bytes, 1)))


def jsonl(catalog: Catalog, filters: Filters, epoch: int) -> Iterator[bytes]:
    """Yield one JSON object a line."""
    encoder = msgspec.json.Encoder()
    for rows in pages(catalog, filters, epoch):
        yield encoder.encode_lines(rows)


def parquet(catalog: Catalog, filters: Filters, epoch: int, folder: Path) -> Iterator[bytes]:
    """Yield a Parquet file; it is first written whole into ``folder``, for its footer comes last.

    Columns are those of an example; ``metadata`` is JSON text, ``created_at`` ISO 8601 text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[str, Any] = {"id": pa.int64(), "frequency_hz": pa.float64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in _COLUMNS])
    with tempfile.TemporaryFile(dir=folder) as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for rows in pages(catalog, filters, epoch):
                writer.write_table(pa.table({name: _column(rows, name) for name in _COLUMNS}, schema=schema))
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _column(rows: list[Example], name: str) -> list[Any]:
    values = [getattr(row, name) for row in rows]
    # The store hands metadata on as JSON text.
    return [bytes(value).decode() for value in values] if name == "metadata" else values
