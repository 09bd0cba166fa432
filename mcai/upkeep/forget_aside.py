"""Forgetting in what was put aside as damaged: each file is looked at by itself, wherever it lies.

A part of a catalog, a journal or an archive that holds what is to be forgotten, or that nobody can read, can only be
removed: nobody restores from there. Any other file is somebody's, and nothing but its bytes is searched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from mcai.errors import DamagedError
from mcai.paths import wal_path
from mcai.upkeep import forget_quarantine
from mcai.upkeep.archive_files import parquet_errors
from mcai.upkeep.forget_matching import Matching
from mcai.upkeep.forget_quarantine import Wanted

REASON = "it was put aside as damaged"
_STAMP = re.compile(r"-\d{8}T\d{6}\.\d{6}$")
"""What a name ends with that was put aside."""
_JOURNAL = re.compile(r"(journal-)?\d{16}(-from-\d+(-\d+)?)?\.jsonl(\.tmp)?|journal-.*\.jsonl")
_ARCHIVE = re.compile(r"\d{16}\.parquet")
_CATALOG = re.compile(r"(catalog\.before-\d+|catalog)\.duckdb(\.wal)?.*")


def files_in(folder: Path) -> list[Path]:
    """Return every file that was put aside, alone or in a folder, and the folders that cannot be listed; links are not
    followed."""
    unlisted: list[Path] = []
    walked = os.walk(folder, onerror=lambda error: unlisted.append(Path(error.filename))) if folder.is_dir() else ()
    found = (Path(at, name) for at, _, names in walked for name in names)
    return sorted([path for path in found if path.is_file() and not path.is_symlink()] + unlisted)


def rows_in(path: Path, folder: Path, matching: Matching, lines: Wanted) -> tuple[int, int]:
    """Look at one file.

    Args:
        path: the file.
        folder: where things are put aside.
        matching: tells which examples are meant.
        lines: which lines of quarantine are.

    Returns:
        how much of what is to be forgotten it holds, and how much it may hold beside that, for nobody can tell.

    Raises:
        DamagedError: nobody can tell anything of it.
        StoreError, OSError: nobody could look now.
    """
    if path.is_dir():
        list(path.iterdir())  # one that cannot be listed: the error says why
    name = _STAMP.sub("", path.name)
    if _CATALOG.fullmatch(name):
        owner = path.with_name(path.name.removesuffix(".wal"))
        # A log is read together with its file, and goes with it.
        return matching.in_catalog(owner if path == wal_path(owner) and owner.exists() else path)[1], 0
    if _ARCHIVE.fullmatch(name):
        return _rows_archived(path, matching.numbers)
    if any(_STAMP.sub("", each) == "quarantine" for each in path.relative_to(folder).parts[:-1]):
        return forget_quarantine.count(path, lines).lines, 0
    if _JOURNAL.fullmatch(name):
        counted = matching.in_journal(path).count(path)
        return counted.rows, counted.unreadable
    return 0, 0


def _rows_archived(path: Path, numbers: Collection[int]) -> tuple[int, int]:
    """Count the rows of a file of the archive that have one of these numbers. Whose numbers they are, only the catalog
    could tell that it was put aside with."""
    import pyarrow.parquet as pq

    try:
        with parquet_errors(path):
            ids = pq.read_table(path, columns=["id"])["id"].to_pylist()
    except DamagedError:
        return 0, 1
    return 0, sum(number in numbers for number in ids)
