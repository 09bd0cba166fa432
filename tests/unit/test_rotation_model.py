"""Rotation against a model in plain Python: whatever happened before, it takes what the policy says, oldest first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from catalog_contract import edit, ids_of, row
from mcai import times
from mcai.errors import NotFoundError
from mcai.filters import Filters
from mcai.store.base import RotationPolicy
from mcai.store.duck import DuckCatalog

DATES = (None, "2020-01-01", "2020-01-01T00:00:00.000001Z", "2021-06-01", "2999-01-01")
AGE_DAYS = 365.0
domains = st.sampled_from(["physics", "art"])
dates = st.sampled_from(DATES)
ids = st.integers(1, 10)
policies = st.builds(
    RotationPolicy,
    max_rows=st.none() | st.integers(0, 4),
    max_age_days=st.sampled_from([0, 0, AGE_DAYS]),
    dislikes=st.integers(0, 2),
)


@dataclass
class _Row:
    domain: str
    date: str | None
    came_at: datetime
    archived: bool = False


class RotationMachine(RuleBasedStateMachine):
    """Examples with and without dates, edits, feedback, restores - and rotations in between."""

    @initialize()
    def begin(self) -> None:
        self.catalog = DuckCatalog.open(None)
        self.rows: dict[int, _Row] = {}
        self.verdicts: Counter[str] = Counter()
        self.feedback = 0

    def teardown(self) -> None:
        if hasattr(self, "catalog"):
            self.catalog.close()

    def _now(self) -> datetime:
        found = self.catalog.committed_at(self.catalog.epoch)
        assert found is not None
        return found

    @rule(batch=st.lists(st.tuples(domains, dates), min_size=1, max_size=4))
    def add(self, batch: list[tuple[str, str | None]]) -> None:
        first = self.catalog.engine.last_id + 1
        self.catalog.add(
            [row(f"text {first + at}", domain=domain, created_at=date) for at, (domain, date) in enumerate(batch)]
        )
        for at, (domain, date) in enumerate(batch):
            self.rows[first + at] = _Row(domain, date, self._now())

    @rule(example_id=ids, domain=domains, date=dates)
    def edit(self, example_id: int, domain: str, date: str | None) -> None:
        """An edit gives another date, and makes an example without one no younger."""
        try:
            edit(self.catalog, example_id, row(f"text {example_id}", domain=domain, created_at=date))
        except NotFoundError:
            return
        self.rows[example_id].domain, self.rows[example_id].date = domain, date

    @rule(
        about=ids.map(str) | st.sampled_from(["1.4", "2e0", " 3", "04", "answer-5", "9" * 40]),
        verdict=st.sampled_from(["like", "dislike", "dislike"]),
    )
    def judge(self, about: str, verdict: str) -> None:
        self.feedback += 1
        with self.catalog.engine.writing("feedback") as transaction:
            transaction.insert("feedback", [[self.feedback, about, verdict, None, 0]])
        self.verdicts[about] += 1 if verdict == "dislike" else -1

    @rule(chosen=st.lists(ids, max_size=3))
    def restore(self, chosen: list[int]) -> None:
        self.catalog.restore_archived(chosen, Filters())
        for each in chosen:
            if each in self.rows:
                self.rows[each].archived = False

    @rule(chosen=st.lists(ids, max_size=2))
    def delete(self, chosen: list[int]) -> None:
        self.catalog.delete(chosen)
        for each in chosen:
            self.rows.pop(each, None)

    @rule(policy=policies)
    def rotate(self, policy: RotationPolicy) -> None:
        """A dry run says what the deed does; a second run finds nothing left."""
        taken = {domain: self._taken(domain, policy) for domain in ("physics", "art")}
        expected = [*taken["physics"], *taken["art"]]

        planned = self.catalog.rotate(policy, dry_run=True)
        done = self.catalog.rotate(policy)

        assert planned.moved == done.moved == len(expected)
        assert planned.domains == done.domains
        for each in done.domains:
            assert each.moved == len(taken[each.domain]) and each.after == each.before - each.moved
        for example_id in expected:
            self.rows[example_id].archived = True
        assert self.catalog.rotate(policy).moved == 0

    def _taken(self, domain: str, policy: RotationPolicy) -> list[int]:
        live = {key: each for key, each in self.rows.items() if each.domain == domain and not each.archived}
        limit = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=policy.max_age_days)
        ages = {key: (_moment(each.date) or each.came_at, key) for key, each in live.items()}
        too_old = {key for key in live if policy.max_age_days and ages[key][0] < limit}
        disliked = {key for key in live if policy.dislikes and self.verdicts[str(key)] >= policy.dislikes}
        rest = sorted(live.keys() - too_old - disliked, key=ages.__getitem__)
        over = rest[: max(0, len(rest) - policy.max_rows)] if policy.max_rows is not None else []
        return [*too_old | disliked, *over]

    @invariant()
    def state_is_the_models(self) -> None:
        if not hasattr(self, "catalog"):
            return
        assert ids_of(self.catalog) == sorted(key for key, each in self.rows.items() if not each.archived)
        shown = self.catalog.page(Filters(), after_id=0, limit=99, epoch=self.catalog.epoch, archived=True)
        assert [each.id for each in shown] == sorted(key for key, each in self.rows.items() if each.archived)


def _moment(text: str | None) -> datetime | None:
    found = times.parse(text) if text is not None else None
    return found.replace(tzinfo=None) if found else None


TestRotationModel = RotationMachine.TestCase
TestRotationModel.settings = settings(max_examples=12, stateful_step_count=15)


def test_ten_runs_never_take_a_domain_below_its_cap() -> None:
    """The first run takes what is over the cap; nine more, while others add, take no more than that."""
    catalog = DuckCatalog.open(None)
    catalog.add([row(f"q{number}", domain="physics") for number in range(25)])
    for run in range(10):
        catalog.add([row(f"new {run}", domain="physics"), row(f"new {run}", domain=f"small {run}")])
        done = catalog.rotate(RotationPolicy(max_rows=7))
        assert done.moved == (19 if run == 0 else 1)
        assert {each.domain: each.examples for each in catalog.datasets()}["physics"] == 7


def test_cap_counts_what_stays_for_other_reasons() -> None:
    """A disliked example leaves room: the cap takes nothing more than is over it afterwards."""
    catalog = DuckCatalog.open(None)
    catalog.add([row(f"q{number}") for number in range(5)])
    with catalog.engine.writing("feedback") as transaction:
        transaction.insert("feedback", [[1, "5", "dislike", None, 0]])

    catalog.rotate(RotationPolicy(max_rows=3, dislikes=1))

    assert ids_of(catalog) == [2, 3, 4]
