"""The end of the daemon's log, once or for as long as it grows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mcai.errors import NO_JSON, PathNotFoundError
from mcai.files import open_regular
from mcai_cli import output

POLL_S = 0.2
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class Tail:
    """The last lines of a file."""

    lines: list[str]
    end_byte: int
    """Where the next line will begin."""


def tail(path: Path, count: int) -> Tail:
    """Return the last lines of a file; reads no more of it than they need.

    Raises:
        PathNotFoundError: there is no such file.
    """
    try:
        with open_regular(path) as log:
            start = end = log.seek(0, 2)
            held = b""
            while start and held.count(b"\n") <= count:
                step = min(_BLOCK_BYTES, start)
                start = log.seek(start - step)
                held = log.read(step) + held
    except FileNotFoundError:
        raise PathNotFoundError(f"{path}: there is no log yet", hint="Start the daemon: mcai daemon start") from None
    kept = held.splitlines()[-count:] if count > 0 else []
    return Tail([line.decode("utf-8", "replace") for line in kept], end)


def follow(path: Path, start_byte: int, as_json: bool) -> None:
    """Print what is written to a file from a place on, until the user interrupts; a file begun anew is read anew."""
    position, rest = start_byte, b""
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < position:
            position, rest = 0, b""
        if size > position:
            with open_regular(path) as log:
                log.seek(position)
                *whole, rest = (rest + log.read(size - position)).split(b"\n")
            position = size
            show([line.decode("utf-8", "replace") for line in whole], as_json)
        else:
            time.sleep(POLL_S)


def show(lines: list[str], as_json: bool) -> None:
    """Print log lines: as they are, or as JSON lines where they are none yet."""
    for line in lines:
        if as_json:
            output.print_json_line(_entry(line))
        else:
            output.say(line)


def _entry(line: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except NO_JSON:
        return {"event": line}
