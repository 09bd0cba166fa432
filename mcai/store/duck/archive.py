"""What the archive's Parquet files are made from: the archived rows, grouped by the epoch that they came with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb

from mcai import times

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 16_384

_CREATED_AT = "created_at"
_ROWS = """
    SELECT a.id, d.domain, a.content, a.response, a.emotion, a.frequency_hz, a.created_at, a.source, a.metadata
    FROM examples_archive a JOIN datasets d ON d.id = a.dataset_id
    WHERE a.c_epoch = ? AND a.d_epoch IS NULL ORDER BY a.id
"""


def live_by_epoch(cursor: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """Return how many archived examples came with each epoch and are still there.

    A version that has ended never lives again. So of one history, this number tells which rows of an epoch are meant.
    """
    sql = "SELECT c_epoch, count(*) FROM examples_archive WHERE d_epoch IS NULL GROUP BY c_epoch"
    return dict(cursor.execute(sql).fetchall())


def changed_since(cursor: duckdb.DuckDBPyConnection, epoch: int) -> set[int]:
    """Return the epochs of which archived rows came, went or were forgotten after an epoch."""
    sql = (
        "SELECT c_epoch FROM examples_archive WHERE c_epoch > ? OR d_epoch > ? "
        "UNION SELECT c_epoch FROM forgotten WHERE forgot_epoch > ?"
    )
    return {came for (came,) in cursor.execute(sql, [epoch] * 3).fetchall()}


def rows_of(cursor: duckdb.DuckDBPyConnection, epoch: int) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the archived examples of an epoch that are still there, in id order, with the columns of an export.

    Returns:
        their schema, and the rows; these are read from the cursor one batch after the other.
    """
    import pyarrow as pa

    reader: pa.RecordBatchReader = cursor.sql(_ROWS, params=[epoch]).to_arrow_reader(GROUP_ROWS)
    at = reader.schema.get_field_index(_CREATED_AT)
    schema = reader.schema.set(at, pa.field(_CREATED_AT, pa.string()))

    def shown() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            moments = batch.column(at).to_pylist()
            texts = [None if moment is None else times.show(moment) for moment in moments]
            yield batch.set_column(at, _CREATED_AT, pa.array(texts, pa.string()))

    return schema, shown()
