"""Writes a stream into a file that appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO


def save(chunks: Iterable[bytes], path: Path) -> Path:
    """Write chunks to a path: into a neighbour first, which is renamed when all is on the disk.

    A symbolic link stays and its target is replaced; what is no regular file (a device, a FIFO) is written to directly.

    Returns:
        The path of what was written, absolute and without symbolic links.

    Raises:
        OSError: it names the path.
    """
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as out:
                _copy(chunks, out)
        else:
            _replace(chunks, target)
    except OSError as error:
        raise OSError(error.errno, f"cannot write: {error.strerror}", str(target)) from error
    return target


def _replace(chunks: Iterable[bytes], target: Path) -> None:
    part = target.with_name(f".mcai-export-{os.getpid()}.part")
    try:
        with part.open("xb") as out:
            _copy(chunks, out)
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _copy(chunks: Iterable[bytes], out: BinaryIO) -> None:
    for chunk in chunks:
        out.write(chunk)
