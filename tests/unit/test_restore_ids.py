"""Restoring over a home that nobody can read: no id comes to mean another example."""

from __future__ import annotations

import shutil
from pathlib import Path

from catalog_contract import ids_of, numbered
from mcai.paths import Home
from mcai.store import backup
from mcai.upkeep.restore import restore
from recovery_kit import opened


def test_ids_that_nobody_can_read_are_not_given_out_again(tmp_path: Path) -> None:
    """A gap is left that is larger than any number of examples that can have been there, and told of."""
    home, told = Home(tmp_path / "home"), list[str]()
    home.dir.mkdir()
    with opened(home) as before:
        before.catalog.add(numbered(3))
        backup.make(before.catalog, tmp_path / "kept", [home.journal_dir])
        before.catalog.add(numbered(3, first=4))
    home.catalog_path.write_bytes(b"no catalog")
    shutil.rmtree(home.journal_dir)

    restore(home, tmp_path / "kept", tell=told.append)

    with opened(home) as after:
        after.catalog.add(numbered(1, first=7))
        assert ids_of(after.catalog)[-1] > 1_000_000
    assert any("new examples get ids above" in each for each in told)
