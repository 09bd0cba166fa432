"""Reading a journal: which of its lines are the history, and what is wrong with it.

Three things vouch for an entry: its checksum, the order of the epochs, and the chain value, which is made from that of
the epoch before. What fails one of them is reported and left out, never raised and never handed on.
A file that nobody can read at the moment is no damage: that is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcai.errors import DamagedError
from mcai.files import read_errors
from mcai.store.journal.lines import FORMAT, Abort, Entry, Found, Header, Torn, is_incomplete, next_chain, walk
from mcai.store.journal.segments import Damage, find_segments, first_epoch_of, opened

MAX_DAMAGE = 1_000
"""So many places of damage are told; what is beyond is left out just the same."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a journal found."""

    timeline: str | None
    """Whose journal it is; None when no segment says so."""
    entries: int
    first_epoch: int | None
    last_epoch: int | None
    last_chain: bytes | None
    gaps: tuple[tuple[int, int], ...]
    """First and last epoch of each stretch that is missing between two entries."""
    damage: tuple[Damage, ...]


def read(folder: Path, *, after: int | None = None, timeline: str | None = None) -> Iterator[Entry]:
    """Yield the entries of a journal in order of their epochs, each epoch at most once; damage is stepped over.

    Args:
        folder: of the journal; it need not exist.
        after: only entries of later epochs; segments that end before are not opened.
        timeline: whose segments to read; None: those of the first that says whose it is.

    Raises:
        StoreUnavailableError: a file cannot be read now.
    """
    return iter(Reading(folder, after=after, timeline=timeline))


def scan(folder: Path, *, after: int | None = None, timeline: str | None = None) -> Scan:
    """Read a journal to its end and return what was found; the arguments are those of `read`."""
    reading = Reading(folder, after=after, timeline=timeline)
    for _ in reading:
        pass
    return reading.result()


class Reading:
    """One pass over a journal, for those who want the entries and the findings: iterate, then ask for `result`."""

    def __init__(self, folder: Path, *, after: int | None = None, timeline: str | None = None) -> None:
        self._segments, self._damage = find_segments(folder)
        self._after = after
        self._expected: int | None = None if after is None else after + 1
        """The epoch that should come next; None while nothing says which."""
        self.timeline = timeline
        """Whose entries are read; known, where it was not given, from the first entry on."""
        self._succession = _Succession()
        self._begun: int | None = None
        """The first epoch of the newest segment so far: those before it were once here."""
        self._entries = 0
        self._first: Entry | None = None
        self._last: Entry | None = None
        self._gaps: list[tuple[int, int]] = []

    def result(self) -> Scan:
        """Return what has been found so far."""
        first, last = self._first, self._last
        return Scan(
            timeline=self.timeline,
            entries=self._entries,
            first_epoch=first.epoch if first else None,
            last_epoch=last.epoch if last else None,
            last_chain=last.chain if last else None,
            gaps=tuple(self._gaps),
            damage=tuple(self._damage),
        )

    def __iter__(self) -> Iterator[Entry]:
        for segment in self._wanted():
            for found in self._lines(segment):
                settled, reason = self._succession.take(found.line)
                if reason:
                    self._report(segment, found.start, reason)
                if settled:
                    yield from self._hand_out(settled)
        if settled := self._succession.pending:
            yield from self._hand_out(settled)
        if self._begun is not None:
            self._expect(self._begun)

    def _wanted(self) -> list[Path]:
        """Return the segments without those that end before the epochs that were asked for."""
        if self._after is None:
            return self._segments
        begun = [segment for segment in self._segments if first_epoch_of(segment) <= self._after + 1]
        return self._segments[max(0, len(begun) - 1) :]

    def _lines(self, segment: Path) -> Iterator[Found]:
        """Yield a segment's whole lines, unless its header says that it does not belong here."""
        newest = segment == self._segments[-1]
        try:
            with read_errors(segment), opened(segment) as file:
                size = file.seek(0, 2)
                file.seek(0)
                if not size:
                    self._report(segment, 0, "the file is empty", torn=newest)
                for found in walk(file):
                    if isinstance(found, Torn):
                        file_end = newest and found.end == size
                        self._step_over(segment, found, torn=file_end and _is_torn_line(segment, found))
                        continue
                    if found.start == 0 and (reason := self._misfit(segment, found.line)):
                        self._report(segment, 0, reason)
                        if isinstance(found.line, Header):
                            return
                    if not found.terminated:
                        self._report(segment, found.end, "a line does not end where it should")
                    yield found
        except DamagedError as error:
            self._report(segment, 0, error.message)
            self._begun = first_epoch_of(segment) + 1  # its own first epoch was there, too

    def _step_over(self, segment: Path, found: Torn, *, torn: bool) -> None:
        length = found.end - found.start
        self._report(segment, found.start, f"{length} bytes that are no whole line", torn=torn)

    def _misfit(self, segment: Path, line: Header | Entry | Abort) -> str | None:
        """Return why a segment that begins with this line is not to be read as it is."""
        if not isinstance(line, Header):
            return "the header is missing"
        if line.version > FORMAT:
            return "written by a newer version of mcai"
        if line.first_epoch != first_epoch_of(segment):
            return f"the file is named for another epoch than its first, {line.first_epoch}"
        self.timeline = self.timeline or line.timeline
        if line.timeline != self.timeline:
            return f"it belongs to another timeline, {line.timeline}"
        self._begun = line.first_epoch
        self._expected = self._expected or line.first_epoch
        return None

    def _hand_out(self, entry: Entry) -> Iterator[Entry]:
        if self._after is not None and entry.epoch <= self._after:
            return
        self._expect(entry.epoch)
        self._expected = entry.epoch + 1
        self._first = self._first or entry
        self._last = entry
        self._entries += 1
        yield entry

    def _expect(self, epoch: int) -> None:
        """Note what is missing before an epoch that is there."""
        if self._expected is not None and epoch > self._expected:
            self._gaps.append((self._expected, epoch - 1))

    def _report(self, path: Path, offset_bytes: int, reason: str, *, torn: bool = False) -> None:
        self._succession.doubtful = True
        if len(self._damage) < MAX_DAMAGE:
            self._damage.append(Damage(path, offset_bytes, reason, torn))


def _is_torn_line(segment: Path, found: Torn) -> bool:
    with opened(segment) as file:
        return is_incomplete(file, found.start)


@dataclass(frozen=True, slots=True)
class _Link:
    epoch: int
    chain: bytes

    def leads_to(self, entry: Entry) -> bool:
        return entry.epoch == self.epoch + 1 and self._vouches_for(entry)

    def contradicts(self, entry: Entry) -> bool:
        return entry.epoch == self.epoch + 1 and not self._vouches_for(entry)

    def _vouches_for(self, entry: Entry) -> bool:
        return entry.redacted or next_chain(self.chain, entry.payload) == entry.chain


class _Succession:
    """Tells which lines are the history: an entry counts once nothing can take it back any more.

    An abort takes back the entry right before it, and an epoch that comes again replaces it; so only the last entry is
    open, and it is held back until a later epoch has come.
    """

    def __init__(self) -> None:
        self.pending: Entry | None = None
        self.doubtful = False
        """There was damage behind the pending entry: its replacement may have been in it."""
        self._before: _Link | None = None
        self._anchor: _Link | None = None

    def take(self, line: Header | Entry | Abort) -> tuple[Entry | None, str | None]:
        """Take the next line.

        Returns:
            the entry that has become history with it, and why the line itself is not taken.
        """
        match line:
            case Header():
                self._anchor = _Link(line.first_epoch - 1, line.previous_chain)
            case Abort() if self.pending and self.pending.epoch == line.epoch:
                self.pending = None
            case Entry():
                return self._take_entry(line)
        return None, None

    def _take_entry(self, entry: Entry) -> tuple[Entry | None, str | None]:
        if self.pending and self.pending.epoch == entry.epoch:
            return self._replace(entry)
        tip = _Link(self.pending.epoch, self.pending.chain) if self.pending else self._before
        if tip and entry.epoch <= tip.epoch:
            return None, f"epoch {entry.epoch} comes again after epoch {tip.epoch}"
        anchored = bool(self._anchor and self._anchor.leads_to(entry))
        settled = self.pending
        if tip and tip.contradicts(entry):
            if not (self.doubtful or anchored):
                return None, f"epoch {entry.epoch} does not follow from the epoch before"
            settled, tip = None, self._before  # it follows from another entry, of which the line is gone
        elif self._anchor and self._anchor.contradicts(entry):
            return None, f"epoch {entry.epoch} does not follow from the segment's header"
        self._before = self._anchor if anchored else tip
        self.pending = entry
        self.doubtful = False
        return settled, None

    def _replace(self, entry: Entry) -> tuple[Entry | None, str | None]:
        if self._before and self._before.contradicts(entry):
            return None, f"the second epoch {entry.epoch} does not follow from the epoch before"
        self.pending = entry
        self.doubtful = False
        return None, None
