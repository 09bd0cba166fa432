"""The archive as files: a Parquet file for each epoch that moved examples there, named by the epoch.

The truth about archived examples is the catalog's table; the files are for people and other programs, and are made
again from it. Each holds exactly the rows that came with its epoch and are still archived, with the columns of an
export, so that `mcai migrate` gives back what was in it. Its footer says which history it belongs to.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from mcai import failpoints
from mcai.errors import DamagedError, FatalStoreError, McaiError, StoreUnavailableError
from mcai.files import read_errors, sync_folder, write_errors
from mcai.store.duck import DuckCatalog, archive
from mcai.store.journal.segments import replacing

log = structlog.get_logger("archive")

FOLLOW_S = 1.0
"""The files follow the catalog this long after a change at the latest: many changes at once cost one round."""
RETRY_S = 30.0

_NAME = re.compile(r"(\d{16})\.parquet")
_TIMELINE = b"mcai.timeline"
_ARCHIVED_EPOCH = b"mcai.archived_epoch"


@dataclass(frozen=True)
class Reconciled:
    """What one round did."""

    written: int
    removed: int


@dataclass(frozen=True)
class Told:
    """What a file says of itself."""

    timeline: str
    epoch: int
    rows: int


def path_of(folder: Path, epoch: int) -> Path:
    """Return where the rows lie that were archived with an epoch."""
    return folder / f"{epoch:016}.parquet"


def files_in(folder: Path) -> dict[int, Path]:
    """Return the archive's files by epoch; what has another name is not ours."""
    named = ((_NAME.fullmatch(path.name), path) for path in sorted(folder.glob("*.parquet")))
    return {int(match[1]): path for match, path in named if match and path.is_file()}


def read_footer(path: Path) -> Told | None:
    """Return what a file says of itself; None when it cannot be read or is not the archive's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    try:
        footer = pq.read_metadata(path)
        told = footer.metadata or {}
        return Told(told[_TIMELINE].decode(), int(told[_ARCHIVED_EPOCH]), footer.num_rows)
    except (OSError, pa.ArrowException, KeyError, ValueError, OverflowError, MemoryError):
        return None


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Turn every error about reading a Parquet file of the archive into one of mcai's.

    Raises:
        DamagedError: it is not what was written.
        StoreUnavailableError: nobody can read it now.
    """
    import pyarrow as pa

    try:
        with read_errors(path):
            yield
    except StoreUnavailableError as error:
        # What pyarrow itself finds is an OSError, too: one that has no number.
        if isinstance(error.__cause__, OSError) and error.__cause__.errno is None:
            raise DamagedError(error.message) from error
        raise
    except (pa.ArrowException, KeyError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise DamagedError(f"{path} cannot be read: {error}") from error


class ArchiveFiles:
    """Keeps the files of one home in step with its catalog."""

    def __init__(self, catalog: DuckCatalog, folder: Path) -> None:
        self._catalog = catalog
        self._folder = folder
        self._lock = threading.Lock()
        self._reached: int | None = None
        """The epoch up to which every file is known to be right."""

    async def run(self) -> None:
        """Follow the catalog until cancelled.

        Raises:
            FatalStoreError: the engine has given up.
        """
        while True:
            pause_s = FOLLOW_S
            if self._reached != self._catalog.epoch:
                try:
                    await asyncio.to_thread(self.reconcile)
                except FatalStoreError:
                    raise
                except McaiError as error:
                    log.error("the archive's files are behind", reason=error.message)
                    pause_s = RETRY_S
            await asyncio.sleep(pause_s)

    def reconcile(self) -> Reconciled:
        """Write what is missing or differs, remove what is no longer wanted.

        The first round looks at every file; later ones at those that changed since.

        Raises:
            StoreFullError: the disk is full; the files that were there are as they were.
            StoreError: a file cannot be written.
        """
        with self._lock, write_errors(self._folder):
            reached = self._catalog.epoch
            looked_at, wanted = self._wanted()
            written = [epoch for epoch in sorted(looked_at & wanted.keys()) if self._mend(epoch, wanted[epoch])]
            removed = [path for path in self._unwanted(looked_at - wanted.keys()) if path.exists()]
            for path in removed:
                path.unlink()
            if removed:
                sync_folder(self._folder)
            self._reached = reached
        if written or removed:
            log.info("archive files", written=len(written), removed=len(removed), epoch=reached)
        return Reconciled(len(written), len(removed))

    def _wanted(self) -> tuple[set[int], dict[int, int]]:
        """Return the epochs whose files may be wrong, and how many rows each of the right files has."""
        with self._catalog.engine.reading() as cursor:
            if self._reached is None:
                wanted = archive.live_by_epoch(cursor)
                return wanted.keys() | files_in(self._folder).keys(), wanted
            changed = archive.changed_since(cursor, self._reached)
            return changed, archive.live_by_epoch(cursor) if changed else {}

    def _unwanted(self, epochs: Iterable[int]) -> Iterator[Path]:
        """Yield the files of epochs, and what a crash left half written."""
        yield from (path_of(self._folder, epoch) for epoch in epochs)
        yield from self._folder.glob("*.parquet.tmp")

    def differing(self) -> list[Path]:
        """Return the files that are missing, damaged or not as the catalog has it; reads all of them whole."""
        with self._catalog.engine.reading() as cursor:
            wanted = archive.live_by_epoch(cursor)
        files = files_in(self._folder)
        wrong = [path for epoch, path in files.items() if epoch not in wanted]
        for epoch, rows in wanted.items():
            if not self._is_right(epoch, rows) or not self._is_same(epoch):
                wrong.append(path_of(self._folder, epoch))
        return sorted(wrong)

    def _is_right(self, epoch: int, rows: int) -> bool:
        return read_footer(path_of(self._folder, epoch)) == Told(self._catalog.engine.timeline, epoch, rows)

    def _is_same(self, epoch: int) -> bool:
        """Compare every row of a file with the catalog; checksums leave out some bytes between the pages."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with (
                self._catalog.engine.reading() as cursor,
                pq.ParquetFile(path_of(self._folder, epoch), page_checksum_verification=True) as file,
            ):
                groups = iter(range(file.num_row_groups))
                for batch in archive.rows_of(cursor, epoch)[1]:
                    if not file.read_row_group(next(groups)).equals(pa.Table.from_batches([batch])):
                        return False
                return next(groups, None) is None
        except (OSError, pa.ArrowException, UnicodeDecodeError, OverflowError, MemoryError, StopIteration):
            return False

    def _mend(self, epoch: int, rows: int) -> bool:
        """Write the file of an epoch unless it is right; tell whether it was written."""
        if self._is_right(epoch, rows):
            return False
        import pyarrow.parquet as pq

        self._folder.mkdir(mode=0o700, exist_ok=True)
        told = {_TIMELINE: self._catalog.engine.timeline, _ARCHIVED_EPOCH: str(epoch)}
        with self._catalog.engine.reading() as cursor, replacing(path_of(self._folder, epoch)) as file:
            schema, batches = archive.rows_of(cursor, epoch)
            options = {"compression": "zstd", "write_page_checksum": True}
            with pq.ParquetWriter(file, schema.with_metadata(told), **options) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            failpoints.hit("rotate.parquet")
        return True


def count(folder: Path, ids: Sequence[int]) -> tuple[int, int]:
    """Return how many files a folder has, and how many rows in them are these examples'.

    A damaged file counts as a row: nobody knows what is in it.

    Raises:
        StoreUnavailableError: a file cannot be read now.
    """
    files = files_in(folder).values()
    return len(files), sum(_marked(path, ids)[1] for path in files)


def drop(folder: Path, ids: Sequence[int]) -> None:
    """Take these examples out of the files of a backup, where no catalog says what belongs in them; damaged ones go.

    Raises:
        OSError: a file cannot be written.
        StoreUnavailableError: a file cannot be read now.
    """
    import pyarrow.parquet as pq

    for path in files_in(folder).values():
        table, theirs = _marked(path, ids)
        if table is None or theirs == len(table):
            path.unlink()
        elif theirs:
            with replacing(path) as file:
                pq.write_table(table.filter(table["stays"]).drop_columns("stays"), file, compression="zstd")


def _marked(path: Path, ids: Sequence[int]) -> tuple[Any, int]:
    """Return a file's rows with a column ``stays``, and how many do not; no rows and 1 when it is damaged."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with parquet_errors(path):
            table = pq.read_table(path)
            stays = pc.invert(pc.is_in(table["id"], value_set=pa.array(ids, pa.int64())))
    except DamagedError:
        return None, 1
    return table.append_column("stays", stays), len(table) - (pc.sum(stays).as_py() or 0)
