"""Opens a catalog with everything that can repair it, in the order of what it costs: nothing, time, rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from mcai import catalogs
from mcai.errors import CatalogDamagedError, DamagedError
from mcai.files import write_whole
from mcai.paths import Home, wal_path
from mcai.store.duck import recovery, verify
from mcai.store.duck.aside import Aside
from mcai.store.duck.catalog import DuckCatalog
from mcai.store.duck.connection import SCHEMA_VERSION
from mcai.store.duck.recovery import Opened
from mcai.store.duck.salvage import salvage

Tell: TypeAlias = Callable[[str], None]


@contextmanager
def reopened(home: Home, tell: Tell) -> Iterator[tuple[DuckCatalog, list[str]]]:
    """Open the catalog of a home, and say what that took.

    Args:
        home: owned by this process.
        tell: told what is being done.

    Raises:
        StoreError: nothing helps.
    """
    causes: list[str] = []
    unsound = _unsound(home)
    if unsound and not home.suspect_path.exists():
        write_whole(home.suspect_path, unsound.encode())
    tell("opening the catalog")
    opened = _open(home, causes, tell)
    if opened.recovery:
        causes.append(opened.recovery.cause)
        if opened.recovery.lost_epochs:
            causes.append(f"{opened.recovery.lost_epochs} epochs are lost")
    try:
        yield opened.catalog, causes
    finally:
        opened.catalog.close()


def _unsound(home: Home) -> str | None:
    """Return why a catalog that can be opened must not be used as it is."""
    try:
        source = verify.ReadOnly(home.catalog_path)
    except DamagedError:
        return None  # recovery sees that itself
    with source:
        try:
            if verify.schema_version(source) != SCHEMA_VERSION:
                return None  # another version of mcai wrote it: that it looks strange says nothing
            verify.read_blocks(source)
            return "; ".join(verify.faults(source)) or None
        except CatalogDamagedError as error:
            return error.message


def _open(home: Home, causes: list[str], tell: Tell) -> Opened:
    if home.suspect_path.exists():
        try:
            return recovery.open_catalog(home, catalogs.emotions())
        except DamagedError as error:
            causes.append(error.message)
            home.suspect_path.unlink()
        tell("keeping what can be read")
        _keep_readable(home, causes)
    return recovery.open_catalog(home, catalogs.emotions(), accept_loss=True)


def _keep_readable(home: Home, causes: list[str]) -> None:
    """Put a file without its damaged parts in the catalog's place; where that fails too, it is left as it is."""
    fresh = home.catalog_path.with_name(f"{home.catalog_path.name}.part")
    fresh.unlink(missing_ok=True)
    try:
        lost_rows = salvage(home.catalog_path, fresh)
    except DamagedError as error:
        causes.append(error.message)
        fresh.unlink(missing_ok=True)
        return
    with Aside(home.damaged_dir) as aside:
        aside.take(wal_path(home.catalog_path))
        aside.take(home.catalog_path)
        fresh.rename(home.catalog_path)
        aside.keep()
    causes.append(f"{lost_rows} rows could not be read and are lost")
