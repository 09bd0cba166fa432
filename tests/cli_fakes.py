"""A daemon in memory for tests of the command line, and a way to run `mcai` in this process."""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from msgspec import UNSET

from cli_answers import CALM, Stream, answers
from mcai.errors import NotFoundError
from mcai.identity import identity
from mcai.records import (
    AddedItem,
    AddResult,
    DaemonInfo,
    Dataset,
    Datasets,
    DeleteResult,
    Emotion,
    Emotions,
    Example,
    Hit,
    IndexInfo,
    NewExample,
    Page,
    SearchResult,
    Status,
    StoredExample,
)
from mcai.wire import calls
from mcai_cli.app import run


class FakeClient:
    """Behaves like `mcai.Client` over a list; the calls that it got are in ``calls``."""

    def __init__(self, examples: Sequence[Example] = ()) -> None:
        self.rows = {example.id: example for example in examples}
        self.epoch = 7
        self.index_epoch = 7
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.batches: list[dict[str, Any]] = []
        self.fail: Callable[[str], None] = lambda verb: None
        """Called with the verb's name before it does anything; raises what the daemon would."""
        self.reject: Callable[[NewExample], str | None] = lambda example: None
        """The reason why the daemon takes an example not."""
        self.started_with: dict[str, Any] = {}
        self.facts: dict[str, Any] = {}
        """Fields of `status` that are other than usual."""
        self.answers = answers()
        """What the verbs return that have no life of their own here; a test may put others in their place."""

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        """Any other verb takes what the real one takes, and gives its prepared answer."""
        if verb not in answers():
            raise AttributeError(verb)

        def call(*args: Any, **kwargs: Any) -> Any:
            given = dict(inspect.signature(getattr(calls, verb)).bind(*args, **kwargs).arguments)
            filters = given.pop("chosen", {})
            self._note(verb, **given, **filters)
            answer = self.answers[verb]
            return msgspec.structs.replace(answer, dry_run=True) if given.get("dry_run") else answer

        return call

    def _note(self, verb: str, **given: Any) -> None:
        self.calls.append((verb, given))
        self.fail(verb)

    def status(self) -> Status:
        self._note("status")
        daemon = DaemonInfo(pid=42, version="0.1.0", uptime_s=61.0, socket="/home/u/mcaid.sock", ready=True)
        pending = max(self.epoch - self.index_epoch, 0)
        index = IndexInfo(state="ready", model="wordllama", dim=256, rows=len(self.rows), pending=pending)
        domains = len({row.domain for row in self.rows.values()})
        plain = Status(
            daemon=daemon,
            examples=len(self.rows),
            datasets=domains,
            epoch=self.epoch,
            index_epoch=self.index_epoch,
            index=index,
            home="/home/u",
            bytes_on_disk=1 << 20,
            settings={"log.level": "info"},
        )
        return msgspec.structs.replace(plain, **self.facts)

    def get(self, example_id: int) -> StoredExample:
        self._note("get", example_id=example_id)
        if example_id not in self.rows:
            raise NotFoundError(f"there is no example {example_id}")
        return StoredExample(**msgspec.structs.asdict(self.rows[example_id]), archived=False, epoch=self.epoch)

    def page(self, *, limit: int = 100, cursor: str | None = None, **filters: Any) -> Page:
        self._note("page", limit=limit, cursor=cursor, **filters)
        rows = [self.rows[key] for key in sorted(self.rows)]
        start = int(cursor or 0)
        more = str(start + limit) if len(rows) > start + limit else None
        return Page(examples=rows[start : start + limit], next_cursor=more, epoch=self.epoch)

    def search(
        self, text: str, mode: calls.Mode | None = None, limit: int = 10, *, explain: bool = False, **filters: Any
    ) -> SearchResult:
        self._note("search", text=text, mode=mode, limit=limit, explain=explain, **filters)
        parts: dict[str, Any] = {"vector": 0.5, "text": {"content": 0.25}}
        rows = list(self.rows.values())[:limit]
        hits = [Hit(**msgspec.structs.asdict(row), score=0.9, explain=parts if explain else UNSET) for row in rows]
        return SearchResult(
            hits=hits, mode=mode or "hybrid", epoch=self.epoch, index_epoch=self.index_epoch, took_ms=1.5
        )

    def add(self, examples: Any, idempotency_key: str | None = None) -> AddResult:
        flow = calls.add(examples, idempotency_key)
        try:
            request = next(flow)
            while True:
                body = msgspec.json.decode(request.body or b"", type=_Body)
                done = self.add_batch(body.examples, key=request.headers["idempotency-key"])
                request = flow.send(_answer(done))
        except StopIteration as stop:
            result: AddResult = stop.value
            return result

    def add_batch(
        self,
        examples: Sequence[msgspec.Raw],
        *,
        key: str,
        containers: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        dry_run: bool = False,
    ) -> AddResult:
        self._note("add_batch", key=key, dry_run=dry_run)
        self.batches.append({"key": key, "size": len(examples), "containers": containers or {}, "dry_run": dry_run})
        known = {identity(r.domain, r.content, r.response, r.metadata): r.id for r in self.rows.values()}
        rows = dict(self.rows)
        results: list[AddedItem] = []
        for index, raw in enumerate(examples):
            example = msgspec.json.decode(raw, type=NewExample)
            mark = identity(example.domain, example.content, example.response, example.metadata)
            reason = self.reject(example)
            if reason:
                results.append(AddedItem(index=index, status="rejected", reason=reason))
            elif mark in known:
                results.append(AddedItem(index=index, status="duplicate", id=known[mark]))
            else:
                known[mark] = new_id = max(rows, default=0) + 1
                rows[new_id] = Example(**(msgspec.structs.asdict(example) | {"id": new_id}))
                results.append(AddedItem(index=index, status="imported", id=new_id))
        counts = {name: sum(r.status == name for r in results) for name in ("imported", "duplicate", "rejected")}
        if counts["imported"] and not dry_run:
            self.rows = rows
            self.epoch += 1
            self.index_epoch = self.epoch
        return AddResult(epoch=self.epoch, results=results, **counts)

    def edit(self, example_id: int, **changes: Any) -> StoredExample:
        self._note("edit", example_id=example_id, **changes)
        self.epoch += 1
        self.rows[example_id] = msgspec.structs.replace(self.rows[example_id], **changes)
        return self.get(example_id)

    def delete(self, ids: Sequence[int]) -> DeleteResult:
        self._note("delete", ids=list(ids))
        missing = [each for each in ids if self.rows.pop(each, None) is None]
        return DeleteResult(epoch=self.epoch, deleted=len(ids) - len(missing), missing=missing)

    def datasets(self) -> Datasets:
        self._note("datasets")
        names = sorted({row.domain for row in self.rows.values()})
        return Datasets(datasets=[self.dataset(name) for name in names], total=len(self.rows))

    def dataset(self, domain: str) -> Dataset:
        self._note("dataset", domain=domain)
        count = sum(row.domain == domain for row in self.rows.values())
        day = "2026-11-23T10:00:00Z"
        return Dataset(
            id=1, domain=domain, examples=count, version=3, created_at=day, updated_at=day, metadata={"by": "us"}
        )

    def emotions(self) -> Emotions:
        self._note("emotions")
        return Emotions(emotions=[CALM])

    def emotion(self, name: str) -> Emotion:
        self._note("emotion", name=name)
        return CALM

    @contextmanager
    def export(self, *, format: str = "jsonl", **filters: Any) -> Iterator[Stream]:
        self._note("export", format=format, **filters)
        yield Stream([msgspec.json.encode(row) + b"\n" for row in self.rows.values()], self.epoch)


class _Body(msgspec.Struct):
    examples: list[msgspec.Raw]


def _answer(done: AddResult) -> Any:
    from mcai.wire import Answer

    return Answer(200, {}, msgspec.json.encode(done))


def example(example_id: int = 1, **fields: Any) -> Example:
    """An example with every field filled, unless told otherwise."""
    plain: dict[str, Any] = {
        "domain": "neuroscience",
        "content": "How do alpha waves relate to calm?",
        "response": "They rise when the eyes close.",
        "emotion": "calm",
        "frequency_hz": 10.0,
        "created_at": "2025-10-17T00:39:20Z",
        "source": "/data/a.json#1",
        "metadata": {"topic": "waves"},
    }
    return Example(id=example_id, **(plain | fields))


@dataclass
class Ran:
    """What one command did."""

    code: int
    stdout_bytes: bytes
    stderr: str
    client: FakeClient = field(repr=False)

    @property
    def stdout(self) -> str:
        return self.stdout_bytes.decode()

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)


class _Terminal(io.TextIOWrapper):
    tty = False

    def isatty(self) -> bool:
        return self.tty


def mcai(*args: str, client: FakeClient | None = None, stdin: bytes = b"", tty: bool = False) -> Ran:
    """Run ``mcai ARGS`` against a fake daemon.

    Args:
        tty: stdout and stderr say that they are terminals.
    """
    client = FakeClient() if client is None else client
    streams = {name: _Terminal(io.BytesIO(), encoding="utf-8", newline="\n") for name in ("stdout", "stderr")}
    for stream in streams.values():
        stream.tty = tty

    def make(**given: Any) -> FakeClient:
        client.started_with = given
        return client

    with (
        mock.patch("sys.stdout", streams["stdout"]),
        mock.patch("sys.stderr", streams["stderr"]),
        mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        mock.patch("mcai.client.sync.Client", make),
    ):
        code = run(list(args))
        for stream in streams.values():
            stream.flush()
    out, err = (stream.buffer.getvalue() for stream in streams.values())  # type: ignore[attr-defined]  # BytesIO
    return Ran(code, out, err.decode(), client)


def write_json(path: Path, contents: Sequence[str], **fields: Any) -> Path:
    """Write a JSON list of one record for each content, all with the same answer."""
    path.write_text(json.dumps([{"prompt": content, "completion": "answer", **fields} for content in contents]))
    return path


def sums(document: dict[str, Any]) -> list[int]:
    """Return found, imported, duplicate and rejected of an import, after checking that they add up everywhere."""
    for each in (*document["files"], document["totals"]):
        assert each["found"] == each["imported"] + each["duplicate"] + each["rejected"]
    names = ("found", "imported", "duplicate", "rejected")
    totals: dict[str, int] = document["totals"]
    assert totals["files"] == len(document["files"])
    for name in names:
        assert totals[name] == sum(file[name] for file in document["files"])
    return [totals[name] for name in names]
