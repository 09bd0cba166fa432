"""Paging: id order, at one epoch, whatever is written meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog_contract import CatalogContract, edit, ids_of, numbered, row
from mcai.filters import Filters
from mcai.store.base import Catalog


class TestPage(CatalogContract):
    """A page is the first rows with a higher id that match."""

    @pytest.mark.parametrize("limit", [1, 3, 7, 100])
    def test_walk_shows_each_row_once_in_order(self, catalog: Catalog, limit: int) -> None:
        """Following the last id of each page visits every row, whatever the page's size."""
        catalog.add(numbered(20))
        seen: list[int] = []

        while found := catalog.page(Filters(), after_id=seen[-1] if seen else 0, limit=limit, epoch=1):
            assert len(found) <= limit
            seen += [each.id for each in found]

        assert seen == list(range(1, 21))

    def test_page_behind_the_last_row_is_empty(self, catalog: Catalog) -> None:
        """There is no row behind the last, and none in an empty store."""
        assert catalog.page(Filters(), after_id=0, limit=5, epoch=0) == []
        catalog.add(numbered(2))
        assert catalog.page(Filters(), after_id=2, limit=5, epoch=1) == []
        assert catalog.page(Filters(), after_id=(1 << 62), limit=5, epoch=1) == []

    def test_page_fills_up_over_a_long_gap(self, catalog: Catalog) -> None:
        """Rows that lie thousands of deleted ids apart still make one page."""
        catalog.add(numbered(3_000))
        catalog.delete(list(range(3, 2_999)))

        assert ids_of(catalog) == [1, 2, 2_999, 3_000]
        assert [each.id for each in catalog.page(Filters(), after_id=1, limit=2, epoch=2)] == [2, 2_999]

    def test_rare_domain_is_found_in_a_crowd(self, catalog: Catalog) -> None:
        """A filter that few rows match fills its page from all over the store."""
        catalog.add([*numbered(500), row("rare 1", domain="rare"), *numbered(500, first=501)])
        catalog.add([row("rare 2", domain="rare")])

        assert ids_of(catalog, Filters(domains=("rare",))) == [501, 1_002]

    def test_epoch_is_a_picture_of_then(self, catalog: Catalog) -> None:
        """A walk at an old epoch sees nothing of what was added, edited or deleted since."""
        catalog.add(numbered(6))
        first = catalog.page(Filters(), after_id=0, limit=2, epoch=1)
        catalog.add(numbered(3, first=7))
        edit(catalog, 4, row("edited"))
        catalog.delete([5])

        rest = catalog.page(Filters(), after_id=2, limit=10, epoch=1)

        assert [each.content for each in first + rest] == [f"question {number}" for number in range(1, 7)]
        assert catalog.count_matching(Filters(), epoch=1) == 6
        assert ids_of(catalog) == [1, 2, 3, 4, 6, 7, 8, 9]

    def test_readers_see_whole_epochs_while_a_writer_writes(self, catalog: Catalog) -> None:
        """Each epoch here is a batch of ten in a domain of its own: no reader ever sees part of one."""
        stop = threading.Event()

        def read() -> int:
            looks = 0
            while not stop.is_set():
                epoch = catalog.epoch
                found = catalog.page(Filters(), after_id=0, limit=1_000, epoch=epoch)
                assert [each.id for each in found] == list(range(1, 10 * epoch + 1))
                last = catalog.get(10 * epoch) if epoch else None
                assert last is None or last.epoch >= epoch
                assert sum(each.examples for each in catalog.datasets()) % 10 == 0
                looks += 1
            return looks

        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read) for _ in range(3)]
            for batch in range(20):
                catalog.add(numbered(10, first=10 * batch + 1, domain=f"domain {batch}"))
            stop.set()
            assert all(reader.result() > 0 for reader in readers)

    def test_writers_take_turns(self, catalog: Catalog) -> None:
        """Writers at once give out each id once and make one epoch each."""
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda n: catalog.add(numbered(5, first=5 * n + 1)), range(8)))

        given = [item.id for result in results for item in result.results]
        assert sorted(map(int, map(str, given))) == list(range(1, 41))
        assert sorted(result.epoch for result in results) == list(range(1, 9))
