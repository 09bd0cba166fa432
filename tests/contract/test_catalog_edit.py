"""Editing: a new version under the same id, unless that would make two of one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from catalog_contract import Backend, CatalogContract, edit, ids_of, metadata_of, numbered, row
from mcai.errors import ConflictError, InvalidRequestError, NotFoundError
from mcai.filters import Filters
from mcai.records import StoredExample
from mcai.store.base import Catalog, NewRow


class TestEdit(CatalogContract):
    """An edit keeps the id and is one epoch."""

    def test_edit_replaces_the_version_and_keeps_the_id(self, catalog: Catalog) -> None:
        """The answer, a later read and the page all show the new version, once."""
        catalog.add(numbered(2))

        edited = edit(catalog, 1, row("new", "answer", emotion="calm", metadata={"k": 1}))

        assert (edited.id, edited.content, edited.emotion, edited.epoch, edited.archived) == (
            1,
            "new",
            "calm",
            2,
            False,
        )
        assert metadata_of(edited) == {"k": 1}
        assert catalog.get(1) == edited
        assert ids_of(catalog) == [1, 2] and catalog.count() == 2 and catalog.epoch == 2

    def test_change_is_made_of_the_present_version(self, catalog: Catalog) -> None:
        """Edits at once do not lose each other: each is made of what the one before it left."""
        catalog.add([row("0")])

        def count_up(old: StoredExample) -> NewRow:
            return row(str(int(old.content) + 1))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: catalog.edit(1, count_up), range(12)))

        found = catalog.get(1)
        assert found is not None and found.content == "12" and catalog.epoch == 13

    def test_change_that_fails_leaves_everything_as_it_was(self, catalog: Catalog) -> None:
        """An error while the new version is made is the caller's; the store goes on."""
        catalog.add(numbered(1))

        def refuse(old: StoredExample) -> NewRow:
            raise InvalidRequestError(f"not {old.content}")

        with pytest.raises(InvalidRequestError, match="not question 1"):
            catalog.edit(1, refuse)

        assert catalog.epoch == 1 and edit(catalog, 1, row("b")).epoch == 2

    def test_old_epoch_still_shows_the_old_version(self, catalog: Catalog) -> None:
        """What was read at an epoch can be read again at that epoch."""
        catalog.add([row("old")])
        edit(catalog, 1, row("new"))

        [before] = catalog.page(Filters(), after_id=0, limit=10, epoch=1)
        [after] = catalog.page(Filters(), after_id=0, limit=10, epoch=2)

        assert (before.content, after.content) == ("old", "new")

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {
                "response": None,
                "emotion": "calm",
                "frequency_hz": 10.0,
                "created_at": "2025-01-01T00:00:00.000001Z",
                "source": "/a#1",
                "metadata": {"b": 1, "a": [1.5, None, True]},
            },
        ],
        ids=["bare", "every field"],
    )
    def test_edit_to_the_same_content_makes_no_epoch(self, catalog: Catalog, fields: dict[str, Any]) -> None:
        """A change that changes nothing is none: no epoch, no new version to index."""
        catalog.add([row("a", **fields)])

        edited = edit(catalog, 1, row("a", **fields))

        assert edited == catalog.get(1)
        assert edited.epoch == catalog.epoch == 1 and catalog.pending(1) == 0

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("content", "b"),
            ("response", None),
            ("domain", "Physics"),
            ("emotion", "Calm"),
            ("frequency_hz", 10.5),
            ("created_at", "2025-01-02"),
            ("source", "/a#2"),
            ("metadata", {"k": True}),
        ],
    )
    def test_change_of_any_field_makes_an_epoch(self, catalog: Catalog, field: str, value: Any) -> None:
        """Only what is the same in every field is no change (in metadata, ``1`` and ``true`` are two)."""
        old: dict[str, Any] = {
            "content": "a",
            "response": "yes",
            "domain": "physics",
            "emotion": "calm",
            "frequency_hz": 10.0,
        }
        old |= {"created_at": "2025-01-01", "source": "/a#1", "metadata": {"k": 1}}
        catalog.add([row(**old)])

        edited = edit(catalog, 1, row(**{**old, field: value}))

        assert edited.epoch == catalog.epoch == 2
        shown = metadata_of(edited) if field == "metadata" else getattr(edited, field)
        assert shown == ("2025-01-02T00:00:00Z" if field == "created_at" else value)

    def test_edit_onto_another_example_is_refused(self, catalog: Catalog) -> None:
        """(domain, content, response) stays unique; the error names who holds it, and nothing changed."""
        catalog.add(numbered(2))
        taken = row("question 2")

        with pytest.raises(ConflictError, match="example 2"):
            edit(catalog, 1, taken)

        found = catalog.get(1)
        assert found is not None and found.content == "question 1" and catalog.epoch == 1

    def test_edit_onto_an_archived_example_is_refused(self, backend: Backend) -> None:
        """An archived example still holds its triple."""
        backend.catalog.add(numbered(2))
        backend.archive([2])

        with pytest.raises(ConflictError, match="example 2"):
            edit(backend.catalog, 1, row("question 2"))

    def test_edit_frees_the_old_triple(self, catalog: Catalog) -> None:
        """What an edit replaced can be added again, under a new id."""
        catalog.add([row("a")])
        edit(catalog, 1, row("b"))

        result = catalog.add([row("a"), row("b")])

        assert [(item.status, item.id) for item in result.results] == [("imported", 2), ("duplicate", 1)]

    def test_edit_moves_to_a_new_domain(self, catalog: Catalog) -> None:
        """A new domain comes into being; the old one, empty now, is shown no more."""
        catalog.add([row("a", domain="old")])
        edit(catalog, 1, row("a", domain="new"))

        found = {each.domain: (each.examples, each.version) for each in catalog.datasets()}

        assert found == {"new": (1, 2)}
        assert ids_of(catalog, Filters(domains=("new",))) == [1] and ids_of(catalog, Filters(domains=("old",))) == []

    @pytest.mark.parametrize("example_id", [-1, 0, 2, (1 << 63) - 1])
    def test_unknown_id_is_not_found(self, catalog: Catalog, example_id: int) -> None:
        """There is nothing to edit under an id that was never given out."""
        catalog.add(numbered(1))

        with pytest.raises(NotFoundError, match="does not exist"):
            edit(catalog, example_id, row("b"))

    def test_deleted_example_is_not_found(self, catalog: Catalog) -> None:
        """Editing does not bring a deleted example back."""
        catalog.add(numbered(1))
        catalog.delete([1])

        with pytest.raises(NotFoundError, match="does not exist"):
            edit(catalog, 1, row("b"))

    def test_archived_example_must_be_restored_first(self, backend: Backend) -> None:
        """Only live examples are edited; the error says what to do."""
        backend.catalog.add(numbered(1))
        backend.archive([1])

        with pytest.raises(NotFoundError, match="is archived") as caught:
            edit(backend.catalog, 1, row("b"))

        assert "archive restore" in caught.value.hint
