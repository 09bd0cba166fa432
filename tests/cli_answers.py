"""What the daemon of the command-line tests answers: one whole record for every verb that has no life of its own."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from mcai.records import (
    ArchiveRestoreResult,
    BackupResult,
    Check,
    DoctorReport,
    DomainChange,
    DomainDiff,
    Emotion,
    EpochDiff,
    EpochEntry,
    EpochLog,
    Example,
    ForgetResult,
    Page,
    Place,
    RollbackResult,
    RotatedDomain,
    RotateResult,
    SqlColumn,
    SqlResult,
)

DAY = "2026-11-23T10:00:00Z"

CALM = Emotion(
    name="calm", neuroscience_freq=10.0, metaphysical_freq=432.0, band="alpha", personality_template=["I hear you."]
)

ARCHIVED = Example(
    id=3,
    domain="coding",
    content="What was a floppy disk?",
    response="A magnetic one.",
    emotion=None,
    frequency_hz=None,
    created_at="1999-01-01T00:00:00Z",
    source=None,
    metadata={},
)


def answers() -> dict[str, Any]:
    """Return an answer for every verb that has no life of its own in `FakeClient`."""
    came = [DomainChange(domain="coding", added=5, removed=0), DomainChange(domain="physics", added=2, removed=0)]
    went = [DomainChange(domain="coding", added=0, removed=1)]
    return {
        "log": EpochLog(
            entries=[
                EpochEntry(epoch=7, at=DAY, op="rotate", domains=went),
                EpochEntry(epoch=6, at=DAY, op="add", domains=came),
            ],
            next_cursor=None,
        ),
        "diff": EpochDiff(3, 7, [DomainDiff(domain="coding", added=5, removed=0, edited=1)]),
        "rollback": RollbackResult(dry_run=False, epoch=8, restored=5, removed=1),
        "drop_dataset": RollbackResult(dry_run=False, epoch=8, restored=0, removed=6),
        "rotate": RotateResult(
            dry_run=False, epoch=8, domains=[RotatedDomain(domain="coding", before=12, moved=2, after=10)], moved=2
        ),
        "archived": Page(examples=[ARCHIVED], next_cursor=None, epoch=7),
        "restore_archived": ArchiveRestoreResult(epoch=8, restored=2),
        "backup": BackupResult(path="/backups/monday", epoch=7, rows=4070, files=3, bytes=5 << 20),
        "forget": ForgetResult(
            dry_run=False,
            epoch=8,
            forgotten=2,
            places=[
                Place(place="catalog", scanned=4070, found=2, left=0),
                Place(place="backups", scanned=3, found=2, left=0),
            ],
        ),
        "doctor": DoctorReport(
            ok=True,
            checks=[
                Check(name="catalog", ok=True, fixed=False),
                Check(name="snapshot", ok=True, fixed=True, cause="a block is damaged", remedy="it is made anew"),
            ],
        ),
        "sql": SqlResult(
            columns=[SqlColumn(name="domain", type="VARCHAR"), SqlColumn(name="n", type="BIGINT")],
            rows=[["coding", 4070], [None, 1]],
            truncated=False,
            took_ms=3.5,
        ),
    }


class Stream:
    """An export on its way, as `mcai.client.export.ExportStream` is one."""

    def __init__(self, chunks: list[bytes], epoch: int) -> None:
        self.rows, self.epoch, self.bytes, self.sha256 = len(chunks), epoch, 0, "not read"
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.bytes += len(chunk)
            yield chunk
        self.sha256 = sha256(b"".join(self._chunks)).hexdigest()
