"""Adding: what becomes of each record of a batch, and what a repeated request does."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from catalog_contract import Backend, CatalogContract, ids_of, metadata_of, numbered, row
from mcai.errors import IdempotencyConflictError
from mcai.filters import Filters
from mcai.records import AddResult
from mcai.store.base import Catalog, Key, NewRow, Rejection


def _statuses(result: AddResult) -> list[str]:
    return [item.status for item in result.results]


def _ids(result: AddResult) -> list[object]:
    return [item.id for item in result.results]


class TestAdd(CatalogContract):
    """A batch is one epoch; every record of it ends as exactly one of imported, duplicate, rejected."""

    def test_new_rows_get_rising_ids_in_the_order_of_the_batch(self, catalog: Catalog) -> None:
        """Ids begin at 1 and rise in the order in which the rows were sent, over batches too."""
        first, second = catalog.add(numbered(3)), catalog.add(numbered(2, first=4))

        assert _ids(first) + _ids(second) == [1, 2, 3, 4, 5]
        assert (first.epoch, second.epoch, catalog.epoch) == (1, 2, 2)
        assert (first.imported, first.duplicate, first.rejected) == (3, 0, 0)

    def test_row_comes_back_as_it_was_given(self, catalog: Catalog) -> None:
        """Every field of an example survives the store, whatever of Unicode it holds."""
        given = row(
            "Grüße 👋\u2028\tline\nnext",
            "",
            "Träume",
            emotion="Calm",
            frequency_hz=7.83,
            created_at="2025-10-17T02:39:20.063180+02:00",
            source="/data/a b.json#3",
            metadata={"nested": {"list": [1, 2.5, None, True]}, "empty": ""},
        )
        catalog.add([given])

        [found] = catalog.page(Filters(), after_id=0, limit=10, epoch=catalog.epoch)

        assert found.content == "Grüße 👋\u2028\tline\nnext"
        assert (found.response, found.domain, found.emotion, found.frequency_hz) == ("", "Träume", "Calm", 7.83)
        assert found.created_at == "2025-10-17T00:39:20.063180Z"
        assert found.source == "/data/a b.json#3"
        assert metadata_of(found) == {"nested": {"list": [1, 2.5, None, True]}, "empty": ""}

    def test_duplicate_within_a_batch_names_the_first(self, catalog: Catalog) -> None:
        """The second of two equal rows of one batch is a duplicate of the first."""
        result = catalog.add([row("a"), row("b"), row("a")])

        assert _statuses(result) == ["imported", "imported", "duplicate"]
        assert _ids(result) == [1, 2, 1]
        assert ids_of(catalog) == [1, 2]

    def test_duplicate_against_the_store_names_who_was_there(self, catalog: Catalog) -> None:
        """Duplicates against the store are counted like those within a batch."""
        catalog.add([row("a"), row("b")])

        result = catalog.add([row("c"), row("b")])

        assert _statuses(result) == ["imported", "duplicate"]
        assert _ids(result) == [3, 2]
        assert (result.imported, result.duplicate) == (1, 1)

    @pytest.mark.parametrize(
        "other",
        [
            row("q", None),
            row("q", ""),
            row("q", "Yes"),
            row("Q", "yes"),
            row("q ", "yes"),
            row("q", "yes", "Physics"),
            row("q", "yes", "biology"),
        ],
        ids=["null response", "empty response", "case", "case of content", "outer blank", "case of domain", "domain"],
    )
    def test_what_differs_at_all_is_another_example(self, catalog: Catalog, other: NewRow) -> None:
        """(domain, content, response) is compared exactly; null and empty responses are two."""
        assert catalog.add([row("q", "yes"), other]).imported == 2

    def test_null_and_empty_response_are_two_examples(self, catalog: Catalog) -> None:
        """No answer and an empty answer are not the same."""
        assert catalog.add([row("q", None), row("q", "")]).imported == 2
        assert catalog.add([row("q", None), row("q", "")]).duplicate == 2

    def test_repaired_text_meets_its_unrepaired_twin(self, catalog: Catalog) -> None:
        """Text repair never changes identity: it is judged on the text as it was read."""
        catalog.add([row("grÃ¼n")])

        result = catalog.add([row("grün", metadata={"text_as_read": {"content": "grÃ¼n"}})])

        assert _statuses(result) == ["duplicate"]

    def test_duplicate_leaves_the_first_row_alone(self, catalog: Catalog) -> None:
        """For duplicates the first row's metadata, emotion and source stay."""
        catalog.add([row("a", emotion="calm", source="/first#1", metadata={"k": 1})])
        catalog.add([row("a", emotion="anger", source="/second#1", metadata={"k": 2})])

        found = catalog.get(1)

        assert found is not None and (found.emotion, found.source, metadata_of(found)) == ("calm", "/first#1", {"k": 1})

    def test_rejected_records_are_kept_apart(self, catalog: Catalog) -> None:
        """A bad record never fails its batch, takes no id, and is answered at its own place with its reason."""
        result = catalog.add([Rejection("first is bad"), row("a"), Rejection("third is bad"), row("b")])

        assert _statuses(result) == ["rejected", "imported", "rejected", "imported"]
        assert [item.index for item in result.results] == [0, 1, 2, 3]
        assert [item.reason for item in result.results if item.status == "rejected"] == ["first is bad", "third is bad"]
        assert ids_of(catalog) == [1, 2]

    @pytest.mark.parametrize("batch", [[], [Rejection("bad")], [row("a")], [row("a"), Rejection("bad"), row("a")]])
    def test_batch_that_changes_nothing_makes_no_epoch(self, catalog: Catalog, batch: list[NewRow | Rejection]) -> None:
        """Empty, rejected and duplicate batches answer the epoch that there was."""
        catalog.add([row("a")])

        result = catalog.add(batch, key=Key("k", b"body"))

        assert result.epoch == catalog.epoch == 1
        assert catalog.pending(1) == 0

    def test_dry_run_tells_the_same_and_changes_nothing(self, catalog: Catalog) -> None:
        """A dry run finds duplicates against the store, and leaves rows, epoch, ids and keys as they were."""
        catalog.add([row("a")])
        batch: list[NewRow | Rejection] = [row("a"), row("b"), Rejection("bad"), row("b")]
        key = Key("k", b"body")

        dry = catalog.add(batch, key=key, containers={"physics": [{"title": "x"}]}, dry_run=True)

        assert (dry.imported, dry.duplicate, dry.rejected, dry.epoch) == (1, 2, 1, 1)
        assert ids_of(catalog) == [1] and catalog.epoch == 1 and catalog.datasets()[0].metadata == {}
        wet = catalog.add(batch, key=key)
        assert _statuses(wet) == _statuses(dry) and wet.epoch == 2

    def test_dry_run_makes_no_dataset(self, catalog: Catalog) -> None:
        """A domain that only a dry run named does not exist."""
        catalog.add([row("a", domain="new")], dry_run=True)

        assert catalog.datasets() == [] and catalog.dataset_ids(["new"]) == []

    def test_archived_example_still_holds_its_triple(self, backend: Backend) -> None:
        """Adding what lies in the archive is a duplicate that says so."""
        catalog = backend.catalog
        catalog.add(numbered(2))
        backend.archive([1])

        result = catalog.add(numbered(2))

        assert [(item.status, item.id, item.archived) for item in result.results] == [
            ("duplicate", 1, True),
            ("duplicate", 2, UNSET),
        ]


class TestIdempotency(CatalogContract):
    """A retried request with the same key never makes a second copy."""

    def test_replay_answers_word_for_word(self, catalog: Catalog) -> None:
        """The same key with the same body gets the first answer, whatever happened since."""
        key = Key("k", b"body")
        batch: list[NewRow | Rejection] = [row("a"), Rejection("bad")]
        first = catalog.add(batch, key=key)
        catalog.add([row("b")])

        assert catalog.add(batch, key=key) == first
        assert ids_of(catalog) == [1, 2] and catalog.epoch == 2

    def test_replay_brings_nothing_deleted_back(self, catalog: Catalog) -> None:
        """A late retry does not undo a delete."""
        key = Key("k", b"body")
        catalog.add([row("a")], key=key)
        catalog.delete([1])

        catalog.add([row("a")], key=key)

        assert ids_of(catalog) == []

    def test_other_body_is_a_conflict_that_changes_nothing(self, catalog: Catalog) -> None:
        """The same key with another body is refused."""
        catalog.add([row("a")], key=Key("k", b"body"))

        with pytest.raises(IdempotencyConflictError, match="'k'"):
            catalog.add([row("b")], key=Key("k", b"other"))

        assert ids_of(catalog) == [1] and catalog.epoch == 1

    def test_answer_without_an_epoch_is_kept_too(self, catalog: Catalog) -> None:
        """A batch of duplicates is replayed as such, even after the row that it met was deleted."""
        catalog.add([row("a")])
        key = Key("k", b"body")
        first = catalog.add([row("a")], key=key)
        catalog.delete([1])

        assert catalog.add([row("a")], key=key) == first

    def test_two_keys_are_two_requests(self, catalog: Catalog) -> None:
        """Another key does not replay: the same rows are met as duplicates."""
        catalog.add([row("a")], key=Key("one", b"body"))

        assert catalog.add([row("a")], key=Key("two", b"body")).duplicate == 1


class TestContainers(CatalogContract):
    """What a file says of all its records becomes the dataset's metadata."""

    def test_metadata_is_kept_with_the_dataset(self, catalog: Catalog) -> None:
        """Container fields of the batch that made the dataset are its metadata, in the same epoch."""
        catalog.add([row("a")], containers={"physics": [{"title": "Light", "tags": ["x"]}]})

        [dataset] = catalog.datasets()
        assert dataset.metadata == {"title": "Light", "tags": ["x"]} and dataset.version == catalog.epoch == 1

    def test_merging_twice_changes_nothing(self, catalog: Catalog) -> None:
        """The same container again makes no epoch."""
        told = {"physics": [{"title": "Light"}]}
        catalog.add([row("a")], containers=told)

        assert catalog.add([row("a")], containers=told).epoch == 1

    def test_disagreeing_container_is_kept_beside_the_first(self, catalog: Catalog) -> None:
        """The first value of a key stays, the other one is kept once in the list ``also``."""
        catalog.add([row("a")], containers={"physics": [{"title": "Light"}]})
        for _ in range(2):
            catalog.add([row("a")], containers={"physics": [{"title": "Waves", "year": 1900}]})

        [dataset] = catalog.datasets()
        assert dataset.metadata == {"title": "Light", "year": 1900, "also": [{"title": "Waves"}]}
        assert catalog.epoch == dataset.version == 2

    def test_what_disagrees_is_kept_up_to_a_bound(self, catalog: Catalog) -> None:
        """A thousand files that each say something else do not make metadata without end; that it was cut is told."""
        catalog.add([row("a")], containers={"physics": [{"title": str(number)} for number in range(1_000)]})

        metadata = catalog.datasets()[0].metadata

        assert metadata["title"] == "0" and metadata["also_cut"] is True and 10 <= len(metadata["also"]) < 1_000
        assert catalog.add([], containers={"physics": [{"title": "new"}]}).epoch == 1, "nothing was kept of it"

    def test_container_of_an_unknown_domain_makes_no_dataset(self, catalog: Catalog) -> None:
        """Metadata alone does not bring a domain into being."""
        assert catalog.add([], containers={"nowhere": [{"title": "x"}]}).epoch == 0
        assert catalog.datasets() == []
