"""The import itself: files in, batches out, every record accounted for."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from mcai import times
from mcai.errors import DaemonError, McaiError, UnreadableFileError
from mcai.formats import (
    Container,
    FileProblem,
    FileSummary,
    Progress,
    ReadOptions,
    Record,
    Rejected,
    SourceFile,
    find_files,
    read,
)
from mcai.paths import Home
from mcai.records import MAX_TOLD, AddResult, NewExample
from mcai.wire import calls
from mcai_cli.importing.advance import Advance
from mcai_cli.importing.quarantine import Quarantine
from mcai_cli.importing.report import Report, Tally
from mcai_cli.importing.seen import Seen
from mcai_cli.importing.sending import Batch, Sender, Spool
from mcai_cli.importing.told import told_of
from mcai_cli.output import counted, note, unicode_path

if TYPE_CHECKING:
    from mcai.client.sync import Client

DATASETS_A_BATCH = 8
NO_REASON = "the daemon gives no reason"
_RUN_AGAIN = "Run the same command again: what was imported will be met as duplicates."


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    read: ReadOptions
    dry_run: bool = False
    strict: bool = False


def migrate(client: Client, paths: Sequence[str], options: Options, *, home: Home, advance: Advance) -> Report:
    """Import dataset files and folders.

    Args:
        paths: files, folders, ``-`` for stdin.
        home: where the quarantine file goes.
        advance: kept up to date on the way.

    Returns:
        The account of every record found.

    Raises:
        PathNotFoundError: a path does not exist; nothing was read.
        McaiError: the daemon failed; the message says what it had taken by then.
    """
    files = list(find_files(paths))
    return _Run(client, options, home, advance, epoch=client.status().epoch).over(files)


class _Run:
    """One import. Its random id and the numbers of its batches make the idempotency keys."""

    def __init__(self, client: Client, options: Options, home: Home, advance: Advance, epoch: int) -> None:
        self._client = client
        self._options = options
        self._advance = advance
        self._epoch = epoch
        self._id = uuid.uuid4().hex[:16]
        self._tally = Tally()
        self._quarantine = Quarantine(home, self._id, times.now())
        self._seen = Seen()
        self._containers: dict[str, list[dict[str, Any]]] = {}
        """What the containers of whole files say of their datasets; sent with or after those files' last examples."""
        self._open: deque[int] = deque()
        """The file of each example that was read and is in no batch yet."""

    def over(self, files: Sequence[SourceFile | FileProblem]) -> Report:
        """Read and send, or refuse."""
        self._advance.total_bytes = sum(file.size_bytes or 0 for file in files if isinstance(file, SourceFile))
        refused = None
        with closing(self._quarantine), closing(self._seen):
            if self._options.strict:
                refused = self._send_if_clean(files)
            else:
                self._send(self._batches(files, self._reject))
        path = self._quarantine.path
        return Report(
            dry_run=self._options.dry_run,
            files=self._tally.files,
            totals=self._tally.totals(),
            epoch=self._epoch,
            quarantine=unicode_path(path) if path else None,
            rejections=self._tally.rejections,
            skipped=self._tally.skipped,
            unreadable=self._tally.unreadable,
            quarantine_failure=self._quarantine.failure,
            refused=refused,
        )

    def _send_if_clean(self, files: Sequence[SourceFile | FileProblem]) -> str | None:
        """Read everything first; send it, or return why nothing is sent."""
        with closing(Spool()) as spool:
            for batch in self._batches(files, self._tally.reject):
                spool.put(batch)
            if not self._tally.totals().rejected and not self._tally.unreadable:
                self._foresee(spool)
            bad, unreadable = self._tally.totals().rejected, self._tally.unreadable
            if bad or unreadable:
                self._tally.refuse_all()
                counts = ((bad, "bad record"), (unreadable, "unreadable file"))
                why = " and ".join(counted(count, noun) for count, noun in counts if count)
                return f"nothing was written because of {why}"
            self._send(spool)
        return None

    def _foresee(self, spool: Spool) -> None:
        """Count what the daemon would reject."""
        for batch in spool:
            done = self._client.add_batch(batch.examples, key=f"{self._id}/foresee/{batch.number}", dry_run=True)
            for item, raw, number in zip(done.results, batch.examples, batch.files, strict=True):
                if item.status == "rejected":
                    self._tally.reject(number, _as_rejected(raw, item.reason or NO_REASON))

    def _batches(
        self, files: Sequence[SourceFile | FileProblem], reject: Callable[[int, Rejected], None]
    ) -> Iterator[Batch]:
        number = 0
        for number, raw in enumerate(calls.batches(self._examples(files, reject)), 1):
            yield self._batch(number, raw)
        while self._containers and not self._options.dry_run:  # those of the last files
            number += 1
            yield self._batch(number, [])

    def _batch(self, number: int, examples: list[msgspec.Raw]) -> Batch:
        # Each dataset's are 1 MiB at most: a few at a time, so that the batch stays within what a request may carry.
        domains = list(self._containers)[:DATASETS_A_BATCH]
        containers = {domain: self._containers.pop(domain) for domain in domains}
        return Batch(number, examples, [self._open.popleft() for _ in examples], containers)

    def _examples(
        self, files: Sequence[SourceFile | FileProblem], reject: Callable[[int, Rejected], None]
    ) -> Iterator[NewExample]:
        """Read all files; everything but the records themselves is noted on the way."""
        for file in files:
            if isinstance(file, SourceFile):
                yield from self._examples_of(file, reject)
            elif file.severity == "skipped":
                self._tally.skipped += 1
            else:
                self._tally.add_unreadable(file.path, file.reason)

    def _examples_of(self, file: SourceFile, reject: Callable[[int, Rejected], None]) -> Iterator[NewExample]:
        number = self._tally.add_file(file.path)
        report = self._tally.files[number]
        self._advance.current = progress = Progress()
        told: list[Container] = []
        for event in read(file, self._options.read, progress):
            match event:
                case Record(example):
                    report.found += 1
                    self._open.append(number)
                    yield example
                case Rejected():
                    report.found += 1
                    reject(number, event)
                case Container():
                    if len(told) <= MAX_TOLD:
                        told.append(told_of(event))
                case FileSummary(shape, _, reason, unreadable):
                    report.shape = shape
                    report.reason = reason or UNSET
                    self._tally.unreadable += unreadable
        for container in told:
            known = self._containers.setdefault(container.domain, [])
            if container.metadata and container.metadata not in known and len(known) <= MAX_TOLD:
                known.append(container.metadata)
        self._advance.current = Progress()
        self._advance.finished_bytes += file.size_bytes or 0

    def _reject(self, file: int, rejected: Rejected) -> None:
        self._tally.reject(file, rejected)
        if not self._options.dry_run:
            self._quarantine.write(rejected)

    def _send(self, batches: Iterable[Batch]) -> None:
        with Sender(self._ask, self._settle) as sender:
            try:
                for batch in batches:
                    sender.put(batch)
                sender.finish()
            except McaiError as error:
                raise self._broken_off(error) from error
            except OSError as error:
                raise self._broken_off(
                    UnreadableFileError(f"{error.filename or 'a file'}: {error.strerror}")
                ) from error
            except KeyboardInterrupt:
                note(f"migrate: interrupted; {self._so_far()}. {_RUN_AGAIN}")
                raise

    def _ask(self, batch: Batch) -> AddResult:
        """Send one batch; runs in the sending thread."""
        dry_run = self._options.dry_run
        containers = {} if dry_run else batch.containers
        key = f"{self._id}/{batch.number}"
        done = self._client.add_batch(batch.examples, key=key, containers=containers, dry_run=dry_run)
        if len(done.results) != len(batch.examples):
            raise DaemonError(f"the daemon accounts for {len(done.results)} of {len(batch.examples)} records")
        return done

    def _settle(self, batch: Batch, done: AddResult) -> None:
        """Count what became of a batch."""
        self._epoch = max(self._epoch, done.epoch)
        for item, raw, number in zip(done.results, batch.examples, batch.files, strict=True):
            file = self._tally.files[number]
            if item.status == "rejected":
                self._reject(number, _as_rejected(raw, item.reason or NO_REASON))
            elif item.status == "duplicate" or (self._options.dry_run and not self._seen.add(raw)):
                file.duplicate += 1
            else:
                file.imported += 1
        self._advance.settled += len(batch.examples)

    def _broken_off(self, error: McaiError) -> McaiError:
        """Return the same error with what had been taken by then."""
        hint = " ".join(filter(None, (error.hint, _RUN_AGAIN)))
        return type(error)(f"{error.message} ({self._so_far()})", hint=hint)

    def _so_far(self) -> str:
        sums = self._tally.totals()
        kept = f"; rejected records are in {self._quarantine.path}" if self._quarantine.path else ""
        return f"imported {sums.imported:,}, duplicate {sums.duplicate:,}, rejected {sums.rejected:,} until then{kept}"


def _as_rejected(raw: msgspec.Raw, reason: str) -> Rejected:
    example = msgspec.json.decode(raw, type=NewExample)
    return Rejected(source=example.source or "", domain=example.domain, reason=reason, record=msgspec.json.decode(raw))
