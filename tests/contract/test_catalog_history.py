"""History: log, diff, rollback, dropping a domain, rotation, the archive and forgetting, on every backend."""

from __future__ import annotations

import pytest

from catalog_contract import Backend, CatalogContract, edit, ids_of, numbered, row
from mcai.errors import ConflictError, NotFoundError
from mcai.filters import Filters
from mcai.records import DomainChange, DomainDiff
from mcai.store.base import Catalog, RotationPolicy

ALL = Filters()


def _archived(catalog: Catalog) -> list[int]:
    return [each.id for each in catalog.page(ALL, after_id=0, limit=100, epoch=catalog.epoch, archived=True)]


class TestLogAndDiff(CatalogContract):
    """Every change is one epoch of the log, and any two epochs can be compared."""

    def test_log_names_each_epoch_newest_first(self, catalog: Catalog) -> None:
        """What an epoch did stands there by domain; archived rows count in neither number."""
        catalog.add([row("a"), row("b"), row("c", domain="art")])
        edit(catalog, 1, row("a2"))
        catalog.rotate(RotationPolicy(max_rows=1))
        catalog.restore_archived(None, ALL)
        catalog.delete([3])

        told = catalog.log(None, before=6, limit=9)

        assert [(each.epoch, each.op) for each in told] == [
            (5, "delete"),
            (4, "archive restore"),
            (3, "rotate"),
            (2, "edit"),
            (1, "add"),
        ]
        assert [each.domains for each in told] == [
            [DomainChange("art", 0, 1)],
            [DomainChange("physics", 1, 0)],
            [DomainChange("physics", 0, 1)],
            [DomainChange("physics", 1, 1)],
            [DomainChange("art", 1, 0), DomainChange("physics", 2, 0)],
        ]
        assert [each.epoch for each in catalog.log(None, before=3, limit=1)] == [2]

    def test_log_of_a_domain_leaves_the_others_out(self, catalog: Catalog) -> None:
        """Only its epochs, and of these only its part."""
        catalog.add([row("a"), row("b", domain="art")])
        catalog.delete([1])

        assert [(each.epoch, each.domains) for each in catalog.log("art", before=9, limit=9)] == [
            (1, [DomainChange("art", 1, 0)])
        ]
        with pytest.raises(NotFoundError):
            catalog.log("nowhere", before=9, limit=9)

    def test_diff_counts_by_example(self, catalog: Catalog) -> None:
        """An edit is one, however often; one that is undone is none; a move counts in both domains."""
        catalog.add(numbered(4))
        edit(catalog, 1, row("other"))
        edit(catalog, 1, row("another"))
        edit(catalog, 2, row("question 2", domain="art"))
        edit(catalog, 3, row("changed"))
        edit(catalog, 3, row("question 3"))
        catalog.delete([4])
        catalog.add([row("new")])

        found = catalog.diff(1, catalog.epoch, None)

        assert (found.from_epoch, found.to_epoch) == (1, 8)
        assert found.domains == [DomainDiff("art", 1, 0, 0), DomainDiff("physics", 1, 2, 1)]
        assert catalog.diff(8, 1, None).domains == [DomainDiff("art", 0, 1, 0), DomainDiff("physics", 2, 1, 1)]
        assert catalog.diff(1, 8, "art").domains == [DomainDiff("art", 1, 0, 0)]
        assert catalog.diff(0, 1, None).domains == [DomainDiff("physics", 4, 0, 0)]
        assert catalog.diff(5, 5, None).domains == []

    @pytest.mark.parametrize("epoch", [-1, 2])
    def test_epoch_that_never_was_is_refused(self, catalog: Catalog, epoch: int) -> None:
        """Neither compared nor gone back to."""
        catalog.add(numbered(1))

        with pytest.raises(NotFoundError):
            catalog.diff(epoch, 1, None)
        with pytest.raises(NotFoundError):
            catalog.rollback(epoch, None)
        assert catalog.epoch == 1


class TestRollback(CatalogContract):
    """A rollback is a new epoch that equals an old one."""

    def test_everything_is_as_it_was(self, catalog: Catalog) -> None:
        """Deleted, edited, added, archived and restored examples alike, ids and all."""
        catalog.add(numbered(4))
        catalog.rotate(RotationPolicy(max_rows=3))
        before = [catalog.get(each) for each in (1, 2, 3, 4)]
        catalog.delete([2])
        edit(catalog, 3, row("edited"))
        catalog.restore_archived([1], ALL)
        catalog.add([row("later")])
        catalog.rotate(RotationPolicy(max_rows=0))

        done = catalog.rollback(2, None)

        assert (done.epoch, done.dry_run, done.forgotten) == (8, False, 0) and catalog.epoch == 8
        assert ids_of(catalog) == [2, 3, 4] and _archived(catalog) == [1]
        for old, new in zip(before, map(catalog.get, (1, 2, 3, 4)), strict=True):
            assert old is not None and new is not None
            names = [name for name in old.__struct_fields__ if name != "epoch"]
            assert [getattr(old, name) for name in names] == [getattr(new, name) for name in names]
        assert catalog.diff(2, 8, None).domains == []

    def test_rollback_can_be_rolled_back(self, catalog: Catalog) -> None:
        """Nothing is lost by going back."""
        catalog.add(numbered(2))
        catalog.delete([1])
        catalog.add([row("later")])
        catalog.rollback(1, None)

        catalog.rollback(3, None)

        assert ids_of(catalog) == [2, 3] and ids_of(catalog, epoch=4) == [1, 2]

    def test_dry_run_counts_and_changes_nothing(self, catalog: Catalog) -> None:
        """The same numbers as the deed."""
        catalog.add(numbered(3))
        catalog.delete([1])
        catalog.add([row("later")])

        planned = catalog.rollback(1, None, dry_run=True)

        assert (planned.dry_run, planned.epoch, catalog.epoch, ids_of(catalog)) == (True, 3, 3, [2, 3, 4])
        done = catalog.rollback(1, None)
        assert (planned.restored, planned.removed) == (done.restored, done.removed) == (1, 1)

    def test_to_where_it_is_makes_no_epoch(self, catalog: Catalog) -> None:
        """There is nothing to do."""
        catalog.add(numbered(2))

        assert catalog.rollback(1, None).epoch == 1 == catalog.epoch

    def test_one_domain_goes_back_alone(self, catalog: Catalog) -> None:
        """The others stay as they are."""
        catalog.add([row("a"), row("b", domain="art")])
        catalog.delete([1, 2])

        catalog.rollback(1, "physics")

        assert ids_of(catalog) == [1]

    def test_domain_cannot_take_anothers_place(self, catalog: Catalog) -> None:
        """An example that moved away and whose place was taken stays, and so does everything else."""
        catalog.add([row("a"), row("b", domain="art")])
        edit(catalog, 1, row("a", domain="art"))
        catalog.add([row("a")])
        edit(catalog, 2, row("moved", domain="physics"))

        with pytest.raises(ConflictError, match="3"):
            catalog.rollback(1, "art")
        assert catalog.epoch == 4 and ids_of(catalog) == [1, 2, 3]

    def test_forgotten_rows_stay_gone_and_are_counted(self, catalog: Catalog) -> None:
        """A rollback says how many it could not bring back."""
        catalog.add(numbered(3))
        catalog.delete([1])
        assert catalog.forget([1, 2, 9]) == (3, 2)

        done = catalog.rollback(1, None)

        assert (done.forgotten, done.restored, ids_of(catalog)) == (2, 0, [3])
        assert catalog.rollback(0, None).forgotten == 0


class TestRotateAndArchive(CatalogContract):
    """Archived examples are out of sight, keep their ids and their place, and come back."""

    def test_oldest_go_and_can_be_read_in_the_archive(self, catalog: Catalog) -> None:
        """By their own date, else by when they came; ties by id."""
        catalog.add([row("dated", created_at="2999-01-01"), *numbered(2), row("old", created_at="2001-01-01")])

        done = catalog.rotate(RotationPolicy(max_rows=2))

        assert [(each.domain, each.before, each.moved, each.after) for each in done.domains] == [("physics", 4, 2, 2)]
        assert (done.epoch, done.moved) == (2, 2) and ids_of(catalog) == [1, 3] and _archived(catalog) == [2, 4]
        assert catalog.count() == 2 and catalog.datasets()[0].examples == 2
        found = catalog.get(4)
        assert found is not None and found.archived

    def test_nothing_to_move_makes_no_epoch(self, catalog: Catalog) -> None:
        """Neither an empty policy, nor a cap that holds, nor a dry run."""
        catalog.add(numbered(3))

        for policy, dry_run in ((RotationPolicy(), False), (RotationPolicy(3), False), (RotationPolicy(1), True)):
            assert catalog.rotate(policy, dry_run=dry_run).epoch == 1 == catalog.epoch
        assert ids_of(catalog) == [1, 2, 3]

    def test_archived_example_keeps_its_place(self, catalog: Catalog) -> None:
        """Added again it is a duplicate; it cannot be edited; deleted, it frees its text."""
        catalog.add(numbered(1))
        catalog.rotate(RotationPolicy(max_rows=0))

        assert [(each.status, each.id, each.archived) for each in catalog.add(numbered(1)).results] == [
            ("duplicate", 1, True)
        ]
        with pytest.raises(NotFoundError, match="archived"):
            edit(catalog, 1, row("other"))
        assert catalog.delete([1]).deleted == 1
        assert [(each.status, each.id) for each in catalog.add(numbered(1)).results] == [("imported", 2)]

    def test_restore_takes_ids_or_filters_or_everything(self, catalog: Catalog) -> None:
        """Ids stay; unknown and live ones are passed over."""
        catalog.add([*numbered(2), row("a", domain="art"), row("b", domain="art"), row("c", domain="music")])
        catalog.rotate(RotationPolicy(max_rows=0))

        assert catalog.restore_archived([1, 99], ALL).restored == 1
        assert catalog.restore_archived(None, Filters(domains=("art",))).restored == 2
        assert (ids_of(catalog), _archived(catalog)) == ([1, 3, 4], [2, 5])
        assert catalog.restore_archived(None, ALL).restored == 2 and ids_of(catalog) == [1, 2, 3, 4, 5]
        assert catalog.restore_archived(None, ALL).epoch == 5 == catalog.epoch

    def test_drop_takes_live_and_archived(self, catalog: Catalog) -> None:
        """The domain is gone, its texts are free, and a rollback brings both back."""
        catalog.add([*numbered(3), row("a", domain="art")])
        catalog.rotate(RotationPolicy(max_rows=2))
        assert catalog.drop_dataset("physics", dry_run=True).removed == 3 and catalog.epoch == 2

        assert catalog.drop_dataset("physics").removed == 3

        assert [each.domain for each in catalog.datasets()] == ["art"] and _archived(catalog) == []
        with pytest.raises(NotFoundError):
            catalog.drop_dataset("nowhere")
        catalog.rollback(2, None)
        assert (ids_of(catalog), _archived(catalog)) == ([2, 3, 4], [1])


class TestForget(CatalogContract):
    """No version of a forgotten example can be read any more, at any epoch."""

    def test_every_version_is_gone(self, catalog: Catalog, backend: Backend) -> None:
        """Live, archived and past ones; the index is told; the text is free and gets a new id."""
        catalog.add(numbered(4))
        edit(catalog, 1, row("edited"))
        backend.archive([2])
        catalog.delete([3])

        assert catalog.forget([1, 2, 3]) == (5, 3)

        assert ids_of(catalog) == [4] == ids_of(catalog, epoch=1) and _archived(catalog) == []
        assert sorted(catalog.changes(4, 100).gone) == [1, 2, 3]
        assert catalog.forget([1, 2, 3]) == (5, 0)
        assert catalog.add(numbered(1)).results[0].id == 5

    def test_ids_are_found_by_any_version(self, catalog: Catalog, backend: Backend) -> None:
        """What an example said before counts as much as what it says."""
        catalog.add([row(f"q{number}", source=f"/in/{number}.json#1") for number in range(3)])
        edit(catalog, 1, row("edited", source="/out/1.json#1"))
        backend.archive([2])
        catalog.delete([3])

        assert catalog.ids_matching(Filters(source="/in")) == [1, 2, 3]
        assert catalog.ids_matching(Filters(source="/out")) == [1]
