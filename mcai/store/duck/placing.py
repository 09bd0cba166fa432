"""What becomes of a record on its way in: a new row with the next id, or the duplicate of one that is there."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from mcai import times
from mcai.records import AddedItem, StoredExample
from mcai.store.base import NewRow, Rejection
from mcai.store.duck import write
from mcai.store.duck.transaction import Transaction


def place(
    rows: Sequence[NewRow | Rejection], transaction: Transaction
) -> tuple[list[AddedItem], list[tuple[int, NewRow]]]:
    """Say of each record what becomes of it: ids are given out here, in the order of the batch."""
    checked = [row for row in rows if isinstance(row, NewRow)]
    held = {checked[at].identity: holder for at, holder in write.holders(transaction.cursor, checked).items()}
    first_in_batch: dict[bytes, int] = {}
    items: list[AddedItem] = []
    fresh: list[tuple[int, NewRow]] = []
    next_id = transaction.entry.last_id + 1
    for index, row in enumerate(rows):
        if isinstance(row, Rejection):
            items.append(AddedItem(index=index, status="rejected", reason=row.reason))
        elif row.identity in held:
            example_id, archived = held[row.identity]
            items.append(
                AddedItem(index=index, status="duplicate", id=example_id, archived=True if archived else UNSET)
            )
        elif row.identity in first_in_batch:
            items.append(AddedItem(index=index, status="duplicate", id=first_in_batch[row.identity]))
        else:
            first_in_batch[row.identity] = next_id
            items.append(AddedItem(index=index, status="imported", id=next_id))
            fresh.append((next_id, row))
            next_id += 1
    return items, fresh


def is_already(stored: StoredExample, row: NewRow) -> bool:
    """Tell whether an example has in every field what an edit would give it."""
    created_at = None if row.created_at is None else times.show(row.created_at)
    metadata = msgspec.Raw(row.metadata_json.encode())
    wanted = {
        **{name: getattr(row, name) for name in ("domain", "content", "response", "emotion", "frequency_hz", "source")},
        "created_at": created_at,
    }
    have = {name: getattr(stored, name) for name in wanted}
    return wanted == have and msgspec.json.encode(stored.metadata) == msgspec.json.encode(metadata)
