"""Deleting: gone from every read, gone for good, and its id with it."""

from __future__ import annotations

import pytest

from catalog_contract import Backend, CatalogContract, ids_of, numbered
from mcai.errors import IdempotencyConflictError
from mcai.filters import Filters
from mcai.store.base import Catalog, Key


class TestDelete(CatalogContract):
    """A delete is one epoch; what it names and does not exist is told."""

    def test_deleted_example_is_gone_from_every_read(self, catalog: Catalog) -> None:
        """get, page, pick and the counts agree."""
        catalog.add(numbered(3))

        result = catalog.delete([2])

        assert (result.deleted, result.missing, result.epoch) == (1, [], 2)
        assert catalog.get(2) is None and ids_of(catalog) == [1, 3] and catalog.count() == 2
        assert set(catalog.pick([1, 2, 3], Filters(), epoch=2)) == {1, 3}
        assert catalog.datasets()[0].examples == 2 == catalog.count_matching(Filters(), epoch=2)

    def test_old_epoch_still_shows_it(self, catalog: Catalog) -> None:
        """A read that began before the delete ends with what it began with."""
        catalog.add(numbered(2))
        catalog.delete([1])

        assert ids_of(catalog, epoch=1) == [1, 2]
        assert set(catalog.pick([1, 2], Filters(), epoch=1)) == {1, 2}

    def test_missing_ids_are_named_once_in_their_order(self, catalog: Catalog) -> None:
        """Unknown, repeated and extreme ids are no error."""
        catalog.add(numbered(2))

        result = catalog.delete([9, 2, 2, -5, 9, (1 << 63) - 1])

        assert (result.deleted, result.missing) == (1, [9, -5, (1 << 63) - 1])

    def test_delete_of_nothing_makes_no_epoch(self, catalog: Catalog) -> None:
        """Deleting what is not there, or was deleted before, changes nothing."""
        catalog.add(numbered(1))
        catalog.delete([1])

        result = catalog.delete([1, 7])

        assert (result.deleted, result.missing, result.epoch) == (0, [1, 7], 2)
        assert catalog.epoch == 2

    def test_ids_are_never_reused(self, catalog: Catalog) -> None:
        """Deleting the highest id does not free it, and the freed triple gets a new id."""
        catalog.add(numbered(3))
        catalog.delete([1, 2, 3])

        result = catalog.add(numbered(3))

        assert [item.id for item in result.results] == [4, 5, 6]
        assert ids_of(catalog) == [4, 5, 6]

    def test_archived_example_is_deleted_too(self, backend: Backend) -> None:
        """Delete reaches into the archive and frees the triple there."""
        catalog = backend.catalog
        catalog.add(numbered(2))
        backend.archive([1])

        assert catalog.delete([1]).deleted == 1
        assert catalog.get(1) is None
        assert [item.status for item in catalog.add(numbered(1)).results] == ["imported"]

    def test_replay_deletes_nothing_more(self, catalog: Catalog) -> None:
        """The same key answers again what it answered first."""
        catalog.add(numbered(2))
        key = Key("k", b"body")
        first = catalog.delete([1, 9], key=key)

        assert catalog.delete([1, 9], key=key) == first
        assert catalog.epoch == first.epoch == 2

    def test_other_body_under_the_same_key_is_refused(self, catalog: Catalog) -> None:
        """A key belongs to one request, of whatever kind."""
        catalog.add(numbered(2), key=Key("k", b"an add"))

        with pytest.raises(IdempotencyConflictError):
            catalog.delete([1], key=Key("k", b"a delete"))

        assert ids_of(catalog) == [1, 2]


class TestArchived(CatalogContract):
    """What lies in the archive is found by its id alone."""

    def test_get_finds_it_and_says_so(self, backend: Backend) -> None:
        """`get` answers archived examples, marked as such; live ones are marked too."""
        backend.catalog.add(numbered(2))
        backend.archive([1])

        archived, live = backend.catalog.get(1), backend.catalog.get(2)

        assert archived is not None and archived.archived and archived.content == "question 1"
        assert live is not None and not live.archived

    def test_pages_counts_and_datasets_leave_it_out(self, backend: Backend) -> None:
        """Counts are of live examples."""
        catalog = backend.catalog
        catalog.add(numbered(3))
        backend.archive([2])

        assert ids_of(catalog) == [1, 3] and catalog.count() == 2
        assert catalog.datasets()[0].examples == 2
        assert set(catalog.pick([1, 2, 3], Filters(), epoch=catalog.epoch)) == {1, 3}
