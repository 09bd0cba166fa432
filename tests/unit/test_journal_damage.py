"""The journal damaged: no byte that is wrong is ever believed, and no entry that is whole is left out."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from journal_kit import TIMELINE, Writer, one_of_everything, payload, read_all, read_and_scan
from mcai.store.journal import Journal, next_chain, read, redact, scan
from mcai.store.journal.lines import Abort, Entry, Header


@dataclass
class Specimen:
    """A sound journal in a folder, of which single files are replaced by damaged ones."""

    folder: Path
    writer: Writer

    def __post_init__(self) -> None:
        self.sound = {path: path.read_bytes() for path in sorted(self.folder.iterdir())}
        self.lines = [
            (path, start, start + len(line), line) for path, data in self.sound.items() for start, line in _lines(data)
        ]

    def check(self, path: Path, data: bytes, first_bad: int, last_bad: int) -> None:
        """Read with one file damaged: entries whose lines are whole are there, and nothing that was never appended.

        Args:
            path: the damaged file.
            data: what it holds now.
            first_bad: offset of the first byte that is not as it was.
            last_bad: the last one of them, in the sound file's offsets.
        """
        path.write_bytes(data)
        try:
            found, told = read_and_scan(self.folder)
        finally:
            path.write_bytes(self.sound[path])
        place = f"{path.name} {first_bad}..{last_bad}"
        hurt = [line for at, start, end, line in self.lines if at == path and start <= last_bad and end > first_bad]
        spared = [line for *_, line in self.lines if line not in hurt]
        for epoch, entry in self.writer.history.items():
            if any(entry[1] in line for line in spared):
                assert found.get(epoch) == entry, f"{place}: epoch {epoch} is whole and was left out"
        for epoch, (_, wrong) in found.items():
            assert (epoch, wrong) in self.writer.ever, f"{place}: epoch {epoch} was never appended"
            is_history = self.writer.history.get(epoch, (b"", b""))[1] == wrong
            assert is_history or any(b'"epoch":%d,' % epoch in line for line in hurt), (
                f"{place}: {epoch} was taken back"
            )
        assert told.gaps or any(each.path == path for each in told.damage), f"{place}: nothing was reported"


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    for line in data.splitlines(keepends=True):
        yield start, line
        start += len(line)


@pytest.fixture
def specimen(tmp_path: Path) -> Specimen:
    folder = tmp_path / "journal"
    return Specimen(folder, one_of_everything(folder))


def test_every_flipped_byte_is_noticed(specimen: Specimen) -> None:
    """A flipped bit in any byte costs at most the line that it is in."""
    chance = random.Random(4)
    for path, data in specimen.sound.items():
        for at in range(len(data)):
            wrong = data[at] ^ 1 << chance.randrange(8)
            specimen.check(path, data[:at] + bytes([wrong]) + data[at + 1 :], at, at)


def test_every_byte_that_becomes_a_newline_or_nothing(specimen: Specimen) -> None:
    """Bytes that are structure elsewhere, and bytes that are gone, are damage like any other."""
    for path, data in specimen.sound.items():
        for at in range(0, len(data), 5):
            for wrong in (b"\n", b"\0", b"", b'"}', b"\n\n"):
                if data[at : at + 1] not in wrong or len(wrong) > 1:
                    specimen.check(path, data[:at] + wrong + data[at + 1 :], at, at)


def test_every_truncation(specimen: Specimen) -> None:
    """A file that ends early costs what is behind its end, and nothing of the other files."""
    told = [entry[1] for entry in specimen.writer.history.values()]
    for path, data in specimen.sound.items():
        for end in range(len(data)):
            is_between_lines = data[:end].endswith(b"\n")
            is_lost = any(each in data[end:] for each in told)
            if is_between_lines and (path == max(specimen.sound) or not is_lost):
                continue  # there is nothing in what is left that tells of what was behind it
            specimen.check(path, data[:end], end, len(data))


def test_every_zeroed_tail_and_hole(specimen: Specimen) -> None:
    """A power cut leaves zeros at the end of a file, or a page of them in it."""
    for path, data in specimen.sound.items():
        for start in range(0, len(data), 4):
            specimen.check(path, data[:start] + bytes(len(data) - start), start, len(data))
            hole = min(64, len(data) - start)
            specimen.check(path, data[:start] + bytes(hole) + data[start + hole :], start, start + hole - 1)


def test_a_zeroed_tail_is_cut_off_and_kept(tmp_path: Path) -> None:
    """What is no unfinished line is not thrown away, and the journal goes on where the last whole line ends."""
    writer = Writer(tmp_path / "journal")
    for epoch in (1, 2):
        writer.append(epoch)
    writer.journal.close()
    segment = next(writer.folder.iterdir())
    size = segment.stat().st_size
    os.truncate(segment, size + 5_000)
    assert [each.torn for each in scan(writer.folder).damage] == [False]
    writer.journal = writer.open()
    writer.append(3)
    writer.journal.close()
    kept = tmp_path / "damaged" / f"journal-{1:016}-from-{size}.jsonl"
    assert kept.read_bytes() == bytes(5_000) and kept.stat().st_mode & 0o777 == 0o600
    assert read_all(writer.folder) == writer.history and scan(writer.folder).damage == ()


def test_an_unfinished_line_is_the_mark_of_a_crash(tmp_path: Path) -> None:
    """Every beginning of a line at the end is told as torn, and cut off without a copy."""
    writer = Writer(tmp_path / "journal")
    writer.append(1)
    writer.journal.close()
    segment = next(writer.folder.iterdir())
    sound = segment.read_bytes()
    line = Entry(2, next_chain(writer.chain(1), payload(2)), payload(2)).encode()
    for length in range(1, len(line) - 1):
        segment.write_bytes(sound + line[:length])
        assert [each.torn for each in scan(writer.folder).damage] == [True], length
        writer.reopen()
        writer.journal.close()
        assert segment.read_bytes() == sound
    assert not (tmp_path / "damaged").exists()


def test_a_line_without_its_newline_is_a_whole_line(tmp_path: Path) -> None:
    """Where only the newline is missing or wrong, the entry counts, and opening puts the newline there."""
    writer = Writer(tmp_path / "journal")
    for epoch in (1, 2):
        writer.append(epoch)
    writer.journal.close()
    segment = next(writer.folder.iterdir())
    sound = segment.read_bytes()
    for end in (b"", b"X"):
        segment.write_bytes(sound[:-1] + end)
        assert read_all(writer.folder) == writer.history and scan(writer.folder).damage
        writer.reopen()
        writer.journal.close()
        assert segment.read_bytes() == sound


def _moved(folder: Path) -> None:
    (folder / f"{1:016}.jsonl").rename(folder / f"{30:016}.jsonl")


def _copied(folder: Path) -> None:
    (folder / f"{6:016}.jsonl").write_bytes((folder / f"{5:016}.jsonl").read_bytes())


def _missing(folder: Path) -> None:
    (folder / f"{5:016}.jsonl").unlink()


def _foreign_timeline(folder: Path) -> None:
    header = Header("another", 10, bytes(16)).encode()
    told = payload(10)
    (folder / f"{10:016}.jsonl").write_bytes(header + Entry(10, next_chain(bytes(16), told), told).encode())


def _newer_format(folder: Path) -> None:
    (folder / f"{10:016}.jsonl").write_bytes(Header(TIMELINE, 10, bytes(16), version=2).encode() + b"{}\n")


@pytest.mark.parametrize(
    ("spoil", "lost", "reason"),
    [
        (_moved, {1, 2, 3, 4}, "named for another epoch"),
        (_copied, set(), "named for another epoch"),
        (_missing, {5, 6, 7}, None),
        (_foreign_timeline, set(), "another timeline"),
        (_newer_format, set(), "newer version"),
    ],
)
def test_misplaced_files(specimen: Specimen, spoil: Callable[[Path], None], lost: set[int], reason: str | None) -> None:
    """A segment under a wrong name, of another history or of a newer format is told and passed over."""
    spoil(specimen.folder)
    expected = {epoch: entry for epoch, entry in specimen.writer.history.items() if epoch not in lost}
    told = scan(specimen.folder, timeline=TIMELINE)
    assert read_all(specimen.folder, timeline=TIMELINE) == expected
    assert [reason in each.reason for each in told.damage if reason] == [True] * (reason is not None)
    assert told.gaps == (((5, 7),) if 5 in lost else ())


def test_a_line_that_does_not_follow_is_not_taken(tmp_path: Path) -> None:
    """A right checksum is not enough: an entry has to follow from the one before it."""
    writer = Writer(tmp_path / "journal")
    for epoch in (1, 2, 3):
        writer.append(epoch)
    writer.journal.close()
    segment = next(writer.folder.iterdir())
    header, first, second, third = segment.read_bytes().splitlines(keepends=True)
    forged = Entry(2, writer.chain(2), payload(2, "forged")).encode()
    for wrong, left in (
        ([header, first, forged, third], {1, 3}),
        ([header, forged, first, second, third], {2, 3}),
        ([header, first, second, forged, third], {1, 2, 3}),
        ([header, first, second, third, second, first], {1, 2, 3}),
        ([header, first, third, second], {1, 3}),
    ):
        segment.write_bytes(b"".join(wrong))
        found = read_all(writer.folder)
        assert all(found[epoch] == writer.history[epoch] for epoch in found if epoch != 2 or wrong[1] != forged)
        assert found.keys() == left and (scan(writer.folder).damage or scan(writer.folder).gaps)


def test_an_entry_whose_replacement_is_damaged_does_not_count(tmp_path: Path) -> None:
    """When the next epoch follows from an entry that is gone, the one that stands in its place never happened."""
    writer = Writer(tmp_path / "journal")
    writer.append(1)
    writer.append(2)
    writer.append(2, "second")
    writer.append(3)
    writer.journal.close()
    segment = next(writer.folder.iterdir())
    segment.write_bytes(segment.read_bytes().replace(b'"second"', b'"sEcond"'))
    assert list(read_all(writer.folder)) == [1, 3] and scan(writer.folder).gaps == ((2, 2),)


def test_a_damaged_abort_brings_back_only_what_was_appended(tmp_path: Path) -> None:
    """An abort of another epoch, or for nothing, takes nothing back."""
    writer = Writer(tmp_path / "journal")
    for epoch in (1, 2, 3):
        writer.append(epoch)
    writer.journal.close()
    segment = next(writer.folder.iterdir())
    sound = segment.read_bytes()
    for epoch in (0, 1, 2, 4, 2**62):
        segment.write_bytes(sound + Abort(epoch).encode())
        assert read_all(writer.folder) == writer.history
    segment.write_bytes(sound + Abort(3).encode() * 2)
    assert list(read_all(writer.folder)) == [1, 2]


def test_garbage_without_newlines_costs_no_memory(tmp_path: Path) -> None:
    """Half a gigabyte of zeros between two lines is stepped over in a few megabytes; what follows it is found."""
    writer = Writer(tmp_path / "journal")
    writer.append(1)
    writer.append(2)
    writer.journal.close()
    segment = next(writer.folder.iterdir())
    header, first, second = segment.read_bytes().splitlines(keepends=True)
    with segment.open("wb") as file:
        file.write(header + first)
        file.seek(512 << 20, os.SEEK_CUR)
        file.write(second)
    code = (
        "import resource, sys, pathlib; from mcai.store.journal import scan; folder = pathlib.Path(sys.argv[1]);"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; found = scan(folder);"
        "print(found.entries, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(writer.folder)], capture_output=True, text=True, check=True)
    entries, grown_kib = map(int, run.stdout.split())
    assert entries == 2 and grown_kib < 16 << 10


def test_redact_leaves_no_unreadable_bytes(specimen: Specimen) -> None:
    """Bytes that nobody can read might be the ones to forget: they go, and the receipt says how many."""
    path = specimen.folder / f"{5:016}.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"epoch":6', b'"epoch":?'))
    done = redact(specimen.folder, lambda told: None)
    assert done.rewritten == 1 and done.damaged_bytes > 50 and b'"epoch":?' not in path.read_bytes()
    assert list(read_all(specimen.folder)) == [1, 2, 3, 4, 5, 7, 8, 9]


def test_opening_a_damaged_journal_keeps_its_whole_lines(specimen: Specimen) -> None:
    """Damage in the middle stays where it is; the journal goes on at its end."""
    path = max(specimen.sound)
    data = specimen.sound[path]
    path.write_bytes(data.replace(b'"epoch":8', b'"epoch":?'))
    journal = Journal.open(specimen.folder, TIMELINE, 9, specimen.writer.chain(9))
    told = payload(10)
    journal.append(10, next_chain(journal.chain, told), told)
    journal.close()
    assert [entry.epoch for entry in read(specimen.folder)] == [1, 2, 3, 4, 5, 6, 7, 9, 10]
    assert not (specimen.folder.parent / "damaged").exists()
