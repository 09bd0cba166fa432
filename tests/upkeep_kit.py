"""What the tests of backup, restore and doctor share: a home without a daemon, a small history, what shows of it."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from catalog_contract import CALM, edit, numbered, row
from mcai.filters import Filters
from mcai.paths import Home
from mcai.store.base import Key, RotationPolicy
from mcai.store.duck import DuckCatalog, recovery

ROOM_BYTES = 8_192
State = bytes
"""All that a person can see of a catalog, as JSON."""


@contextmanager
def opened(home: Home) -> Iterator[DuckCatalog]:
    """Open a home's catalog as the daemon does, and close it as it does."""
    home.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    catalog = recovery.open_catalog(home, [CALM]).catalog
    try:
        yield catalog
    finally:
        catalog.close()


def state_of(catalog: DuckCatalog) -> State:
    """Return everything that shows: examples, archive, datasets, and the whole log."""
    epoch = catalog.epoch
    everything: dict[str, Any] = {
        name: catalog.page(Filters(), after_id=0, limit=10_000, epoch=epoch, archived=archived)
        for name, archived in (("examples", False), ("archive", True))
    }
    everything["datasets"] = catalog.datasets()
    everything["log"] = catalog.log(None, before=epoch + 1, limit=10_000)
    return msgspec.json.encode(everything)


def state_in(home: Home) -> State:
    """Return everything that shows of a home which no daemon serves."""
    with opened(home) as catalog:
        return state_of(catalog)


def make_history(catalog: DuckCatalog) -> Iterator[int]:
    """Do one of everything that makes an epoch; yield each."""
    steps: tuple[Callable[[], object], ...] = (
        lambda: catalog.add(numbered(6), key=Key("first", b"1"), containers={"physics": [{"told": "once"}]}),
        lambda: catalog.add([row("alone", domain="music")]),
        lambda: edit(catalog, 2, row("question 2, edited")),
        lambda: catalog.delete([3]),
        lambda: catalog.add(numbered(1, first=7), containers={"physics": [{"told": "twice", "more": True}]}),
        lambda: catalog.rotate(RotationPolicy(max_rows=3)),
        lambda: catalog.restore_archived([1], Filters()),
        lambda: catalog.drop_dataset("music"),
        lambda: catalog.rollback(5, None),
        lambda: catalog.add([row("late", domain="late")], key=Key("last", b"2")),
    )
    for number, step in enumerate(steps, start=catalog.epoch + 1):
        step()
        assert catalog.epoch == number, "each step is one epoch"
        yield number


def fill(home: Home) -> dict[int, State]:
    """Make the small history in a home; return its states by epoch, that of the empty home included."""
    with opened(home) as catalog:
        return {0: state_of(catalog), **{epoch: state_of(catalog) for epoch in make_history(catalog)}}


def copy_of(home: Home, folder: Path) -> Home:
    """Return a copy of a home that no daemon serves."""
    shutil.copytree(home.dir, folder)
    return Home(folder)


def digests(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder, by its path there."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def flip(path: Path, offset: int) -> None:
    """Damage one byte of a file."""
    raw = bytearray(path.read_bytes())
    raw[offset] ^= 0x01
    path.write_bytes(raw)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow beyond a little: what the engine does then is what it does on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def silent(_: str) -> None:
    """Tell nobody."""
