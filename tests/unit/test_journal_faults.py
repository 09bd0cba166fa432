"""The journal on a full or failing disk, and in a process that dies: what was acknowledged is there, and no more."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from helpers import PATIENCE_S, wait_until
from journal_kit import TIMELINE, Writer, one_of_everything, payload, read_all, read_and_scan
from mcai import failpoints
from mcai.errors import FatalStoreError, StoreFullError
from mcai.store.journal import Journal, next_chain, redact, scan

TESTS_DIR = Path(__file__).parent.parent

APPENDING = f"""
import sys
sys.path.insert(0, {str(TESTS_DIR)!r})
from pathlib import Path
from journal_kit import Writer
from mcai import failpoints
failpoints.arm()
writer = Writer(Path(sys.argv[1]), segment_bytes=4_000)
print("0", flush=True)
epoch = 0
while True:
    epoch += 1
    writer.append(epoch, pad="x" * (epoch * 37 % 2_000))
    if epoch % 7 == 0:
        writer.abort()
        writer.append(epoch, "second")
    print(epoch, flush=True)
"""

REDACTING = """
import os, sys
from pathlib import Path
from mcai.store.journal import redact
left = int(sys.argv[2])
def die(event, arguments):
    global left
    if event in ("open", "os.rename", "os.remove", "os.truncate") and str(arguments[0]).startswith(sys.argv[1]):
        left -= 1
        if left < 0:
            os._exit(9)
sys.addaudithook(die)
redact(Path(sys.argv[1]), lambda told: told.replace(b"second", b"-") if b"second" in told else None)
"""


def _child(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})


def _acknowledged(child: subprocess.Popen[str], read_before: str = "") -> int:
    """Return the last epoch that a dying child told."""
    assert child.stdout is not None
    with child.stdout:
        told = read_before + child.stdout.read()
    child.wait(PATIENCE_S)
    return int(told.split()[-1])


def _check_after_death(folder: Path, acknowledged: int) -> None:
    found, told = read_and_scan(folder)
    assert list(found) == list(range(1, len(found) + 1)) and not told.gaps
    assert acknowledged <= len(found) <= acknowledged + 1, (acknowledged, len(found))
    assert all(damage.torn for damage in told.damage), told.damage
    head = len(found)
    journal = Journal.open(folder, TIMELINE, head, found[head][0] if head else bytes(16))
    journal.append(head + 1, next_chain(journal.chain, payload(head + 1)), payload(head + 1))
    journal.close()
    assert len(read_all(folder)) == head + 1 and not scan(folder).damage


def test_a_killed_writer_loses_nothing_that_it_told(tmp_path: Path) -> None:
    """Killed at any moment: every epoch told is there, at most the one being written beside them."""
    for run in range(4):
        folder = tmp_path / str(run) / "journal"
        child = _child(APPENDING, str(folder))
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(20 + 60 * run)]
        child.kill()
        _check_after_death(folder, _acknowledged(child, told[-1]))


def test_killed_between_two_segments(tmp_path: Path) -> None:
    """The old segment is whole, and the next epoch begins the new one."""
    folder = tmp_path / "journal"
    child = _child(APPENDING, str(folder), MCAI_FAILPOINT="journal.segment:3:kill")
    acknowledged = _acknowledged(child)
    assert child.returncode == -signal.SIGKILL and len(list(folder.iterdir())) == 3
    _check_after_death(folder, acknowledged)


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


def test_redact_may_die_anywhere(tmp_path: Path) -> None:
    """Between any two steps on files: each segment is the old or the new one, and doing it again completes it."""
    for steps in range(20):
        folder = tmp_path / str(steps) / "journal"
        writer = one_of_everything(folder)
        child = _child(REDACTING, str(folder), str(steps))
        child.communicate(timeout=PATIENCE_S)
        new = {epoch: (chain, told.replace(b"second", b"-")) for epoch, (chain, told) in writer.history.items()}
        found, told = read_and_scan(folder)
        assert not told.damage and all(found[epoch] in (writer.history[epoch], new[epoch]) for epoch in new)
        redact(folder, lambda told: told.replace(b"second", b"-") if b"second" in told else None)
        assert read_all(folder) == new and len(list(folder.iterdir())) == 3
        if child.returncode == 0:
            return
    raise AssertionError("the child never came to the end")


def test_appending_while_others_sync_and_read(tmp_path: Path) -> None:
    """Syncing from other threads, across segments, disturbs no append; what is read meanwhile is a beginning."""
    writer = Writer(tmp_path / "journal", segment_bytes=2_000)
    done = threading.Event()
    failures: list[BaseException] = []

    def disturb() -> None:
        try:
            while not done.is_set():
                writer.journal.sync()
                found = read_all(writer.folder)
                assert list(found) == list(range(1, len(found) + 1))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=disturb) for _ in range(3)]
    for thread in threads:
        thread.start()
    for epoch in range(1, 200):
        writer.append(epoch, pad="x" * 200)
    done.set()
    for thread in threads:
        thread.join()
    writer.journal.close()
    assert not failures and read_all(writer.folder) == writer.history
