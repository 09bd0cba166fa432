"""Looking for what must be gone: every place in every file, and nothing that is not there."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcai.upkeep import forget_scan, forget_source
from mcai.upkeep.forget_scan import Finder, markers_of
from mcai.upkeep.forget_source import SourceFinder

_few = st.integers(97, 98).map(chr)  # two letters: near misses are common
needles = st.lists(st.text(_few, min_size=16, max_size=30).map(str.encode), min_size=1, max_size=4)


@settings(max_examples=40)
@given(needles, st.text(_few, max_size=90).map(str.encode), st.data())
def test_finds_what_is_there_and_nothing_else(markers: list[bytes], hay: bytes, data: st.DataObject) -> None:
    """At any offset, aligned or not, overlapping or not."""
    planted = data.draw(st.lists(st.sampled_from(markers), max_size=2))
    for marker in planted:
        at = data.draw(st.integers(0, len(hay)))
        hay = hay[:at] + marker + hay[at:]

    assert Finder(markers).find(hay) == {number for number, marker in enumerate(markers) if marker in hay}


@given(st.text(max_size=120))
@example('he said "' + "x" * 16 + '"')
@example("é" * 20)
def test_marker_is_part_of_the_text_however_it_is_written(text: str) -> None:
    """JSON escapes nothing of it."""
    import msgspec

    for marker in markers_of([text]):
        assert 16 <= len(marker.decode()) <= 64
        assert marker in text.encode() and marker in msgspec.json.encode(text)


def test_long_text_has_a_marker_and_a_short_one_none() -> None:
    """What may be anywhere by chance is not looked for."""
    assert markers_of(["short", "x" * 15 + "\n" + "y" * 15, "a" * 100]) == [b"a" * 64]


def test_finds_across_the_pieces_of_a_large_file(tmp_path: Path) -> None:
    """A marker that begins in one piece and ends in the next is one."""
    marker = b"the marker of 32 bytes, exactly!"
    path = tmp_path / "file"
    edge = forget_scan._CHUNK_BYTES
    for begin in (edge - 31, edge - 8, edge - 1, edge, edge + 3, 2 * edge - 16):
        path.write_bytes(bytes(begin) + marker + bytes(5))
        assert Finder([b"another one of 16", marker]).find_in_file(path) == {1}


def test_names_that_are_no_text_are_looked_through_too(tmp_path: Path) -> None:
    """A file, a folder, even the home may have such a name; it is told in a form that can be shown."""
    marker = b"a marker of some length"
    home_dir = tmp_path / os.fsdecode(b"home-\xe9")
    path = home_dir / os.fsdecode(b"in-\xff") / os.fsdecode(b"file-\xfe")
    path.parent.mkdir(parents=True)
    path.write_bytes(marker)

    report = forget_scan.scan(home_dir, [marker])

    assert report.hits == {r"in-\xff/file-\xfe": [0]} and report.scanned == [r"in-\xff/file-\xfe"]


def test_child_looks_through_every_regular_file(tmp_path: Path) -> None:
    """Folders below folders count; what is no regular file is neither followed nor waited for."""
    marker = b"a marker of some length"
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep").write_bytes(b"..." + marker)
    (tmp_path / "none").write_bytes(marker[:-1])
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b" / "deep")

    report = forget_scan.scan(tmp_path, [b"something else entirely", marker])

    assert report.hits == {"a/b/deep": [1]} and sorted(report.scanned) == ["a/b/deep", "none"]


_pieces = st.lists(st.sampled_from(["/a/b", "/a/b/", "/", ".", " ", "x", '"', "#1"]), max_size=12)


@given(pieces=_pieces, chunk=st.integers(1, 9))
def test_a_source_is_found_wherever_a_file_is_cut(pieces: list[str], chunk: int) -> None:
    """The end of a piece is not the end of a word, and its begin not the begin of one."""
    finder = SourceFinder("/a/b")
    data = "".join(pieces).encode()
    with NamedTemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        file.write(data)
        file.flush()
        patch.setattr(forget_source, "_CHUNK_BYTES", chunk)
        assert finder.is_in_file(Path(file.name)) == finder.is_in(data)
