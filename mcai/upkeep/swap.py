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
from mcai.errors import NO_JSON, DamagedError, StoreError
from mcai.files import put_aside, read_small, sync_folder, write_whole
from mcai.paths import Home, wal_path
from mcai.store import backup
from mcai.store.duck import verify

log = structlog.get_logger("restore")

BUILD_PREFIX = "restoring-"
REPLACED_PREFIX = "replaced-"
_MARKS = "which tells how far a restore had come,"
_WAY_OUT = "Restore again: mcai restore SRC. If a catalog is there, this may do: mcai doctor --fix"
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
        sync_folder(build)
        failpoints.hit("restore.built")
        write_whole(home.restoring_path, msgspec.json.encode(marker))
    except BaseException:
        if not home.restoring_path.exists():
            shutil.rmtree(build, ignore_errors=True)
        raise
    failpoints.hit("restore.marked")
    return _finish(home, marker)


def finish_interrupted(home: Home) -> None:
    """Finish or undo a swap that a crash cut off; called by the home's owner before it opens anything there.

    Raises:
        DamagedError: the marker cannot be read.
    """
    marker = _read_marker(home)
    if marker is None:
        for left_over in _builds(home):
            log.info("an unfinished restore was undone", build=left_over.name)
            shutil.rmtree(left_over)
        return
    log.warning("finishing a restore that was cut off", build=marker.build)
    _finish(home, marker)


def mend_interrupted(home: Home) -> None:
    """Finish or undo a swap, also where the marker is damaged: a catalog in the home is whole, the old or the new one.

    Raises:
        DamagedError: there is none, and nobody knows how to go on; nothing was changed.
    """
    try:
        finish_interrupted(home)
    except DamagedError:
        if not home.catalog_path.exists():
            raise
        for path in (*_builds(home), home.restoring_path):
            put_aside(path, home.damaged_dir)


def is_marker_readable(home: Home) -> bool:
    """Tell whether a start could finish the swap, or there is none."""
    try:
        _read_marker(home)
    except DamagedError:
        return False
    return True


def _builds(home: Home) -> list[Path]:
    return [path for path in home.dir.glob(f"{BUILD_PREFIX}*") if path.is_dir() and not path.is_symlink()]


def _read_marker(home: Home) -> _Marker | None:
    path = home.restoring_path
    try:
        marker = msgspec.json.decode(read_small(path), type=_Marker)
    except FileNotFoundError:
        return None
    except (*NO_JSON, OSError) as error:
        raise DamagedError(f"{path}, {_MARKS} is damaged", hint=_WAY_OUT) from error
    named = ((marker.build, BUILD_PREFIX), (marker.replaced, REPLACED_PREFIX))
    if any("/" in name or "\0" in name or not name.startswith(prefix) for name, prefix in named):
        raise DamagedError(f"{path}, {_MARKS} names a folder that no restore made", hint=_WAY_OUT)
    return marker


def _finish(home: Home, marker: _Marker) -> Path | None:
    build, replaced = home.dir / marker.build, home.backups_dir / marker.replaced
    fresh = build / backup.CATALOG
    if fresh.exists():
        # The catalog in the home is still the old one, or gone already.
        _put_away(home, replaced)
        failpoints.hit("restore.moved")
        fresh.rename(home.catalog_path)
        sync_folder(home.dir)
    failpoints.hit("restore.swapped")
    for derived in (home.vectors_dir, home.snapshot_dir):
        shutil.rmtree(derived, ignore_errors=True)
    if build.exists():
        if (build / OTHERS).exists():
            _give_missing(build / OTHERS, home.dir)
        shutil.rmtree(build)
    _seal(replaced)
    home.restoring_path.unlink()
    sync_folder(home.dir)
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
        sync_folder(replaced)
    for told in (home.suspect_path, home.failures_path):
        told.unlink(missing_ok=True)
    sync_folder(home.dir)


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
