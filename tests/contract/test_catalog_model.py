"""The catalog against a dict: whatever is done to it in whatever order, it holds what the dict holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from catalog_contract import edit, row
from mcai.errors import ConflictError, NotFoundError
from mcai.filters import Filters
from mcai.records import Example
from mcai.store.base import Key
from mcai.store.duck import DuckCatalog

Triple = tuple[str, str, str | None]

# Few values, so that duplicates and conflicts are common.
triples = st.tuples(
    st.sampled_from(["physics", "Physics", "art"]), st.sampled_from("abcd"), st.sampled_from([None, "", "yes"])
)
ids = st.integers(min_value=1, max_value=12)


@dataclass
class _Model:
    live: dict[int, Triple] = field(default_factory=dict)
    next_id: int = 1
    epoch: int = 0
    history: dict[int, dict[int, Triple]] = field(default_factory=lambda: {0: {}})

    def commit(self, live: dict[int, Triple]) -> None:
        """Every change is one epoch; none makes none."""
        if live != self.live:
            self.epoch += 1
        self.live = live
        self.history[self.epoch] = live

    def holder(self, triple: Triple) -> int | None:
        return next((example_id for example_id, held in self.live.items() if held == triple), None)


def _triple(example: Example) -> Triple:
    return example.domain, example.content, example.response


class CatalogMachine(RuleBasedStateMachine):
    """add, edit, delete and repeated requests, in any order."""

    @initialize()
    def begin(self) -> None:
        self.catalog = DuckCatalog.open(None)
        self.model = _Model()
        self.sent: list[tuple[Key, list[Triple], object]] = []

    def teardown(self) -> None:
        if hasattr(self, "catalog"):
            self.catalog.close()

    @rule(batch=st.lists(triples, max_size=5))
    def add(self, batch: list[Triple]) -> None:
        live, expected = dict(self.model.live), []
        for triple in batch:
            known = next((example_id for example_id, held in live.items() if held == triple), None)
            expected.append((known or self.model.next_id, "duplicate" if known else "imported"))
            if known is None:
                live[self.model.next_id] = triple
                self.model.next_id += 1
        key = Key(f"key {len(self.sent)}", repr(batch).encode())

        result = self.catalog.add([row(content, response, domain) for domain, content, response in batch], key=key)

        assert [(item.id, item.status) for item in result.results] == expected
        self.model.commit(live)
        assert result.epoch == self.model.epoch
        self.sent.append((key, batch, result))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def add_again_with_its_key(self, data: st.DataObject) -> None:
        key, batch, answer = data.draw(st.sampled_from(self.sent))

        result = self.catalog.add([row(content, response, domain) for domain, content, response in batch], key=key)

        assert result == answer

    @rule(example_id=ids, triple=triples)
    def edit(self, example_id: int, triple: Triple) -> None:
        domain, content, response = triple
        holder = self.model.holder(triple)
        try:
            edit(self.catalog, example_id, row(content, response, domain))
        except NotFoundError:
            assert example_id not in self.model.live
        except ConflictError:
            assert example_id in self.model.live and holder not in (None, example_id)
        else:
            assert holder in (None, example_id)
            self.model.commit(self.model.live | {example_id: triple})

    @rule(chosen=st.lists(ids, max_size=4))
    def delete(self, chosen: list[int]) -> None:
        result = self.catalog.delete(chosen)

        assert result.deleted == len(self.model.live.keys() & set(chosen))
        assert result.missing == [each for each in dict.fromkeys(chosen) if each not in self.model.live]
        self.model.commit({key: held for key, held in self.model.live.items() if key not in chosen})

    @rule(data=st.data(), limit=st.integers(1, 4))
    def page_at_any_epoch(self, data: st.DataObject, limit: int) -> None:
        epoch = data.draw(st.sampled_from(sorted(self.model.history)))
        seen: dict[int, Triple] = {}
        while found := self.catalog.page(Filters(), after_id=max(seen, default=0), limit=limit, epoch=epoch):
            assert not seen.keys() & {each.id for each in found}
            seen |= {each.id: _triple(each) for each in found}

        assert seen == self.model.history[epoch] and list(seen) == sorted(seen)

    @invariant()
    def counts_are_true(self) -> None:
        if not hasattr(self, "catalog"):
            return
        by_domain = {each.domain: each.examples for each in self.catalog.datasets() if each.examples}
        expected: dict[str, int] = {}
        for domain, _, _ in self.model.live.values():
            expected[domain] = expected.get(domain, 0) + 1

        assert by_domain == expected and self.catalog.count() == len(self.model.live)
        assert self.catalog.epoch == self.model.epoch

    @invariant()
    def index_would_hold_what_is_live(self) -> None:
        """An index that follows chunk by chunk from any epoch on ends with the live rows."""
        if not hasattr(self, "catalog"):
            return
        for since in (0, self.model.epoch // 2):
            held, at = set(self.model.history[since]), since
            while at < self.catalog.epoch:
                change = self.catalog.changes(at, 3)
                held = (held - set(change.gone)) | set(change.rows.column("id").to_pylist())
                at = change.upto
            assert held == set(self.model.live)


TestCatalogModel = CatalogMachine.TestCase
TestCatalogModel.settings = settings(max_examples=12, stateful_step_count=12)
