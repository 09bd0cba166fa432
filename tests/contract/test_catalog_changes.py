"""What the search index is told: whole epochs, nothing twice, nothing left out."""

from __future__ import annotations

from catalog_contract import Backend, CatalogContract, edit, numbered, row
from mcai.store.base import Catalog, Change


def _ids(change: Change) -> list[int]:
    found: list[int] = change.rows.column("id").to_pylist()
    return found


class TestChanges(CatalogContract):
    """`changes` tells what to remove from an index that is at ``since`` and what to put in."""

    def test_new_rows_are_told_with_what_the_index_needs(self, catalog: Catalog) -> None:
        """Columns are those of the index; the row's dataset, range and epoch are among them."""
        catalog.add([row("a", None, emotion="calm", source="/x#1", metadata={"frequency_range": [8, 4]})])

        change = catalog.changes(0, 100)

        assert (change.since, change.upto, change.gone) == (0, 1, [])
        assert change.rows.to_pylist() == [
            {
                "id": 1,
                "dataset_id": catalog.dataset_ids(["physics"])[0],
                "content": "a",
                "response": None,
                "emotion": "calm",
                "frequency_hz": None,
                "range_lo_hz": 4.0,
                "range_hi_hz": 8.0,
                "created_at": None,
                "source": "/x#1",
                "metadata": '{"frequency_range":[8,4]}',
                "c_epoch": 1,
            }
        ]

    def test_edited_row_is_removed_and_told_anew(self, catalog: Catalog) -> None:
        """An index at epoch 1 drops the old version and takes the new one."""
        catalog.add(numbered(2))
        edit(catalog, 1, row("edited"))

        change = catalog.changes(1, 100)

        assert change.gone == [1] and change.rows.column("content").to_pylist() == ["edited"]

    def test_deleted_row_is_removed(self, catalog: Catalog) -> None:
        """A delete is told by id alone."""
        catalog.add(numbered(2))
        catalog.delete([2])

        change = catalog.changes(1, 100)

        assert change.gone == [2] and _ids(change) == []

    def test_what_came_and_went_in_between_is_not_told(self, catalog: Catalog) -> None:
        """Only the end of the told epochs counts: rows added and deleted, or edited twice, inside them."""
        catalog.add(numbered(2))
        catalog.delete([1])
        edit(catalog, 2, row("once"))
        edit(catalog, 2, row("twice"))

        change = catalog.changes(0, 100)

        assert (change.upto, change.gone) == (4, [])
        assert change.rows.column("content").to_pylist() == ["twice"]

    def test_chunks_are_whole_epochs(self, catalog: Catalog) -> None:
        """As many epochs as fit, at least one, however large it is; together they tell all rows once."""
        for size in (3, 2, 10, 1, 1):
            catalog.add(numbered(size, first=catalog.count() + 1))

        chunks, since = [], 0
        while since < catalog.epoch:
            change = catalog.changes(since, 5)
            chunks.append((change.upto, len(_ids(change))))
            since = change.upto

        assert chunks == [(2, 5), (3, 10), (5, 2)]

    def test_deletes_count_towards_a_chunk(self, catalog: Catalog) -> None:
        """Rows that go are work for the index like rows that come."""
        catalog.add(numbered(4))
        catalog.delete([1, 2])
        catalog.delete([3])

        assert catalog.changes(1, 2).upto == 2
        assert catalog.changes(1, 3).upto == 3

    def test_metadata_alone_moves_the_epoch(self, catalog: Catalog) -> None:
        """An epoch that touched no row leads the index on with nothing to do."""
        catalog.add(numbered(1))
        catalog.add([], containers={"physics": [{"title": "x"}]})

        change = catalog.changes(1, 100)

        assert (change.upto, change.gone, _ids(change)) == (2, [], [])

    def test_up_to_date_index_is_told_nothing(self, catalog: Catalog) -> None:
        """At the newest epoch there is no change."""
        catalog.add(numbered(1))

        change = catalog.changes(1, 100)

        assert (change.since, change.upto, change.gone, _ids(change)) == (1, 1, [], [])

    def test_archived_rows_are_not_told(self, backend: Backend) -> None:
        """An index that is built anew holds live examples only."""
        backend.catalog.add(numbered(2))
        backend.archive([1])

        assert _ids(backend.catalog.changes(0, 100)) == [2]

    def test_epochs_are_told_by_when_they_were_committed(self, catalog: Catalog) -> None:
        """Each epoch has its moment, by which an index knows whose it is; what is no epoch has none."""
        catalog.add(numbered(1))
        catalog.add(numbered(1, first=2))

        assert catalog.changes(0, 100).committed_at == catalog.committed_at(2)
        assert catalog.changes(0, 1).committed_at == catalog.committed_at(1) != catalog.committed_at(2)
        assert catalog.committed_at(0) is catalog.committed_at(3) is None

    def test_pending_counts_versions(self, catalog: Catalog) -> None:
        """Rows added, deleted, and both versions of an edited one are what lies before the index."""
        catalog.add(numbered(3))
        edit(catalog, 1, row("edited"))
        catalog.delete([2])

        assert [catalog.pending(since) for since in range(4)] == [6, 3, 1, 0]
