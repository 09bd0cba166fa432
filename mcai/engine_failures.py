"""What is kept of the engine's fatal errors: the daemon notes them and stays down after too many, the doctor tells of
them and lets it start again.
"""

from __future__ import annotations

import os
import time

import msgspec

from mcai.errors import NO_JSON, DamagedError
from mcai.files import read_small, write_whole
from mcai.paths import Home

EXIT_FATAL = os.EX_SOFTWARE
"""How a daemon ends whose engine gave up."""


class Failure(msgspec.Struct, frozen=True):
    """One fatal error."""

    at_s: float
    """Seconds since 1970."""
    reason: str


def read(home: Home, within_s: float) -> list[Failure]:
    """Return the fatal errors of the last seconds, oldest first.

    Raises:
        OSError: the note cannot be read.
        DamagedError: it says nothing.
    """
    try:
        failures = msgspec.json.decode(read_small(home.failures_path), type=list[Failure])
    except FileNotFoundError:
        return []
    except NO_JSON as error:
        raise DamagedError(f"{home.failures_path} says nothing") from error
    now_s = time.time()
    return [each for each in failures if 0 <= now_s - each.at_s < within_s]


def write(home: Home, failures: list[Failure]) -> None:
    """Keep fatal errors in the place of those that were kept.

    Raises:
        OSError: they cannot be written.
    """
    write_whole(home.failures_path, msgspec.json.encode(failures))
