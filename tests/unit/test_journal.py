"""The journal in good order: what is appended is found again, in order, whatever happened in between."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from helpers import wait_until
from journal_kit import TIMELINE, Writer, one_of_everything, payload, read_all
from mcai.errors import FatalStoreError, StoreError, StoreUnavailableError
from mcai.store.journal import GENESIS, Journal, next_chain, prune, read, redact, scan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_what_was_appended_is_read_in_order(folder: Path) -> None:
    """Aborted and replaced entries are not handed out, everything else is, with its chain value and its very bytes."""
    writer = one_of_everything(folder)
    found = scan(folder)
    assert read_all(folder) == writer.history
    assert (found.timeline, found.entries, found.first_epoch, found.last_epoch) == (TIMELINE, 9, 1, 9)
    assert (found.last_chain, found.gaps, found.damage) == (writer.chain(9), (), ())


def test_reading_after_an_epoch(folder: Path) -> None:
    """``after`` gives the later epochs alone, wherever the segments begin, and tells when the next one is missing."""
    writer = one_of_everything(folder)
    for after in range(10):
        expected = {epoch: entry for epoch, entry in writer.history.items() if epoch > after}
        assert read_all(folder, after=after) == expected
        assert scan(folder, after=after).gaps == ()
    prune(folder, 5)
    assert scan(folder, after=1).gaps == ((2, 4),)
    assert scan(folder).gaps == ()


def test_segments_are_named_by_their_first_epoch_and_private(folder: Path) -> None:
    """A segment that is full is followed by a new one; nobody else can read either."""
    writer = Writer(folder, segment_bytes=500)
    for epoch in range(1, 12):
        writer.append(epoch)
    writer.journal.close()
    for path in folder.iterdir():
        assert int(path.stem) in writer.history and path.name == f"{int(path.stem):016}.jsonl"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_size < 1_000
    assert len(list(folder.iterdir())) > 2 and stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_written_line_is_synced_soon(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to ask for the sync, and many lines share one."""
    synced: list[int] = []
    monkeypatch.setattr("os.fdatasync", synced.append)
    writer = Writer(folder)
    for epoch in range(1, 50):
        writer.append(epoch)
    wait_until(lambda: synced, "the lines are synced", timeout_s=5)
    assert len(synced) < 10
    writer.journal.sync()
    writer.journal.close()


def test_what_cannot_be_read_again_is_not_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that a reader would refuse is refused before anything is written."""
    monkeypatch.setattr("mcai.store.journal.lines.MAX_LINE_BYTES", 1 << 20)
    writer = Writer(folder)
    writer.append(1)
    for wrong in (b"", b"[]", b'{"a":\n1}', b"text"):
        with pytest.raises(ValueError, match="JSON"):
            writer.journal.append(2, bytes(16), wrong)
    with pytest.raises(ValueError, match="16 bytes"):
        writer.journal.append(2, b"short", payload(2))
    with pytest.raises(StoreError, match="1 MiB"):
        writer.journal.append(2, bytes(16), b'{"a":"%s"}' % (b"x" * (1 << 20)))
    writer.append(2)
    writer.journal.close()
    assert read_all(folder) == writer.history


def test_epochs_out_of_order_are_a_mistake_of_the_caller(folder: Path) -> None:
    """Only the next epoch can be appended, or the newest again: else catalog and journal part, and the daemon has to
    start anew. Only the newest can be aborted, and once."""
    writer = Writer(folder)
    writer.append(1)
    writer.append(2)
    for epoch in (0, 1, 4):
        with pytest.raises(FatalStoreError, match="cannot be appended"):
            writer.journal.append(epoch, bytes(16), payload(epoch))
    with pytest.raises(ValueError, match="just appended"):
        writer.journal.abort(1)
    writer.abort()
    with pytest.raises(ValueError, match="just appended"):
        writer.journal.abort(1)
    writer.journal.close()
    assert read_all(folder) == writer.history


def test_a_closed_journal_says_so(folder: Path) -> None:
    """After close nothing is written, and closing again does no harm."""
    writer = Writer(folder)
    writer.append(1)
    writer.journal.close()
    writer.journal.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        writer.journal.append(2, bytes(16), payload(2))


def test_an_aborted_first_epoch_frees_the_segments_name(folder: Path) -> None:
    """The epoch that is appended again after a roll finds its segment's name free, and the aborted text is gone."""
    writer = Writer(folder)
    writer.append(1)
    writer.journal.roll()
    writer.append(2, "secret")
    writer.abort()
    writer.journal.roll()
    assert b"secret" not in b"".join(path.read_bytes() for path in folder.iterdir())
    writer.append(2)
    writer.journal.close()
    assert read_all(folder) == writer.history


def test_opening_cuts_off_what_is_beyond_the_head(folder: Path) -> None:
    """What the catalog did not take over is out of the journal, and kept beside it."""
    writer = one_of_everything(folder)
    last = b"".join(path.read_bytes() for path in sorted(folder.iterdir())[-2:])
    for epoch in (9, 8, 7):
        del writer.history[epoch]
    writer.journal = writer.open()
    assert read_all(folder) == writer.history
    writer.append(7, "anew")
    writer.journal.close()
    assert read_all(folder) == writer.history and scan(folder).damage == ()
    kept = b"".join(path.read_bytes() for path in sorted((folder.parent / "damaged").iterdir()))
    assert len(kept) > 400 and all(line in last for line in kept.splitlines())
    assert b'"epoch":9' in kept and b'"epoch":7' in kept


def test_another_entry_of_the_heads_number_does_not_stay(folder: Path) -> None:
    """The journal goes on from the catalog's own head, not from one that only has its number."""
    writer = Writer(folder)
    writer.append(1)
    writer.append(2)
    writer.journal.close()
    told = payload(2, "another")
    journal = Journal.open(folder, TIMELINE, 2, next_chain(writer.chain(1), told))
    assert list(read_all(folder)) == [1]
    journal.append(3, next_chain(journal.chain, payload(3)), payload(3))
    journal.close()
    assert scan(folder).gaps == ((2, 2),) and scan(folder).last_epoch == 3


def test_a_journal_behind_the_catalog_goes_on_in_a_new_segment(folder: Path) -> None:
    """A gap is told, and the epochs behind it are there."""
    writer = Writer(folder)
    writer.append(1)
    writer.journal.close()
    chain = next_chain(b"somewhere else..", b"{}")
    journal = Journal.open(folder, TIMELINE, 5, chain)
    journal.append(6, next_chain(chain, payload(6)), payload(6))
    journal.close()
    found = scan(folder)
    assert (found.gaps, found.entries, found.damage) == (((2, 5),), 2, ())
    assert [path.stem[-1] for path in sorted(folder.iterdir())] == ["1", "6"]


def test_an_entry_made_again_keeps_its_chain_value(folder: Path) -> None:
    """An entry whose bytes are not those that were hashed is taken as redacted, and the next one follows from it."""
    writer = Writer(folder)
    told, kept = payload(1), next_chain(GENESIS, b"the bytes that are lost")
    writer.journal.append(1, kept, told, redacted=True)
    writer.history[1] = kept, told
    writer.append(2)
    writer.journal.close()
    assert read_all(folder) == writer.history
    assert [entry.redacted for entry in read(folder)] == [True, False]


def test_prune_removes_whole_segments_that_end_before(folder: Path) -> None:
    """Every epoch from the kept one on stays, and the newest segment always does."""
    writer = one_of_everything(folder)
    for keep_from, removed, first in ((1, 0, 1), (4, 0, 1), (5, 1, 5), (7, 0, 5), (100, 1, 8), (100, 0, 8)):
        assert prune(folder, keep_from) == removed
        assert list(read_all(folder)) == [epoch for epoch in writer.history if epoch >= first]
        assert scan(folder).damage == ()


def test_redact_forgets_every_copy_and_keeps_the_chain(folder: Path) -> None:
    """Payloads are replaced in aborted and replaced entries too; what is not changed keeps its bytes."""
    writer = one_of_everything(folder)
    untouched = (folder / f"{5:016}.jsonl").read_bytes()

    def forget(told: bytes) -> bytes | None:
        return told.replace(b"second", b"-") if b"second" in told else None

    done = redact(folder, forget)
    assert (done.segments, done.rewritten, done.entries, done.changed, done.damaged_bytes) == (3, 1, 12, 2, 0)
    assert b"second" not in b"".join(path.read_bytes() for path in folder.iterdir())
    assert (folder / f"{5:016}.jsonl").read_bytes() == untouched
    expected = {epoch: (chain, told.replace(b"second", b"-")) for epoch, (chain, told) in writer.history.items()}
    assert read_all(folder) == expected and scan(folder).damage == ()
    assert {entry.epoch for entry in read(folder) if entry.redacted} == {3, 4}
    assert redact(folder, forget).changed == 0


def test_redact_beside_an_open_journal(folder: Path) -> None:
    """After a roll the old segments are rewritten while new epochs are appended, and neither is lost."""
    writer = Writer(folder)
    writer.append(1, "secret")
    closed = writer.journal.roll()
    writer.append(2)
    done = redact(folder, lambda told: told.replace(b"secret", b"-"), segments=closed)
    writer.append(3)
    writer.journal.close()
    writer.history[1] = writer.chain(1), writer.history[1][1].replace(b"secret", b"-")
    assert done.changed == 1 and read_all(folder) == writer.history
    assert redact(folder, lambda told: None, segments=[]).segments == 0


def test_a_missing_folder_is_an_empty_journal(folder: Path) -> None:
    """Nothing there is nothing wrong."""
    found = scan(folder)
    assert (found.timeline, found.entries, found.damage, list(read(folder))) == (None, 0, (), [])
    assert prune(folder, 3) == 0 and redact(folder, lambda told: None).segments == 0


def test_a_reader_does_not_wait_for_a_pipe(folder: Path) -> None:
    """What is no regular file is told and passed over, even under a segment's name."""
    writer = one_of_everything(folder)
    os.mkfifo(folder / f"{20:016}.jsonl")
    (folder / f"{21:016}.jsonl").symlink_to(folder / f"{1:016}.jsonl")
    (folder / f"{22:016}.jsonl").mkdir()
    (folder / "notes.txt").write_text("mine")
    told = {(each.path.name, each.foreign) for each in scan(folder).damage}
    assert told == {*((f"{n:016}.jsonl", False) for n in (20, 21, 22)), ("notes.txt", True)}
    assert read_all(folder) == writer.history


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
