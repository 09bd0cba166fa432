"""Takes a catalog back to an earlier epoch for good: what came later is dropped, not undone by a new epoch.

Only a restore does that, and to a copy.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import duckdb
import msgspec

from mcai.store.duck.copying import copy_to
from mcai.store.duck.effects import VERSIONED
from mcai.store.duck.engine import Engine


class _Answer(msgspec.Struct):
    epoch: int = 0


def rewind(engine: Engine, epoch: int, metadata: Mapping[int, str], fresh: Path) -> None:
    """Take a catalog back, and write its file anew: DuckDB would keep the bytes of what it dropped.

    Args:
        engine: nobody else uses it.
        epoch: the last one that stays.
        metadata: of datasets that were described anew later: as it was at the epoch, by dataset.
        fresh: where the new file is written before it takes the old one's place.
    """
    with engine.exclusive() as cursor:
        cursor.execute("BEGIN TRANSACTION")
        _drop_versions(cursor, epoch)
        _drop_datasets(cursor, epoch, metadata)
        _drop_answers(cursor, epoch)
        # Answers and bookkeeping that were made from what is gone.
        for disposable in ("knowledge_cache", "embeddings"):
            cursor.execute(f"DELETE FROM {disposable}")
        cursor.execute("COMMIT")
        copy_to(cursor, fresh)
    engine.replace_file(fresh)


def _drop_versions(cursor: duckdb.DuckDBPyConnection, epoch: int) -> None:
    """Drop what was born later, and let live again what died later."""
    for table in (*VERSIONED, "forgotten"):
        cursor.execute(f"DELETE FROM {table} WHERE c_epoch > ?", [epoch])
        cursor.execute(f"UPDATE {table} SET d_epoch = NULL WHERE d_epoch > ?", [epoch])
    # What was forgotten stays so, though the epoch that did it is gone.
    cursor.execute("UPDATE forgotten SET forgot_epoch = ? WHERE forgot_epoch > ?", [epoch, epoch])
    for table in ("epochs", "epoch_domains"):
        cursor.execute(f"DELETE FROM {table} WHERE epoch > ?", [epoch])


def _drop_datasets(cursor: duckdb.DuckDBPyConnection, epoch: int, metadata: Mapping[int, str]) -> None:
    """Drop the datasets that came later, and say of the others what was true of them."""
    cursor.execute("DELETE FROM datasets WHERE id NOT IN (SELECT dataset_id FROM epoch_domains)")
    cursor.execute(
        "UPDATE datasets SET version = last.epoch, updated_at = last.committed_at FROM ("
        "SELECT dataset_id, max(epoch) AS epoch, max_by(committed_at, epoch) AS committed_at "
        "FROM epoch_domains JOIN epochs USING (epoch) GROUP BY dataset_id"
        ") last WHERE datasets.id = last.dataset_id AND datasets.version > ?",
        [epoch],
    )
    for dataset_id, told in metadata.items():
        cursor.execute("UPDATE datasets SET metadata = ? WHERE id = ?", [told, dataset_id])


def _drop_answers(cursor: duckdb.DuckDBPyConnection, epoch: int) -> None:
    """Drop the stored answers that tell of later epochs: a retry must not be told of rows that are gone."""
    decoder = msgspec.json.Decoder(_Answer)
    for key, packed in cursor.execute("SELECT key, answer FROM requests").fetchall():
        if decoder.decode(zlib.decompress(packed)).epoch > epoch:
            cursor.execute("DELETE FROM requests WHERE key = ?", [key])
