"""The verbs: each one a generator that yields requests, is sent answers and returns a record (see the package)."""

from __future__ import annotations

import math
import operator
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from mcai.errors import InvalidRequestError
from mcai.records import (
    AddedItem,
    AddResult,
    Dataset,
    Datasets,
    DeleteResult,
    Emotion,
    Emotions,
    NewExample,
    Page,
    SearchResult,
    Status,
    StoredExample,
)
from mcai.wire import KEY_HEADER, Flow, Request, decode

Mode: TypeAlias = Literal["hybrid", "semantic", "keyword"]
Frequencies: TypeAlias = "str | tuple[float | None, float | None]"

BATCH_RECORDS = 1_000
BATCH_BYTES = 4 << 20
"""`add` sends what it is given in batches of this size; the daemon takes eight times as much."""
MAX_ENCODED_BYTES = 7 << 20
"""A record of 1 MiB may be six times as long in JSON; what is longer cannot be one."""
BATCH_IDS = 5_000
MAX_KEY_CHARACTERS = 180
"""The daemon takes 200: the number of the batch is added."""


def _json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"this cannot be written as JSON: {error}") from error
    except RecursionError:
        raise InvalidRequestError("this cannot be written as JSON: it is nested too deeply") from None


def _check_plain(value: Any) -> None:
    """Refuse what JSON would silently make into something else: NaN into null, bytes into base64, a set into a list."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidRequestError(f"{value} is no JSON number")
    if isinstance(value, bytes | bytearray | set | frozenset):
        raise InvalidRequestError(f"a value of the type {type(value).__name__} is no JSON value")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InvalidRequestError("the keys of a JSON object are text")
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for each in value:
        _check_plain(each)


def _example_id(value: Any) -> int:
    """Read an id: a whole number, not something that could be made into one."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidRequestError(f"an id is a whole number, not {value!r:.40}")
    return operator.index(value)


def filters(
    *,
    domain: str | Sequence[str] | None = None,
    emotion: str | None = None,
    frequency: Frequencies | None = None,
    since: str | None = None,
    until: str | None = None,
    source: str | None = None,
) -> dict[str, Any]:
    """Return the filters as query parameters.

    Args:
        domain: one exact name or several.
        emotion: compared without case.
        frequency: ``"LO..HI"`` or a pair in Hz, inclusive; an open end is empty or None.
        since: ISO 8601, inclusive.
        until: ISO 8601, exclusive.
        source: a path prefix, by whole components.
    """
    if frequency is not None and not isinstance(frequency, str):
        frequency = "..".join("" if end is None else repr(float(end)) for end in frequency)
    given = {
        "domain": [domain] if isinstance(domain, str) else list(domain or []) or None,
        "emotion": emotion,
        "frequency": frequency,
        "since": since,
        "until": until,
        "source": source,
    }
    return {name: value for name, value in given.items() if value is not None}


def status() -> Flow[Status]:
    """Tell what runs and how far it is."""
    return decode((yield Request("GET", "/v1/status")), Status)


def datasets() -> Flow[Datasets]:
    """List all domains with their counts."""
    return decode((yield Request("GET", "/v1/datasets")), Datasets)


def dataset(domain: str) -> Flow[Dataset]:
    """Show one domain.

    Raises:
        NotFoundError: there is no such domain.
    """
    return decode((yield Request("GET", f"/v1/datasets/{quote(domain, safe='')}")), Dataset)


def page(
    *,
    limit: int = 100,
    cursor: str | None = None,
    domain: str | Sequence[str] | None = None,
    emotion: str | None = None,
    frequency: Frequencies | None = None,
    since: str | None = None,
    until: str | None = None,
    source: str | None = None,
) -> Flow[Page]:
    """Return a page of examples in id order; filters as in `filters`.

    Args:
        limit: 1 to 1,000.
        cursor: the previous page's ``next_cursor``, with the same filters.

    Raises:
        InvalidCursorError: the cursor was made with other filters.
        InvalidRequestError: a filter or the limit is out of range.
    """
    chosen = filters(domain=domain, emotion=emotion, frequency=frequency, since=since, until=until, source=source)
    return decode((yield Request("GET", "/v1/examples", {**chosen, "limit": limit, "cursor": cursor})), Page)


def get(example_id: int) -> Flow[StoredExample]:
    """Return one example, archived or not.

    Raises:
        NotFoundError: there is no such id.
    """
    return decode((yield Request("GET", f"/v1/examples/{_example_id(example_id)}")), StoredExample)


def search(
    text_or_vector: str | Sequence[float],
    mode: Mode | None = None,
    limit: int = 10,
    *,
    explain: bool = False,
    domain: str | Sequence[str] | None = None,
    emotion: str | None = None,
    frequency: Frequencies | None = None,
    since: str | None = None,
    until: str | None = None,
    source: str | None = None,
) -> Flow[SearchResult]:
    """Find the examples nearest to a text, or to a vector of the index's own length.

    Args:
        text_or_vector: words, or the vector of an embedding (any sequence of floats, a NumPy array too).
        mode: hybrid by default, semantic for a vector.
        limit: 1 to 1,000 hits.
        explain: add to each hit where its score comes from.

    Raises:
        DimensionMismatchError: the vector has another length than the index.
        InvalidRequestError: an empty text, or a mode that a vector cannot have.
    """
    is_text = isinstance(text_or_vector, str)
    asked: dict[str, Any] = {"text": text_or_vector} if is_text else {"vector": [float(x) for x in text_or_vector]}
    asked |= {"mode": mode or ("hybrid" if is_text else "semantic"), "limit": limit, "explain": explain}
    asked |= filters(domain=domain, emotion=emotion, frequency=frequency, since=since, until=until, source=source)
    return decode((yield Request("POST", "/v1/search", body=_json(asked))), SearchResult)


def batches(examples: Iterable[NewExample | msgspec.Raw]) -> Iterator[list[msgspec.Raw]]:
    """Cut examples into batches that one request may carry, each example as JSON."""
    batch: list[msgspec.Raw] = []
    size = 0
    for example in examples:
        raw = msgspec.Raw(_json(example))
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
    body = _json({"examples": examples, "containers": containers or {}, "dry_run": dry_run})
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
    sent: list[int] = []
    results: list[AddedItem] = []

    def sendable() -> Iterator[msgspec.Raw]:
        for index, example in enumerate(examples):
            try:
                _check_plain(example)
                raw = msgspec.Raw(_json(example))
            except (InvalidRequestError, RecursionError) as error:
                reason = getattr(error, "message", "it is nested too deeply")
                results.append(AddedItem(index=index, status="rejected", reason=f"cannot be written as JSON: {reason}"))
                continue
            if len(raw) > MAX_ENCODED_BYTES:
                reason = f"the record has {len(raw):,} bytes as JSON, 1 MiB of text is allowed"
                results.append(AddedItem(index=index, status="rejected", reason=reason))
                continue
            sent.append(index)
            yield raw

    epoch = offset = 0
    for number, batch in enumerate(batches(sendable())):
        done = yield from add_batch(batch, key=f"{key}/{number}" if number else key)
        results += [msgspec.structs.replace(item, index=sent[offset + item.index]) for item in done.results]
        offset += len(batch)
        epoch = max(epoch, done.epoch)
    count = Counter(item.status for item in results)
    return AddResult(
        epoch=epoch,
        imported=count["imported"],
        duplicate=count["duplicate"],
        rejected=count["rejected"],
        results=sorted(results, key=lambda item: item.index),
    )


def edit(
    example_id: int,
    *,
    content: str | UnsetType = UNSET,
    response: str | UnsetType | None = UNSET,
    domain: str | UnsetType = UNSET,
    emotion: str | UnsetType | None = UNSET,
    frequency_hz: float | UnsetType | None = UNSET,
    created_at: str | UnsetType | None = UNSET,
    metadata: dict[str, Any] | UnsetType = UNSET,
) -> Flow[StoredExample]:
    """Change fields of one example; its id stays. None clears a field that may be empty.

    Raises:
        NotFoundError: there is no such id, or it is archived.
        ConflictError: another example has this domain, content and response already.
    """
    given = {
        "content": content,
        "response": response,
        "domain": domain,
        "emotion": emotion,
        "frequency_hz": frequency_hz,
        "created_at": created_at,
        "metadata": metadata,
    }
    changes = {name: value for name, value in given.items() if value is not UNSET}
    return decode(
        (yield Request("PATCH", f"/v1/examples/{_example_id(example_id)}", body=_json(changes))), StoredExample
    )


def delete(ids: Iterable[int]) -> Flow[DeleteResult]:
    """Delete examples, archived ones too; ids that do not exist are named in ``missing``."""
    if isinstance(ids, str | bytes):
        raise InvalidRequestError("ids is one text; give a list of numbers")
    wanted = [_example_id(each) for each in ids]
    epoch = deleted = 0
    missing: list[int] = []
    for begin in range(0, max(len(wanted), 1), BATCH_IDS):
        body = _json({"ids": wanted[begin : begin + BATCH_IDS]})
        request = Request("DELETE", "/v1/examples", body=body, headers={KEY_HEADER: uuid.uuid4().hex})
        done = decode((yield request), DeleteResult)
        epoch, deleted = max(epoch, done.epoch), deleted + done.deleted
        missing += done.missing
    return DeleteResult(epoch=epoch, deleted=deleted, missing=missing)


def emotions() -> Flow[Emotions]:
    """Return the emotion-frequency catalog."""
    return decode((yield Request("GET", "/v1/emotions")), Emotions)


def emotion(name: str) -> Flow[Emotion]:
    """Show one emotion.

    Raises:
        NotFoundError: there is no such name; the hint names the nearest.
    """
    return decode((yield Request("GET", f"/v1/emotions/{quote(name, safe='')}")), Emotion)
