"""The snapshot against a dict: whatever happens in whatever order, every view shows what the dict holds."""

from __future__ import annotations

import math
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis
import msgspec
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mcai.filters import Filters
from mcai.snapshot import merging, nearest, rows, scan
from snapshot_kit import DOMAINS, Row, change, ids_of, moment, open_store, row, vector_of, vectors_of

DAY = moment("2025-10-17")

versions: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "dataset_id": st.sampled_from(sorted(DOMAINS)),
        "content": st.sampled_from(["wave", "calm", "nothing", "été " * 40]),
        "response": st.sampled_from([None, "", "yes"]),
        "emotion": st.sampled_from([None, "Calm", "CALM", "Ärger", "calmer"]),
        "frequency_hz": st.sampled_from([None, 0.0, 8.0, 13.5]),
        "created_at": st.sampled_from([None, DAY, DAY + timedelta(microseconds=1), DAY + timedelta(days=2)]),
        "source": st.sampled_from([None, "/a/b.json#1", "/a/b.json", "/a/bc.json#1", "/a/b/c#2", "-#1"]),
        "metadata": st.sampled_from(["{}", '{"k":[1,{"l":null}]}']),
    }
)
ranges = st.sampled_from([(None, None), (4.0, 9.0), (13.5, 40.0)])
ids = st.integers(1, 60)


FILTERS = [
    Filters(),
    Filters(domains=("physics",)),
    Filters(domains=("neuroscience", "o'brien")),
    Filters(domains=("nowhere",)),
    Filters(domains=("nowhere", "physics")),
    Filters(domains=("physics",), emotion="calm"),
    Filters(emotion="äRGER"),
    Filters(emotion=""),
    Filters(frequency_hz=(8.0, 9.0)),
    Filters(frequency_hz=(-math.inf, 0.0)),
    Filters(frequency_hz=(9.5, math.inf)),
    Filters(since=DAY + timedelta(microseconds=1)),
    Filters(until=DAY + timedelta(microseconds=1)),
    Filters(since=DAY, until=DAY + timedelta(days=1), emotion="calm"),
    Filters(source="/a/b"),
    Filters(source="/a/b.json/"),
    Filters(source="/"),
    Filters(source="-"),
    Filters(source="/nowhere"),
    Filters(domains=("neuroscience", "physics"), source="/a", frequency_hz=(0.0, 40.0)),
]
chosen = st.sampled_from(FILTERS)
afterwards = st.sampled_from(["nothing", "publish", "merge", "merge a little"])


def matches(each: Row, filters: Filters) -> bool:
    """Say by hand whether a row is asked for."""
    hz, lo, hi = each["frequency_hz"], each["range_lo_hz"], each["range_hi_hz"]
    emotion, at, source = each["emotion"], each["created_at"], each["source"]
    first, last = filters.frequency_hz or (0.0, 0.0)
    conditions = [
        not filters.domains or DOMAINS[each["dataset_id"]] in filters.domains,
        filters.emotion is None or (emotion is not None and emotion.lower() == filters.emotion.lower()),
        filters.frequency_hz is None
        or (hz is not None and first <= hz <= last)
        or (lo is not None and lo <= last and hi >= first),
        filters.since is None or (at is not None and at >= filters.since),
        filters.until is None or (at is not None and at < filters.until),
        filters.source is None or (source is not None and _is_below(source, filters.source.rstrip("/"))),
    ]
    return all(conditions)


def _is_below(source: str, prefix: str) -> bool:
    return source == prefix or source.startswith((prefix + "/", prefix + "#"))


def as_example(each: Row) -> dict[str, Any]:
    """Return what a reader must see of a row."""
    at = each["created_at"]
    return {
        "id": each["id"],
        "domain": DOMAINS[each["dataset_id"]],
        **{name: each[name] for name in ("content", "response", "emotion", "frequency_hz")},
        "created_at": None if at is None else at.isoformat() + "Z",
        "source": each["source"],
        "metadata": msgspec.json.decode(each["metadata"]),
    }


class SnapshotMachine(RuleBasedStateMachine):
    """Add, edit, delete, restore, publish, merge step by step, forget and reopen, in any order."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mcai-snapshot-"))
        self.store = open_store(self.folder)
        self.live: dict[int, Row] = {}
        self.published: tuple[int, dict[int, Row]] = (0, {})
        self.next_id = 1

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    def _then(self, what: str) -> None:
        if what != "nothing":
            self.store.publish()
        for _ in range({"merge": 100, "merge a little": 2}.get(what, 0)):
            self.store.merge()

    @rule(drawn=st.lists(st.tuples(versions, ranges), min_size=1, max_size=6), then=afterwards)
    def add(self, drawn: list[tuple[dict[str, Any], tuple[float | None, float | None]]], then: str) -> None:
        made = [
            row(self.next_id + at, **fields, range_lo_hz=lo, range_hi_hz=hi)
            for at, (fields, (lo, hi)) in enumerate(drawn)
        ]
        self.next_id += len(made)
        change(self.store, made)
        self.live |= {each["id"]: each for each in made}
        self._then(then)

    @rule(wanted=st.lists(ids, max_size=8), fields=versions, backwards=st.booleans(), then=afterwards)
    def edit_or_restore(self, wanted: list[int], fields: dict[str, Any], backwards: bool, then: str) -> None:
        """Old ids come again: those of rows that were there (edited), and of rows that were not (restored)."""
        old = sorted({each for each in wanted if each < self.next_id}, reverse=backwards)
        made = [row(each, **fields) for each in old]
        change(self.store, made, [each for each in old if each in self.live])
        self.live |= {each["id"]: each for each in made}
        self._then(then)

    @rule(wanted=st.lists(ids, max_size=20), then=afterwards)
    def delete(self, wanted: list[int], then: str) -> None:
        gone = [each for each in dict.fromkeys(wanted) if each in self.live]
        change(self.store, gone=gone)
        for each in gone:
            del self.live[each]
        self._then(then)

    @rule()
    def apply_nothing(self) -> None:
        """An epoch that changes no row still counts."""
        change(self.store)

    @rule(wanted=st.lists(ids, min_size=1, max_size=4))
    def forget(self, wanted: list[int]) -> None:
        change(self.store, gone=wanted)
        self.store.rewrite_without(wanted)
        for each in wanted:
            self.live.pop(each, None)

    @rule()
    def reopen(self) -> None:
        """What is published is what is found again; the rest comes from the catalog anew."""
        self.store.publish()
        self.store.close()
        self.store = open_store(self.folder)
        assert self.store.error is None

    @rule(filters=chosen, after_id=st.integers(0, 70), limit=st.integers(1, 9))
    def page(self, filters: Filters, after_id: int, limit: int) -> None:
        expected = [
            self.live[each] for each in sorted(self.live) if each > after_id and matches(self.live[each], filters)
        ]

        page = self.store.view.page(filters, after_id, limit)

        shown = expected[:limit]
        assert msgspec.json.decode(b"[" + page.json + b"]") == [as_example(each) for each in shown]
        assert (page.count, page.more) == (len(shown), len(expected) > limit)
        assert page.last_id == (shown[-1]["id"] if shown else after_id)

    @rule(filters=chosen, wanted=st.lists(ids, max_size=9))
    def pick(self, filters: Filters, wanted: list[int]) -> None:
        picked = self.store.view.pick(wanted, filters)

        expected = {each for each in wanted if each in self.live and matches(self.live[each], filters)}
        assert {each: msgspec.to_builtins(example) for each, example in picked.items()} == {
            each: as_example(self.live[each]) for each in expected
        }

    @rule(filters=chosen, limit=st.integers(1, 5), asked=st.sampled_from(["wave", "calm", "other"]))
    def nearest(self, filters: Filters, limit: int, asked: str) -> None:
        """The nearest rows are the nearest of those that match, and a row without a vector is none of them."""
        known = [self.live[each] for each in sorted(self.live) if matches(self.live[each], filters)]
        known = [each for each in known if each["content"] != "nothing"]
        query = vector_of(asked)
        similarities = [float(np.vecdot(vector, query)) for vector in vectors_of(known)]
        expected = sorted(zip(similarities, known, strict=True), key=lambda pair: (-pair[0], pair[1]["id"]))[:limit]

        found = self.store.view.nearest(query, limit, filters)

        assert [each for each, _ in found] == [each["id"] for _, each in expected]
        assert np.allclose([score for _, score in found], [score for score, _ in expected], atol=1e-6)

    @invariant()
    def shows_what_is_live(self) -> None:
        if not hasattr(self, "store"):
            return
        view = self.store.view
        assert view.rows == len(self.live)
        for filters in FILTERS:
            expected = [each for each in sorted(self.live) if matches(self.live[each], filters)]
            assert ids_of(view, filters) == expected
            assert view.count(filters) == len(expected)
        for each in range(self.next_id + 1):
            found = view.get(each)
            assert (found is None) == (each not in self.live)
            assert found is None or msgspec.json.decode(found) == as_example(self.live[each])


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a few rows many chunks, windows, tiers and steps."""
    monkeypatch.setattr(rows, "CHUNK_ROWS", 4)
    monkeypatch.setattr(scan, "MAX_WINDOW_ROWS", 5)
    monkeypatch.setattr(merging, "FAN", 2)
    monkeypatch.setattr(merging, "SMALL_ROWS", 2)
    monkeypatch.setattr(merging, "STEP_S", 0.0)
    monkeypatch.setattr(nearest, "SPARE_ROWS", 1)
    monkeypatch.setattr(nearest, "GROWTH", 2)


TestSnapshotModel = SnapshotMachine.TestCase
TestSnapshotModel.settings = hypothesis.settings(max_examples=25, stateful_step_count=30)
