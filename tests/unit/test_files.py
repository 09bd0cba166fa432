"""A file is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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


STRANGE: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a FIFO": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_no_file_is_refused_at_once(what: str, tmp_path: Path) -> None:
    """Nobody waits for a FIFO or reads a device without end: the error names what lies there."""
    path = tmp_path / "file"
    STRANGE[what](path)
    assert files.not_a_file(path) == what
    for use in (files.read_small, files.open_regular, files.open_to_append, files.read_note):
        with pytest.raises(OSError):
            use(path)
    with pytest.raises(OSError):
        files.open_lock(path)


def test_small_file_has_a_limit(tmp_path: Path) -> None:
    """What is longer than it can be is none of ours, and is not read into memory."""
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert files.read_small(path, limit_bytes=5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        files.read_small(path, limit_bytes=4)


def test_put_aside_moves_the_link_itself(tmp_path: Path) -> None:
    """Where a link leads to stays where it is."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    moved = files.put_aside(tmp_path / "link", tmp_path / "aside")
    assert moved.is_symlink() and (tmp_path / "kept").is_dir() and not (tmp_path / "link").is_symlink()
