"""Checks of the home itself: who may read it, room, settings, what was left behind."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mcai import engine_failures, settings
from mcai.errors import ConfigError, DamagedError
from mcai.files import put_aside
from mcai.layout import FOLDER, Place, obstacles, places
from mcai.paths import Home
from mcai.store.backup import MAKING_PREFIX
from mcai.upkeep.backup import catalog_bytes
from mcai.upkeep.doctor.model import FIX, Patient, Trouble
from mcai.upkeep.swap import BUILD_PREFIX, is_marker_readable, mend_interrupted

MIN_FREE_BYTES = 256 << 20
RECENT_S = 86_400.0


def look_at_home(patient: Patient) -> Iterator[Trouble]:
    """The home is a folder of this user, closed to all others, and each name in it is what it must be."""
    folder = patient.home.dir
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        yield Trouble(f"{folder} is not a folder of this user", "Set MCAI_HOME to one that is.")
    elif about.st_mode & 0o077:
        yield Trouble(f"{folder} is open to other users", mend=lambda _: folder.chmod(0o700))
    in_the_way = obstacles(patient.home)
    for obstacle in in_the_way:
        yield Trouble(obstacle.cause, mend=partial(_put_aside, obstacle.path))
    for place in places(patient.home):
        if place.path not in {each.path for each in in_the_way}:
            yield from _look_at_owner(place)


def _look_at_owner(place: Place) -> Iterator[Trouble]:
    """What is in the home belongs to its user, who may read and write it."""
    wanted = stat.S_IRWXU if place.kind == FOLDER else stat.S_IRUSR | stat.S_IWUSR
    try:
        about = place.path.lstat()
    except OSError:
        return
    if stat.S_ISLNK(about.st_mode):
        return
    if about.st_uid != os.getuid():
        yield Trouble(f"{place.path} belongs to another user", f"Make it yours: chown {os.getuid()} {place.path}")
    elif about.st_mode & wanted != wanted:
        mode = stat.S_IMODE(about.st_mode) | wanted
        yield Trouble(f"{place.path} may not be read and written", mend=lambda _: place.path.chmod(mode))


def _put_aside(path: Path, patient: Patient) -> None:
    """Move an obstacle away. Where it is in the way of the folder for that, it gets another name first."""
    folder = patient.home.damaged_dir
    if not os.path.lexists(path):
        return  # more than one check found fault with it
    if path == folder:
        path = path.rename(path.with_name(f"{path.name}.obstacle"))
    put_aside(path, folder)


def look_at_disk(patient: Patient) -> Iterator[Trouble]:
    """There is room for what comes, and for a base copy."""
    wanted_bytes = max(MIN_FREE_BYTES, catalog_bytes(patient.home))
    free_bytes = shutil.disk_usage(patient.home.dir).free
    if free_bytes < wanted_bytes:
        yield Trouble(f"only {free_bytes >> 20:,} MiB are free", f"Free {wanted_bytes >> 20:,} MiB or more.")


def look_at_settings(patient: Patient) -> Iterator[Trouble]:
    """config.toml and the environment can be read."""
    try:
        settings.load(patient.home)
    except ConfigError as error:
        yield Trouble(error.message, error.hint)


def look_at_leftovers(patient: Patient) -> Iterator[Trouble]:
    """Nothing lies about of work that was cut off."""
    home = patient.home
    if home.restoring_path.exists():
        yield Trouble(*_cut_off(home), mend=lambda _: mend_interrupted(home))
        return
    places = (home.dir.glob(f"{BUILD_PREFIX}*"), home.dir.glob("*.part"), home.backups_dir.glob(f"{MAKING_PREFIX}*"))
    for path in sorted(each for place in places for each in place):
        yield Trouble(f"{path} is left over from work that was cut off", mend=partial(_remove, path))


def _cut_off(home: Home) -> tuple[str, str]:
    """Return what is to be said about a restore that was cut off, and what to do."""
    if is_marker_readable(home):
        return "a restore was cut off; the next start finishes it", FIX
    cause = f"a restore was cut off, and {home.restoring_path}, which tells how far it had come, is damaged"
    if home.catalog_path.exists():
        return f"{cause}; {home.catalog_path} is what counts now", FIX
    return cause, f"Restore again: mcai restore SRC (what there is lies in {home.backups_dir} and {home.dir})"


def _remove(path: Path, _: Patient) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def look_at_failures(patient: Patient) -> Iterator[Trouble]:
    """The engine has not given up lately; what is noted of it keeps the daemon from starting."""
    path = patient.home.failures_path
    try:
        recent = engine_failures.read(patient.home, RECENT_S)
    except (DamagedError, OSError):
        yield Trouble(f"{path} cannot be read", mend=partial(_put_aside, path))
        return
    if recent:
        cause = f"the engine gave up {len(recent)} times within a day, last: {recent[-1].reason}"
        yield Trouble(cause, "See: mcai daemon logs. Let it start again: mcai doctor --fix", lambda _: path.unlink())


def look_at_damaged(patient: Patient) -> Iterator[Trouble]:
    """What was put aside is told of: it is evidence, and takes room."""
    folder = patient.home.damaged_dir
    count = len(list(folder.iterdir())) if folder.is_dir() else 0
    if count:
        yield Trouble(f"{count} damaged files were put into {folder}; nothing reads them", harmless=True)
