"""Appending to a journal: one write an epoch, on the disk within half a second, whole or not there at all."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from pathlib import Path

import structlog

from mcai import failpoints
from mcai.errors import FatalStoreError, StoreError, StoreFullError, StoreUnavailableError
from mcai.files import sync_folder, write_errors
from mcai.store.journal.cutting import cut_back
from mcai.store.journal.lines import Abort, Entry, Header
from mcai.store.journal.segments import (
    FILE_MODE,
    SEGMENT_BYTES,
    find_segments,
    first_epoch_of,
    segment_path,
)

SYNC_AFTER_S = 0.5
"""So long a written line may wait for its fdatasync. The catalog syncs each commit: only the loss of both loses it."""

log = structlog.get_logger("journal")


class Journal:
    """The journal of one timeline, opened for appending. One thread appends; `sync` may be called by any."""

    @classmethod
    def open(
        cls,
        folder: Path,
        timeline: str,
        head: int,
        chain: bytes,
        *,
        damaged_dir: Path | None = None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> Journal:
        """Open a journal so that the next epoch appended is the one after ``head``.

        What the journal holds beyond ``head`` is cut off: whoever wants these entries reads them before. The bytes are
        kept in ``damaged_dir``, unless they are only the unfinished line of a crash.

        Args:
            folder: made when it is missing.
            timeline: whose journal it is.
            head: the newest epoch of the catalog.
            chain: that epoch's chain value; `GENESIS` for epoch 0.
            damaged_dir: default: ``damaged`` beside the folder.
            segment_bytes: a segment of this size is followed by a new one.

        Raises:
            StoreFullError: the disk is full.
            StoreError: the folder cannot be written, or the newest segment belongs to another timeline.
        """
        with write_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            segment = cut_back(folder, timeline, head, chain, damaged_dir or folder.parent / "damaged")
            journal = cls(folder, timeline, head, chain, segment_bytes)
            if segment is not None:
                journal._go_on(segment)
        journal._syncer.start()
        return journal

    def __init__(self, folder: Path, timeline: str, head: int, chain: bytes, segment_bytes: int) -> None:
        """Use `open`."""
        self._folder = folder
        self._timeline = timeline
        self._segment_bytes = segment_bytes
        self._epoch = head
        self._chain = chain
        self._previous_chain: bytes | None = None
        """That of the epoch before; None when the newest epoch can be neither aborted nor appended again."""
        self._owes_abort = False
        """The newest epoch never happened, and the disk had no room to say so."""
        self._file: int | None = None
        self._path = folder
        """The segment that is open, when one is."""
        self._size_bytes = 0
        self._lock = threading.Lock()
        self._failure: str | None = None
        self._written = threading.Event()
        self._closing = threading.Event()
        self._syncer = threading.Thread(target=self._keep_synced, name="journal-sync", daemon=True)

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return self._epoch

    @property
    def chain(self) -> bytes:
        """The chain value of the newest epoch."""
        return self._chain

    def append(self, epoch: int, chain: bytes, payload: bytes, *, redacted: bool = False) -> None:
        """Write one epoch with one write; when that fails the journal is as it was before.

        Args:
            epoch: the one after the newest, or the newest again, which it replaces.
            chain: its chain value, from `next_chain`.
            payload: one JSON object on one line.
            redacted: the payload is not the one that the chain value was made from.

        Raises:
            StoreFullError: the disk is full; nothing was written.
            StoreError: the line would be too long, or the disk failed; nothing was written.
            FatalStoreError: the journal cannot be written any more, or the epoch is neither of the two.
        """
        line = Entry(epoch, chain, payload, redacted).encode()
        with self._lock:
            self._check_usable()
            again = epoch == self._epoch and self._previous_chain is not None
            if epoch != self._epoch + 1 and not again:
                raise FatalStoreError(f"epoch {epoch} cannot be appended to the journal after epoch {self._epoch}")
            previous = self._previous_chain if again and self._previous_chain is not None else self._chain
            with write_errors(self._folder):
                if not again and self._is_full() and first_epoch_of(self._path) < epoch:
                    self._end_segment()
                    failpoints.hit("journal.segment")
                if self._file is None:
                    self._begin_segment(Header(self._timeline, epoch, previous), line)
                else:
                    self._write(self._file, line)
            self._previous_chain, self._epoch, self._chain = previous, epoch, chain
            self._owes_abort = False

    def abort(self, epoch: int) -> None:
        """Say that the newest epoch never happened: its number is free again.

        Raises:
            StoreError: as for `append`; the entry then stands until the epoch is appended again or the segment ends.
        """
        with self._lock:
            self._check_usable()
            if epoch != self._epoch or self._previous_chain is None or self._file is None:
                raise ValueError(f"epoch {epoch} is not the one that was just appended")
            self._owes_abort = True
            with write_errors(self._folder):
                self._settle()

    def roll(self) -> list[Path]:
        """End the present segment: the next epoch begins a new one.

        Returns:
            the segments, none of which will be written to again.

        Raises:
            StoreFullError: an abort is still to be written, and there is no room for it; nothing was changed.
            FatalStoreError: the segment could not be synced.
        """
        with self._lock:
            self._check_usable()
            with write_errors(self._folder):
                self._settle()
                self._end_segment()
                self._previous_chain = None
                failpoints.hit("journal.segment")
            return find_segments(self._folder)[0]

    def sync(self) -> None:
        """Return when every line written so far is on the disk.

        Raises:
            StoreUnavailableError: it was not tried: the process has too many files open.
            FatalStoreError: it is not, and never will be: after a failed sync nobody knows what is there.
        """
        with self._lock:
            self._check_usable()
            file = self._descriptor()
            self._written.clear()
        if file is None:
            return
        try:
            os.fdatasync(file)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            os.close(file)

    def close(self) -> None:
        """Sync and let go of the file; closing twice does no harm."""
        self._closing.set()
        self._written.set()
        if self._syncer.is_alive():
            self._syncer.join()
        with self._lock:
            if self._failure is None:
                with suppress(OSError, StoreError):
                    self._settle()  # else the next start makes an epoch of which its writer was told that it failed
                self._end_segment()
                self._failure = "the journal is closed"

    def _is_full(self) -> bool:
        return self._file is not None and self._size_bytes >= self._segment_bytes

    def _check_usable(self) -> None:
        if self._failure is None:
            return
        raise (StoreUnavailableError if self._closing.is_set() else FatalStoreError)(self._failure)

    def _failed(self, error: OSError) -> FatalStoreError:
        self._failure = f"the journal in {self._folder} cannot be written any more: {error.strerror}"
        return FatalStoreError(self._failure)

    def _descriptor(self) -> int | None:
        """Return a descriptor of one's own: the segment may be closed while it is being synced."""
        try:
            return None if self._file is None else os.dup(self._file)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise self._failed(error) from error
            raise StoreUnavailableError(f"the journal cannot be synced now: {error.strerror}") from error

    def _go_on(self, segment: Path) -> None:
        self._file = os.open(segment, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._path = segment
        self._size_bytes = os.fstat(self._file).st_size

    def _begin_segment(self, header: Header, line: bytes) -> None:
        self._path = segment_path(self._folder, header.first_epoch)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file, self._size_bytes = os.open(self._path, flags, FILE_MODE), 0
        try:
            sync_folder(self._folder)
            self._write(self._file, header.encode() + line)
        except BaseException:
            os.close(self._file)
            self._file = None
            self._path.unlink()
            raise

    def _write(self, file: int, line: bytes) -> None:
        try:
            if os.write(file, line) != len(line):
                raise StoreFullError()
        except BaseException:
            try:
                os.ftruncate(file, self._size_bytes)
            except OSError as error:
                raise self._failed(error) from error
            raise
        self._size_bytes += len(line)
        self._written.set()

    def _settle(self) -> None:
        """Write the abort that is owed: once its segment has ended, the entry could not be taken back any more."""
        if not self._owes_abort or self._file is None or self._previous_chain is None:
            return
        self._write(self._file, Abort(self._epoch).encode())
        self._epoch, self._chain, self._previous_chain = self._epoch - 1, self._previous_chain, None
        self._owes_abort = False

    def _end_segment(self) -> None:
        if self._file is None:
            return
        try:
            os.fdatasync(self._file)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            os.close(self._file)
            self._file = None
        if first_epoch_of(self._path) > self._epoch:
            self._path.unlink()  # its only epoch was aborted, and will want the name again

    def _keep_synced(self) -> None:
        is_late = False
        while self._written.wait() and not self._closing.wait(SYNC_AFTER_S):
            try:
                self.sync()
                is_late = False
            except FatalStoreError as error:
                log.error("the journal could not be synced", reason=error.message)
                return
            except StoreUnavailableError as error:
                if not is_late:
                    log.warning("the journal is synced later", reason=error.message)
                is_late = True
