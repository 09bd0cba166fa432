"""What each name in a home must be. Something else in its place is an obstacle: told of before anything is opened."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcai.errors import DamagedError
from mcai.files import kind_of
from mcai.paths import Home, wal_path

FILE, FOLDER, SOCKET = (kind_of(kind) for kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFSOCK))


@dataclass(frozen=True)
class Place:
    """One name in a home."""

    path: Path
    kind: str
    """`FILE`, `FOLDER` or `SOCKET`."""
    may_be_link: bool = True
    """A link may lead to it: a folder on another disk, settings that are kept elsewhere."""


@dataclass(frozen=True)
class Obstacle:
    """Something that lies where something else must."""

    path: Path
    cause: str


def places(home: Home) -> Iterator[Place]:
    """Yield every name that mcai knows in a home, whether it is there or not; where things are put aside comes first.

    Folders come before what lies in them.
    """
    folders = (home.journal_dir, home.snapshot_dir, home.vectors_dir, home.archive_dir, home.backups_dir)
    for folder in (home.damaged_dir, *folders, home.temp_dir, home.quarantine_dir):
        yield Place(folder, FOLDER)
    for lock in (home.start_lock_path, home.lock_path):
        yield Place(lock, FILE, may_be_link=False)
    catalog = (home.catalog_path, wal_path(home.catalog_path))
    notes = (home.failures_path, home.suspect_path, home.stopped_path, home.restoring_path, home.forgetting_path)
    for file in (*catalog, *notes, home.config_path, home.log_path):
        yield Place(file, FILE)
    yield Place(home.socket_path, SOCKET, may_be_link=False)
    yield Place(home.snapshot_dir / "CURRENT", FILE)
    if home.archive_dir.is_dir():
        for path in sorted(home.archive_dir.glob("*.parquet")):
            yield Place(path, FILE)


def check(home: Home) -> None:
    """Refuse a home in which something else lies where a file or a folder must be.

    Raises:
        DamagedError: naming the first such thing.
    """
    for obstacle in obstacles(home):
        raise DamagedError(obstacle.cause, hint="Put it aside: mcai doctor --fix")


def obstacles(home: Home) -> list[Obstacle]:
    """Return what keeps a home from being used; nothing is opened."""
    found: list[Obstacle] = []
    for place in places(home):
        cause = None if any(place.path.is_relative_to(each.path) for each in found) else _what_is_wrong(place)
        if cause:
            found.append(Obstacle(place.path, f"{place.path} is {cause}, where {place.kind} must be"))
    return found


def _what_is_wrong(place: Place) -> str | None:
    """Say what is there instead; None when all is well, or nothing there."""
    try:
        mode = place.path.lstat().st_mode
        if stat.S_ISLNK(mode) and place.may_be_link:
            mode = place.path.stat().st_mode
    except FileNotFoundError:
        return "a link that leads nowhere" if place.path.is_symlink() else None
    except OSError as error:
        return f"of no use ({error.strerror})" if place.path.is_symlink() else None
    return None if kind_of(mode) == place.kind else kind_of(mode)
