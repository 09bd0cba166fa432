"""Idempotency keys: the answer to a request is kept with what it did, and given again to whoever sends it again."""

from __future__ import annotations

import zlib
from typing import TypeVar

import msgspec

from mcai.errors import IdempotencyConflictError
from mcai.store.base import Key
from mcai.store.duck.connection import one
from mcai.store.duck.effects import KeptAnswer
from mcai.store.duck.transaction import Transaction

T = TypeVar("T")


def answered(transaction: Transaction, key: Key | None, answer: type[T]) -> T | None:
    """Return the answer that an earlier request with this key got."""
    if key is None:
        return None
    stored = one(transaction.cursor, "SELECT body_hash, answer FROM requests WHERE key = ?", [key.name])
    if stored is None:
        return None
    body_hash, packed = stored
    if body_hash != key.body_hash:
        raise IdempotencyConflictError(f"the idempotency key {key.name!r} was used before with another body")
    return msgspec.json.decode(zlib.decompress(packed), type=answer)


def keep_answer(transaction: Transaction, key: Key | None, answer: msgspec.Struct) -> None:
    """Keep the answer to a request that carried a key, so that a retry gets it word for word."""
    if key:
        packed = zlib.compress(msgspec.json.encode(answer), 1)
        transaction.keep_answer(KeptAnswer(key.name, key.body_hash, packed))
