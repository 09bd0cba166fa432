"""What an import did: the document of ``mcai migrate --json``."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from mcai.formats import Rejected
from mcai_cli.output import counted, encodable

SHOWN_REJECTIONS = 100
"""So many rejections are in the document; all of them are in the quarantine file."""


class FileReport(Struct, omit_defaults=True):
    """What became of one file. found = imported + duplicate + rejected, once its last batch is settled."""

    path: str
    shape: str
    found: int
    imported: int
    duplicate: int
    rejected: int
    reason: str | UnsetType = UNSET
    """What is wrong with the file as such, or why it holds no records."""


class Totals(Struct):
    """The sums over all files."""

    files: int = 0
    found: int = 0
    imported: int = 0
    duplicate: int = 0
    rejected: int = 0


class Rejection(Struct, frozen=True):
    """One record that was not taken, and how it could be."""

    source: str
    reason: str
    keys: tuple[str, ...]
    hint: str | None


class Report(Struct):
    """The whole document."""

    dry_run: bool
    files: list[FileReport]
    totals: Totals
    epoch: int
    quarantine: str | None
    """The file with the rejected records; None when there is none."""
    rejections: list[Rejection]
    skipped: int
    """Files that are no datasets."""
    unreadable: int
    """Files that could not be read, or not to their end."""
    quarantine_failure: str | None = None
    """Why rejected records are not in quarantine, or not all of them."""
    refused: str | None = None
    """Why ``--strict`` wrote nothing."""
    index_epoch: int | None = None
    """What the search index had taken in at the end; None when it could not be asked."""


class Tally:
    """Counts while an import runs."""

    def __init__(self) -> None:
        self.files: list[FileReport] = []
        self.rejections: list[Rejection] = []
        self.skipped = 0
        self.unreadable = 0

    def add_file(self, path: str) -> int:
        """Begin the account of a file; return its number."""
        self.files.append(FileReport(path=path, shape="unknown", found=0, imported=0, duplicate=0, rejected=0))
        return len(self.files) - 1

    def add_unreadable(self, path: str, reason: str) -> None:
        """Note a file of which nothing could be read."""
        self.files[self.add_file(path)].reason = reason
        self.unreadable += 1

    def reject(self, file: int, rejected: Rejected) -> None:
        """Count a rejected record, and keep the first ones to be shown."""
        self.files[file].rejected += 1
        if len(self.rejections) < SHOWN_REJECTIONS:
            self.rejections.append(_shown(rejected))

    def refuse_all(self) -> None:
        """Count every record as rejected: what ``--strict`` makes of all of them when one is bad."""
        for file in self.files:
            if file.rejected and file.reason is UNSET:
                file.reason = counted(file.rejected, "bad record")
            file.rejected = file.found

    def totals(self) -> Totals:
        """Return the sums."""
        sums = Totals(files=len(self.files))
        for file in self.files:
            sums.found += file.found
            sums.imported += file.imported
            sums.duplicate += file.duplicate
            sums.rejected += file.rejected
        return sums


def _shown(rejected: Rejected) -> Rejection:
    keys = tuple(encodable(key) for key in rejected.keys)
    hint = encodable(rejected.hint) if rejected.hint else None
    return Rejection(encodable(rejected.source), encodable(rejected.reason), keys, hint)
