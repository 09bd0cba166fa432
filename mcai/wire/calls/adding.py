"""The verbs that add examples: any number of them, split into batches that a retry cannot double."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mcai.errors import InvalidRequestError
from mcai.records import AddedItem, AddResult, NewExample
from mcai.wire import KEY_HEADER, Flow, Request, decode
from mcai.wire.calls.parameters import check_plain, to_json

BATCH_RECORDS = 1_000
BATCH_BYTES = 4 << 20
"""`add` sends what it is given in batches of this size; the daemon takes eight times as much."""
MAX_ENCODED_BYTES = 7 << 20
"""A record of 1 MiB may be six times as long in JSON; what is longer cannot be one."""
MAX_KEY_CHARACTERS = 180
"""The daemon takes 200: the number of the batch is added."""


def batches(examples: Iterable[NewExample | msgspec.Raw]) -> Iterator[list[msgspec.Raw]]:
    """Cut examples into batches that one request may carry, each example as JSON."""
    batch: list[msgspec.Raw] = []
    size = 0
    for example in examples:
        raw = msgspec.Raw(to_json(example))
        if batch and (len(batch) >= BATCH_RECORDS or size + len(raw) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(raw)
        size += len(raw)
    if batch:
        yield batch


def add_batch(
    examples: Sequence[msgspec.Raw],
    *,
    key: str,
    containers: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    dry_run: bool = False,
) -> Flow[AddResult]:
    """Add one batch; what `add` and ``mcai migrate`` are made of.

    Args:
        examples: at most `records.MAX_BATCH_RECORDS`, each a `NewExample` as JSON.
        key: makes a retry harmless; the same key with another body is an error.
        containers: what the containers of the examples say of their datasets, by domain; it is merged into what those
            have. A domain without examples is passed over.
        dry_run: tell what would become of them and change nothing.
    """
    body = to_json({"examples": examples, "containers": containers or {}, "dry_run": dry_run})
    request = Request("POST", "/v1/examples", body=body, headers={KEY_HEADER: key}, timeout_s=120)
    return decode((yield request), AddResult)


def add(examples: Iterable[NewExample | Mapping[str, Any]], idempotency_key: str | None = None) -> Flow[AddResult]:
    """Add any number of examples; they are split into batches. A bad one is answered as rejected, the others are added.

    Args:
        examples: `NewExample` records or mappings with their field names.
        idempotency_key: send the same key with the same examples again and nothing is added twice. Random by default.

    Raises:
        IdempotencyConflictError: the key was used before for other examples.
    """
    key = idempotency_key or uuid.uuid4().hex
    if len(key) > MAX_KEY_CHARACTERS:
        raise InvalidRequestError(f"an idempotency key may have {MAX_KEY_CHARACTERS} characters")
    judged = _Judged(examples)
    results: list[AddedItem] = []
    epoch = offset = 0
    for number, batch in enumerate(batches(judged)):
        done = yield from add_batch(batch, key=f"{key}/{number}" if number else key)
        results += [msgspec.structs.replace(item, index=judged.sent[offset + item.index]) for item in done.results]
        offset += len(batch)
        epoch = max(epoch, done.epoch)
    results += judged.refused
    count = Counter(item.status for item in results)
    return AddResult(
        epoch=epoch,
        imported=count["imported"],
        duplicate=count["duplicate"],
        rejected=count["rejected"],
        results=sorted(results, key=lambda item: item.index),
    )


class _Judged:
    """Examples as JSON, one after the other; those that cannot be sent are kept aside."""

    def __init__(self, examples: Iterable[NewExample | Mapping[str, Any]]) -> None:
        self.sent: list[int] = []
        """The place of each that was handed out."""
        self.refused: list[AddedItem] = []
        self._examples = examples

    def __iter__(self) -> Iterator[msgspec.Raw]:
        for index, example in enumerate(self._examples):
            try:
                check_plain(example)
                raw = msgspec.Raw(to_json(example))
            except (InvalidRequestError, RecursionError) as error:
                reason = getattr(error, "message", "it is nested too deeply")
                self._refuse(index, f"cannot be written as JSON: {reason}")
                continue
            if len(raw) > MAX_ENCODED_BYTES:
                self._refuse(index, f"the record has {len(raw):,} bytes as JSON, 1 MiB of text is allowed")
                continue
            self.sent.append(index)
            yield raw

    def _refuse(self, index: int, reason: str) -> None:
        self.refused.append(AddedItem(index=index, status="rejected", reason=reason))
