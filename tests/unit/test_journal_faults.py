"""The journal on a full or failing disk: what was acknowledged is there, and no more."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest

from helpers import wait_until
from journal_kit import Writer, read_all
from mcai import failpoints
from mcai.errors import FatalStoreError, StoreFullError, StoreUnavailableError
from mcai.store.journal import redact, scan


def test_a_disk_that_is_full_between_two_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The append fails as one does on a full disk, and the next one begins the new segment."""
    monkeypatch.setenv("MCAI_FAILPOINT", "journal.segment:1:enospc")
    failpoints.arm(os.environ)
    try:
        writer = Writer(tmp_path / "journal", segment_bytes=1)
        writer.append(1)
        with pytest.raises(StoreFullError):
            writer.append(2)
        writer.append(2)
    finally:
        failpoints.arm({})
    writer.journal.close()
    assert read_all(writer.folder) == writer.history and len(list(writer.folder.iterdir())) == 2


def _fill(writer: Writer) -> None:
    """Append until the disk is full, then what still fits, then go on after there is room again."""
    with pytest.raises(StoreFullError):
        for epoch in range(1, 10_000):
            writer.append(epoch, pad="x" * 3_000)
    writer.journal.sync()
    assert read_all(writer.folder) == writer.history and not scan(writer.folder).damage


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    """A write that the system cuts short is taken back; smaller ones go on, and nothing is damaged."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = Writer(tmp_path / "journal")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        _fill(writer)
        head = writer.head
        while writer.head == head or writer.head < head + 3:
            try:
                writer.append(writer.head + 1)
            except StoreFullError:
                break
        assert read_all(writer.folder) == writer.history
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.append(writer.head + 1)
    writer.journal.close()
    assert read_all(writer.folder) == writer.history and not scan(writer.folder).damage


def test_a_small_file_system_that_fills_up(tmp_path: Path) -> None:
    """On a real full file system a new segment, an abort and a redaction fail cleanly too."""
    mount_dir = tmp_path / "small"
    mount_dir.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(mount_dir)], capture_output=True)
    if mount.returncode:
        pytest.skip("a file system can be mounted by root alone")
    try:
        writer = Writer(mount_dir / "journal", segment_bytes=40_000)
        _fill(writer)
        ballast = mount_dir / "ballast"
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(512))
        with pytest.raises(StoreFullError):
            redact(writer.folder, lambda told: told.replace(b'"first"', b'"gone"'))
        assert read_all(writer.folder) == writer.history
        ballast.unlink()
        writer.append(writer.head + 1)
        writer.reopen()
        writer.journal.close()
        assert read_all(writer.folder) == writer.history and not scan(writer.folder).damage
    finally:
        subprocess.run(["umount", str(mount_dir)], check=True)


def test_a_new_segment_that_cannot_be_begun_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of an epoch that was not written is gone, so that the epoch can come again."""
    writer = Writer(tmp_path / "journal")

    def no_room(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", no_room)
        with pytest.raises(StoreFullError):
            writer.append(1)
    assert list(writer.folder.iterdir()) == []
    writer.append(1)
    writer.journal.close()
    assert read_all(writer.folder) == writer.history


def test_a_failed_abort_leaves_the_entry_until_it_comes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the abort does not fit, the epoch that is appended next takes the entry's place."""
    writer = Writer(tmp_path / "journal")
    writer.append(1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: 3)
        with pytest.raises(StoreFullError):
            writer.journal.abort(1)
    assert read_all(writer.folder) == writer.history
    writer.append(1, "second")
    writer.append(2)
    writer.journal.close()
    assert read_all(writer.folder) == writer.history


def _fail_to_abort(writer: Writer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: 3)
        with pytest.raises(StoreFullError):
            writer.journal.abort(writer.head)
        with pytest.raises(StoreFullError):
            writer.journal.roll()
    del writer.history[writer.head]


def test_a_segment_does_not_end_before_its_abort_is_written(tmp_path: Path) -> None:
    """A roll writes the abort that did not fit, or fails and changes nothing: the epoch can come again either way."""
    writer = Writer(tmp_path / "journal")
    writer.append(1)
    writer.append(2)
    _fail_to_abort(writer)
    assert len(writer.journal.roll()) == 1 and read_all(writer.folder) == writer.history
    writer.append(2, "second")
    _fail_to_abort(writer)
    writer.append(2, "third")
    writer.journal.roll()
    writer.append(3)
    writer.journal.close()
    assert read_all(writer.folder) == writer.history and not scan(writer.folder).damage


def test_closing_writes_the_abort_that_did_not_fit(tmp_path: Path) -> None:
    """The next start would make an epoch of which its writer was told that it failed."""
    writer = Writer(tmp_path / "journal")
    writer.append(1)
    writer.append(2)
    _fail_to_abort(writer)
    writer.journal.close()
    assert read_all(writer.folder) == writer.history


def _fails(*arguments: Any) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_a_failed_sync_is_never_believed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it nothing more is appended: nobody knows what the disk has."""
    writer = Writer(tmp_path / "journal")
    monkeypatch.setattr(os, "fdatasync", _fails)
    writer.append(1)
    wait_until(lambda: not writer.journal._syncer.is_alive(), "the failed sync is noticed")
    for use in (lambda: writer.append(2), lambda: writer.journal.abort(1), writer.journal.sync, writer.journal.roll):
        with pytest.raises(FatalStoreError, match="Input/output error"):
            use()
    writer.journal.close()


def test_too_many_open_files_do_not_end_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That passes: whoever asks is told, and what was written is synced later."""
    writer = Writer(tmp_path / "journal")
    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", _has_too_many)
        writer.append(1)
        with pytest.raises(StoreUnavailableError, match="Too many open files"):
            writer.journal.sync()
    writer.append(2)
    writer.journal.sync()
    writer.journal.close()
    assert read_all(writer.folder) == writer.history


def _has_too_many(_: int) -> int:
    raise OSError(errno.EMFILE, "Too many open files")


def test_a_journal_that_cannot_be_synced_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no descriptor is left to sync with, the next append fails, instead of being on the disk at some time."""
    writer = Writer(tmp_path / "journal")
    monkeypatch.setattr(os, "dup", _fails)
    writer.append(1)
    wait_until(lambda: not writer.journal._syncer.is_alive(), "the failed sync is noticed")
    with pytest.raises(FatalStoreError, match="Input/output error"):
        writer.append(2)
    writer.journal.close()


def test_a_line_that_cannot_be_taken_back_ends_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a half-written line cannot be cut off nothing is written behind it; the next start cuts it."""
    writer = Writer(tmp_path / "journal")
    writer.append(1)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:20]))
        patch.setattr(os, "ftruncate", _fails)
        with pytest.raises(FatalStoreError):
            writer.append(2)
    with pytest.raises(FatalStoreError):
        writer.append(2)
    writer.journal.close()
    assert read_all(writer.folder) == writer.history and [each.torn for each in scan(writer.folder).damage] == [True]
    writer.journal = writer.open()
    writer.append(2)
    writer.journal.close()
    assert read_all(writer.folder) == writer.history and not scan(writer.folder).damage
