"""What the tests of recovery share: a home that lived through something, its whole state, and ways to damage it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from catalog_contract import edit, numbered, row
from mcai.filters import Filters
from mcai.paths import Home
from mcai.store.base import Key, RotationPolicy
from mcai.store.duck import DuckCatalog, recovery
from mcai.upkeep import bases

LARGE = 1_000_000


@contextmanager
def opened(home: Home, **options: Any) -> Iterator[recovery.Opened]:
    found = recovery.open_catalog(home, [], **options)
    try:
        yield found
    finally:
        found.catalog.close()


def state(catalog: DuckCatalog) -> bytes:
    """Return everything that a repair must bring back."""
    pages = [
        catalog.page(Filters(), after_id=0, limit=LARGE, epoch=catalog.epoch, archived=archived)
        for archived in (False, True)
    ]
    log = catalog.log(None, before=LARGE, limit=LARGE)
    return msgspec.json.encode([pages, log, catalog.epoch, catalog.engine.chain.hex(), catalog.engine.last_id])


def live_through(catalog: DuckCatalog) -> None:
    """Make epochs of every kind."""
    catalog.add(numbered(10), containers={"physics": [{"title": "About"}]}, key=Key("k", b"h" * 16))
    catalog.add(
        [row("z", domain="b", created_at="2025-01-01"), row("y", domain="b", metadata={"deep": [1, {"a": None}]})]
    )
    edit(catalog, 3, row("edited", domain="c"))
    catalog.delete([5])
    catalog.rotate(RotationPolicy(max_rows=4))
    catalog.rollback(2, "c")
    catalog.restore_archived([1], Filters())
    catalog.forget([2])
    catalog.drop_dataset("b")
    catalog.rollback(2, None)


def repairable(home: Home, found: recovery.Opened) -> bool:
    return bases.look(home, found.catalog.timeline, found.catalog.epoch).repairable


def lose_catalog(home: Home) -> None:
    home.catalog_path.unlink()


def overwrite_catalog(home: Home) -> None:
    home.catalog_path.write_bytes(b"not a database" * 1_000)


def mark_suspect(home: Home) -> None:
    home.suspect_path.write_text("a block is damaged")
