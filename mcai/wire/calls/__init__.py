"""The verbs: each one a generator that yields requests, is sent answers and returns a record (see `mcai.wire`)."""

from mcai.wire.calls.adding import BATCH_BYTES, BATCH_RECORDS, add, add_batch, batches
from mcai.wire.calls.catalog import dataset, datasets, emotion, emotions, status
from mcai.wire.calls.examples import Mode, delete, edit, get, page, search
from mcai.wire.calls.history import diff, drop_dataset, log, rollback
from mcai.wire.calls.parameters import Filtering, Frequencies, filters
from mcai.wire.calls.rotation import archived, restore_archived, rotate
from mcai.wire.calls.upkeep import backup, backups, doctor, forget, sql

__all__ = [
    "BATCH_BYTES",
    "BATCH_RECORDS",
    "Filtering",
    "Frequencies",
    "Mode",
    "add",
    "add_batch",
    "archived",
    "backup",
    "backups",
    "batches",
    "dataset",
    "datasets",
    "delete",
    "diff",
    "doctor",
    "drop_dataset",
    "edit",
    "emotion",
    "emotions",
    "filters",
    "forget",
    "get",
    "log",
    "page",
    "restore_archived",
    "rollback",
    "rotate",
    "search",
    "sql",
    "status",
]
