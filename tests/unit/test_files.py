"""A file is there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcai import files
from upkeep_kit import ROOM_BYTES, full_disk


def test_file_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    """On a full disk what was there is still there, and is replaced once there is room."""
    path = tmp_path / "told.json"
    files.write_whole(path, b"before")
    content = b"x" * (ROOM_BYTES + 1)
    with full_disk(), pytest.raises(OSError, match="too large"):
        files.write_whole(path, content)
    assert path.read_bytes() == b"before"
    files.write_whole(path, content)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def test_parts_show_only_when_all_of_them_are_there(tmp_path: Path) -> None:
    """Parts that stop coming leave the file before; those of a whole file follow each other."""
    path = tmp_path / "segment"
    files.write_parts(path, [b"be", memoryview(b"fore")])

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        files.write_parts(path, broken())
    assert path.read_bytes() == b"before"
