"""Puts a new catalog in the place of a home's own, so that a crash at any moment leaves the old one or the new one.

The new one is built in a folder of the home. A marker file says that it is whole: without it, the folder is rubbish and
the old state stays; with it, whoever opens the home next finishes what it says, however far it had come.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from mcai import failpoints
from mcai.errors import DamagedError, StoreError
from mcai.paths import Home
from mcai.store import backup
from mcai.store.duck import verify
from mcai.store.duck.connection import wal_path

log = structlog.get_logger("restore")

BUILD_PREFIX = "restoring-"
MARKER_NAME = "restoring.json"
REPLACED_PREFIX = "replaced-"
OTHERS = "others"
"""The folder in a build with what comes along beside the catalog."""


class _Marker(Struct, frozen=True):
    """A swap that has to be finished."""

    build: str
    """The folder in the home with what is to come."""
    replaced: str
    """The folder among the backups where what was there goes."""


def new_build(home: Home) -> Path:
    """Make the folder in which a new state is built; nobody looks into it before `swap`."""
    folder = home.dir / f"{BUILD_PREFIX}{_stamp()}"
    folder.mkdir(mode=0o700)
    return folder


def swap(home: Home, build: Path) -> Path | None:
    """Put what was built in place of what is there.

    Args:
        home: owned by this process; nothing in it is open.
        build: from `new_build`: a whole catalog, and in `OTHERS` what the home gets where it lacks it.

    Returns:
        Where the data lies that was there before; None when there was none.
    """
    marker = _Marker(build.name, f"{REPLACED_PREFIX}{_stamp()}")
    try:
        backup.sync_folder(build)
        failpoints.hit("restore.built")
        backup.write_whole(home.dir / MARKER_NAME, msgspec.json.encode(marker))
    except BaseException:
        if not (home.dir / MARKER_NAME).exists():
            shutil.rmtree(build, ignore_errors=True)
        raise
    failpoints.hit("restore.marked")
    return _finish(home, marker)


def finish_interrupted(home: Home) -> None:
    """Finish or undo a swap that a crash cut off; called by the home's owner before it opens anything there.

    Raises:
        DamagedError: the marker cannot be read.
    """
    path = home.dir / MARKER_NAME
    try:
        marker = msgspec.json.decode(path.read_bytes(), type=_Marker)
    except FileNotFoundError:
        for left_over in home.dir.glob(f"{BUILD_PREFIX}*/"):
            log.info("an unfinished restore was undone", build=left_over.name)
            shutil.rmtree(left_over)
        return
    except msgspec.DecodeError as error:
        raise DamagedError(f"{path}, which tells how far a restore had come, is damaged") from error
    log.warning("finishing a restore that was cut off", build=marker.build)
    _finish(home, marker)


def _finish(home: Home, marker: _Marker) -> Path | None:
    build, replaced = home.dir / marker.build, home.backups_dir / marker.replaced
    fresh = build / backup.CATALOG
    if fresh.exists():
        # The catalog in the home is still the old one, or gone already.
        _put_away(home, replaced)
        failpoints.hit("restore.moved")
        fresh.rename(home.catalog_path)
        backup.sync_folder(home.dir)
    failpoints.hit("restore.swapped")
    for derived in (home.vectors_dir, home.snapshot_dir):
        shutil.rmtree(derived, ignore_errors=True)
    if build.exists():
        if (build / OTHERS).exists():
            _give_missing(build / OTHERS, home.dir)
        shutil.rmtree(build)
    _seal(replaced)
    (home.dir / MARKER_NAME).unlink()
    backup.sync_folder(home.dir)
    return replaced if replaced.exists() else None


def _put_away(home: Home, replaced: Path) -> None:
    """Move the old catalog and its journal away, and what was said about them."""
    catalog = home.catalog_path
    old = [path for path in (wal_path(catalog), catalog, home.journal_dir) if path.exists()]
    if old:
        replaced.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in old:
        path.rename(replaced / path.name)
    if old:
        backup.sync_folder(replaced)
    for told in (home.suspect_path, home.failures_path):
        told.unlink(missing_ok=True)
    backup.sync_folder(home.dir)


def _give_missing(source: Path, target: Path) -> None:
    """Move what lies in one folder into another, except for what is there already."""
    for path in source.iterdir():
        if path.is_dir() and (target / path.name).is_dir():
            _give_missing(path, target / path.name)
        elif not (target / path.name).exists():
            path.rename(target / path.name)


def _seal(replaced: Path) -> None:
    """Make a backup of what was put away, so that it can be restored in its turn.

    Damaged, or without room for its write-ahead log, it stays as it is: a manifest would vouch for less than was there.
    """
    catalog = replaced / backup.CATALOG
    if not catalog.exists() or (replaced / backup.MANIFEST).exists():
        return
    try:
        backup.seal(replaced, verify.settled(catalog))
    except StoreError as error:
        log.warning("what was replaced is kept, but is no backup", path=str(replaced), reason=error.message)


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
