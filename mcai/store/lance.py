"""The search index on Lance: vectors and full text, derived from the catalog and rebuilt from it at any time.

Lance neither fsyncs nor checksums, so nothing here is ever the truth. How far the index is, its own sentinel row says
(id -1, written in the same Lance commit as the rows it speaks of): a crash between two commits only means that the same
change is applied once more. One task writes; readers share the handle.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

# Read when the library is loaded: without it, it warns about its own future on every search.
os.environ.setdefault("LANCE_LOG", "error")
os.environ.setdefault("LANCEDB_LOG", "error")

import lancedb
import numpy as np
import pyarrow as pa
import structlog
from lancedb.expr import Expr, col, lit
from lancedb.index import FTS
from lancedb.query import MatchQuery

from mcai import failpoints
from mcai.errors import DimensionMismatchError, IndexUnavailableError
from mcai.filters import Filters, source_forms
from mcai.records import Place
from mcai.store.base import Change, IndexFilter
from mcai.store.probe import LANCE_ERRORS, lance_errors, remove, table_name, tables_in

log = structlog.get_logger("lance")

SENTINEL_ID = -1
TEXT_COLUMNS = ("content", "response")

DELETE_IDS = 2_000
"""Ids in one delete expression."""
TIDY_AT_SHARE = 0.01
TIDY_AT_ROWS = 1_000
"""Unindexed rows or deletions that are worth a round of upkeep (searches see unindexed rows all the same)."""
TIDY_AT_FRAGMENTS = 50
VERSIONS_KEPT = timedelta(hours=1)
"""An older reader may still hold a version; deleting it under its feet fails that reader."""
NO_VERSION_KEPT = timedelta(milliseconds=1)
"""Lance warns of zero."""
REWRITE_ROWS = 8_192


def _schema(dim: int) -> pa.Schema:
    return pa.schema(
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
            ("c_epoch", pa.int64()),
            ("vector", pa.list_(pa.float32(), dim)),
        ]
    )


class LanceIndex:
    """Vectors and full text of one embedding model; see `store.base.SearchIndex`."""

    def __init__(self, table: Any, dim: int) -> None:
        self._table = table
        self._dim = dim

    @classmethod
    async def open(
        cls,
        folder: Path,
        model: str,
        dim: int,
        committed_at: Callable[[int], datetime | None],
        *,
        texts_anew: bool = False,
    ) -> LanceIndex:
        """Open the index of a model, or make an empty one.

        Args:
            folder: holds one table for each model.
            model: names the table.
            dim: length of its vectors.
            committed_at: asks the catalog. An index whose epoch was committed at another time, or never, belongs to
                another history (a restored catalog, say) and is dropped. Whether one that cannot be opened is damaged,
                `probe.look` tells.
            texts_anew: make the full-text indexes again: no probe reads all of their files.

        Raises:
            IndexUnavailableError: it cannot be opened, or the folder cannot be written.
        """
        name = table_name(model)
        try:
            with lance_errors():
                database = await lancedb.connect_async(str(folder))
                if name in tables_in(folder):
                    index = cls(await database.open_table(name), dim)
                    epoch, at = await index._applied()
                    if at == await asyncio.to_thread(committed_at, epoch):
                        await index._index_texts(texts_anew)
                        return index
                    log.warning("index dropped: it belongs to another history", table=name)
                    remove(folder, name)
                index = cls(await database.create_table(name, schema=_schema(dim)), dim)
                await index._index_texts()
                return index
        except LANCE_ERRORS as error:
            raise IndexUnavailableError(f"the search index in {folder} cannot be opened: {error}") from error

    async def _index_texts(self, anew: bool = False) -> None:
        """Make the full-text indexes that are missing: a stop may have come between making the table and them."""
        have = set() if anew else {index.columns[0] for index in await self._table.list_indices()}
        for column in TEXT_COLUMNS:
            if column not in have:
                # Replaces the one of that column.
                await self._table.create_index(column, config=FTS(remove_stop_words=False, with_position=False))

    async def applied_epoch(self) -> int:
        return (await self._applied())[0]

    async def _applied(self) -> tuple[int, datetime | None]:
        """Return the epoch that the sentinel speaks of, and when the catalog committed it."""
        query = self._table.query().where(col("id") == lit(SENTINEL_ID)).select(["c_epoch", "created_at"])
        found = await query.to_arrow()
        told = zip(found["c_epoch"].to_pylist(), found["created_at"].to_pylist(), strict=True)
        return max(told, key=lambda each: each[0], default=(0, None))

    async def rows(self) -> int:
        return int(await self._table.count_rows(f"id != {SENTINEL_ID}"))

    async def upkeep_facts(self) -> dict[str, int]:
        with _engine_errors("tell of itself"):
            loose = max((index.num_unindexed_rows for index in await self._table.list_indices()), default=0)
            fragments = (await self._table.stats())["fragment_stats"]["num_fragments"]
        return {"unindexed_rows": loose, "fragments": fragments}

    async def apply(self, change: Change, vectors: Any) -> None:
        """Take in one change and its epoch; see `SearchIndex.apply`."""
        rows = _with_vectors(change.rows, np.asarray(vectors, np.float32), self._dim)
        with _engine_errors("take in a change"):
            # Repeated after a crash the deletes find nothing: only the commit behind them moves the sentinel.
            for condition in _among(change.gone):
                await self._table.delete(condition)
            failpoints.hit("index.deleted")
            await self._table.add(pa.concat_tables([rows, _sentinel(change, self._dim)]))
            failpoints.hit("index.added")
            await self._table.delete(f"id = {SENTINEL_ID} AND c_epoch < {int(change.upto)}")

    async def nearest(self, vector: Any, limit: int, chosen: IndexFilter) -> list[tuple[int, float]]:
        asked = np.asarray(vector, np.float32)
        if asked.shape != (self._dim,):
            raise DimensionMismatchError(
                f"the vector has {asked.size} numbers, the index has {self._dim}",
                hint="Use the same model as the index: mcai status names it.",
            )
        # A scan: no index over the vectors is worth its training here, the snapshot answers while it can.
        query = self._table.query().nearest_to(asked).distance_type("cosine").bypass_vector_index()
        found = await _run(query.select(["id", "_distance"]).limit(limit), chosen)
        # Cosine distance is 1 - cosine similarity.
        return [(row, 1.0 - float(far)) for row, far in found if row != SENTINEL_ID]

    async def matching(self, text: str, column: str, limit: int, chosen: IndexFilter) -> list[tuple[int, float]]:
        query = self._table.query().nearest_to_text(MatchQuery(text, column)).select(["id", "_score"]).limit(limit)
        return [(row, float(score)) for row, score in await _run(query, chosen) if score > 0]

    async def maintain(self) -> None:
        """Extend the full-text indexes, merge small files, drop old versions - only when it is worth it."""
        with _engine_errors("tidy up"):
            total = await self._table.count_rows()
            loose = max((index.num_unindexed_rows for index in await self._table.list_indices()), default=0)
            fragments = (await self._table.stats())["fragment_stats"]["num_fragments"]
            if loose >= min(TIDY_AT_ROWS, total * TIDY_AT_SHARE) > 0 or fragments >= TIDY_AT_FRAGMENTS:
                await self._table.optimize(cleanup_older_than=VERSIONS_KEPT)

    async def forget(self, ids: Sequence[int]) -> Place:
        """Write everything anew without some examples, so that neither their texts nor their vectors stay in any file.

        Nobody writes meanwhile. Searches go on.

        Raises:
            IndexUnavailableError: Lance failed; to be done again.
        """
        with _engine_errors("forget"):
            scanned, found = await self.rows(), await self._count(ids)
            for condition in _among(ids):
                await self._table.delete(condition)
            # A deletion only marks rows, and merging passes over large files that have few of them.
            await asyncio.to_thread(_write_anew, Path(await self._table.uri()))
            await self._table.checkout_latest()
            await self._index_texts()
            await self._table.optimize(cleanup_older_than=NO_VERSION_KEPT, delete_unverified=True)
            return Place("index", scanned, found, left=await self._count(ids))

    async def _count(self, ids: Sequence[int]) -> int:
        return sum([int(await self._table.count_rows(condition)) for condition in _among(ids)])


def _among(ids: Sequence[int]) -> list[str]:
    """Return conditions that together pick these ids; one alone would become too long."""
    chunks = (ids[begin : begin + DELETE_IDS] for begin in range(0, len(ids), DELETE_IDS))
    return [f"id IN ({','.join(str(int(each)) for each in chunk)})" for chunk in chunks]


def _write_anew(path: Path) -> None:
    """Replace a table's rows by themselves, batch by batch; the tables of other models, which nobody reads, go."""
    for other in set(path.parent.glob("*.lance")) - {path}:
        shutil.rmtree(other)
    # The asynchronous table takes no reader of its own.
    table = lancedb.connect(str(path.parent)).open_table(path.name.removesuffix(".lance"))
    rows = table.search().to_batches(REWRITE_ROWS)
    table.add(rows, mode="overwrite", on_bad_vectors="null")  # a row without a vector counts as bad


@contextmanager
def _engine_errors(what: str) -> Iterator[None]:
    """Turn Lance's errors into ours; their texts hold paths and values, so they stay in the chain only."""
    try:
        with lance_errors():
            yield
    except LANCE_ERRORS as error:
        raise IndexUnavailableError(
            f"the search index cannot {what}: {type(error).__name__}", hint="See: mcai daemon logs"
        ) from error


async def _run(query: Any, chosen: IndexFilter) -> list[tuple[int, float]]:
    if chosen.dataset_ids == ():
        return []
    condition = _condition(chosen)
    with _engine_errors("answer"):
        found = await (query.where(condition) if condition is not None else query).to_arrow()
    return list(zip(found.column(0).to_pylist(), found.column(1).to_pylist(), strict=True))


def _condition(chosen: IndexFilter) -> Expr | None:
    """The filters as a typed Lance expression, so that no value becomes SQL text; see `duck.where` for the meaning."""
    asked: Filters = chosen.filters
    parts: list[Expr] = []
    if chosen.dataset_ids is not None:
        parts.append(col("dataset_id").isin([lit(each) for each in chosen.dataset_ids]))
    if asked.emotion is not None:
        parts.append(col("emotion").lower() == lit(asked.emotion.lower()))
    if asked.frequency_hz is not None:
        lo, hi = (lit(max(-1e300, min(1e300, end))) for end in asked.frequency_hz)
        within = (col("frequency_hz") >= lo) & (col("frequency_hz") <= hi)
        parts.append(within | ((col("range_lo_hz") <= hi) & (col("range_hi_hz") >= lo)))
    if asked.since is not None:
        parts.append(col("created_at") >= lit(asked.since.replace(tzinfo=None)))
    if asked.until is not None:
        parts.append(col("created_at") < lit(asked.until.replace(tzinfo=None)))
    if asked.source is not None:
        parts.append(_below(asked.source))
    return None if not parts else _all_of(parts)


def _all_of(parts: list[Expr]) -> Expr:
    first, *rest = parts
    for part in rest:
        first = first & part
    return first


def _below(prefix: str) -> Expr:
    """Lance has no prefix test; texts compare by their bytes, so a range from ``/`` to the next character is one."""
    source = col("source")
    itself, begins = source_forms(prefix)
    inside = [(source >= lit(begin)) & (source < lit(begin[:-1] + chr(ord(begin[-1]) + 1))) for begin in begins]
    return (source == lit(itself)) | inside[0] | inside[1]


def _with_vectors(rows: pa.Table, vectors: Any, dim: int) -> pa.Table:
    rows = rows.select([name for name in _schema(dim).names if name != "vector"])
    known = vectors.any(axis=1) if len(vectors) else np.zeros(0, bool)
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float32())
    column = pa.FixedSizeListArray.from_arrays(flat, dim, mask=pa.array(~known))
    return rows.append_column("vector", column).cast(_schema(dim))


def _sentinel(change: Change, dim: int) -> pa.Table:
    values: dict[str, list[Any]] = {name: [None] for name in _schema(dim).names}
    values |= {"id": [SENTINEL_ID], "c_epoch": [change.upto], "created_at": [change.committed_at]}
    return pa.table(values, schema=_schema(dim))
