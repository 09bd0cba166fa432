"""Checks of the home itself: who may read it, room, settings, what was left behind."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from mcai import settings
from mcai.errors import ConfigError
from mcai.upkeep.backup import MAKING_PREFIX, catalog_bytes
from mcai.upkeep.doctor.model import Patient, Trouble
from mcai.upkeep.swap import BUILD_PREFIX, MARKER_NAME, finish_interrupted

MIN_FREE_BYTES = 256 << 20
RECENT_S = 86_400.0


class _Failure(Struct):
    """One line of what the daemon keeps of its engine's fatal errors."""

    at_s: float
    reason: str


def look_at_home(patient: Patient) -> Iterator[Trouble]:
    """The home is a folder of this user, closed to all others."""
    folder = patient.home.dir
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        yield Trouble(f"{folder} is not a folder of this user", "Set MCAI_HOME to one that is.")
    elif about.st_mode & 0o077:
        yield Trouble(f"{folder} is open to other users", mend=lambda _: folder.chmod(0o700))


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
    if (home.dir / MARKER_NAME).exists():
        yield Trouble("a restore was cut off; the next start finishes it", mend=lambda _: finish_interrupted(home))
        return
    places = (home.dir.glob(f"{BUILD_PREFIX}*"), home.dir.glob("*.part"), home.backups_dir.glob(f"{MAKING_PREFIX}*"))
    for path in sorted(each for place in places for each in place):
        yield Trouble(f"{path} is left over from work that was cut off", mend=partial(_remove, path))


def _remove(path: Path, _: Patient) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def look_at_failures(patient: Patient) -> Iterator[Trouble]:
    """The engine has not given up lately; what is noted of it keeps the daemon from starting."""
    path = patient.home.failures_path
    try:
        failures = msgspec.json.decode(path.read_bytes(), type=list[_Failure])
    except FileNotFoundError:
        return
    except msgspec.DecodeError:
        yield Trouble(f"{path} cannot be read", mend=lambda _: path.unlink())
        return
    recent = [each for each in failures if time.time() - each.at_s < RECENT_S]
    if recent:
        cause = f"the engine gave up {len(recent)} times within a day, last: {recent[-1].reason}"
        yield Trouble(cause, "See: mcai daemon logs. Let it start again: mcai doctor --fix", lambda _: path.unlink())


def look_at_damaged(patient: Patient) -> Iterator[Trouble]:
    """What was put aside is told of: it is evidence, and takes room."""
    folder = patient.home.damaged_dir
    count = len(list(folder.iterdir())) if folder.is_dir() else 0
    if count:
        yield Trouble(f"{count} damaged files were put into {folder}; nothing reads them", harmless=True)
