"""Mapped files that are checked block by block, by every process, the first time it touches a block.

A damaged byte is therefore an error that names the file, never a wrong row, and nobody pays for what is not read.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mcai.errors import SnapshotDamagedError
from mcai.files import open_regular

BLOCK_BYTES = 4096
"""A page of memory: a row that is read alone costs a check of about 1 us; bigger blocks check hardly faster a byte."""

Array = npt.NDArray[Any]
Positions = npt.NDArray[np.int64]


def map_file(path: Path, size_bytes: int) -> npt.NDArray[np.uint8]:
    """Map a file, read-only and shared.

    Args:
        path: where it lies.
        size_bytes: how long it must be, at least 1.

    Raises:
        SnapshotDamagedError: it has another length.
        OSError: it is gone, or cannot be mapped.
    """
    with open_regular(path) as file:
        have_bytes = file.seek(0, 2)
        if have_bytes != size_bytes:
            raise SnapshotDamagedError(f"{path} has {have_bytes:,} bytes instead of {size_bytes:,}")
        return np.frombuffer(mmap.mmap(file.fileno(), size_bytes, access=mmap.ACCESS_READ), np.uint8)


class BlockFile:
    """One file, mapped read-only and shared."""

    def __init__(self, path: Path, size_bytes: int, sums: npt.NDArray[np.uint32]) -> None:
        """Map a file; ``sums`` are the CRC-32 of all its blocks. Raises as `map_file`."""
        self.path = path
        self.bytes = map_file(path, size_bytes)
        self._view = self.bytes.data
        self._sums = sums
        self._checked = bytearray(len(sums))
        self._checked_array = np.frombuffer(self._checked, np.uint8)

    def check(self, begin: int, end: int) -> None:
        """Check the blocks that hold the bytes from ``begin`` to ``end``.

        Raises:
            SnapshotDamagedError: a block is not what was written.
        """
        last = -(-end // BLOCK_BYTES)
        block = self._checked.find(0, begin // BLOCK_BYTES, last)
        while block >= 0:
            self._check_block(block)
            block = self._checked.find(0, block + 1, last)

    def check_ranges(self, begins: Positions, ends: Positions) -> None:
        """Check the blocks below many ranges of bytes, each of at least one byte; see `check`."""
        first, last = begins // BLOCK_BYTES, (ends - 1) // BLOCK_BYTES
        if int((last - first).max(initial=0)) > 1:
            for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
                self.check(begin, end)
            return
        for blocks in (first, last):
            is_checked = self._checked_array[blocks]
            if not is_checked.all():
                for block in np.unique(blocks[is_checked == 0]).tolist():
                    self._check_block(block)

    def check_all(self) -> Iterator[SnapshotDamagedError]:
        """Check every block anew, also those that were good before; yield the damage."""
        for block in range(len(self._sums)):
            try:
                self._check_block(block)
            except SnapshotDamagedError as error:
                yield error

    def _check_block(self, block: int) -> None:
        begin = block * BLOCK_BYTES
        if zlib.crc32(self._view[begin : begin + BLOCK_BYTES]) != self._sums[block]:
            raise SnapshotDamagedError(f"{self.path} is damaged in the block at byte {begin:,}")
        self._checked[block] = 1


def block_sums(path: Path) -> Iterator[npt.NDArray[np.uint32]]:
    """Yield the CRC-32 of the blocks of a file, in order, some MB of it at a time."""
    with open_regular(path) as file:
        while part := memoryview(file.read(BLOCK_BYTES << 10)):
            begins = range(0, len(part), BLOCK_BYTES)
            yield np.array([zlib.crc32(part[begin : begin + BLOCK_BYTES]) for begin in begins], "<u4")


def block_count(size_bytes: int) -> int:
    """Return how many blocks a file has."""
    return -(-size_bytes // BLOCK_BYTES)


class Column:
    """One array of a segment, in memory or in a mapped file; what it hands out was checked."""

    def __init__(self, array: Array, file: BlockFile | None = None, offset_bytes: int = 0) -> None:
        """Wrap an array.

        Args:
            array: one-dimensional, or rows of a matrix.
            file: what it is mapped from; None when it lies in memory.
            offset_bytes: where it begins in the file.
        """
        self._array = array
        self._file = file
        self._offset_bytes = offset_bytes
        self._row_bytes = array.strides[0]

    def __len__(self) -> int:
        return len(self._array)

    def slice(self, begin: int = 0, end: int | None = None) -> Array:
        """Return the rows from ``begin`` to ``end``, without a copy."""
        end = len(self._array) if end is None else end
        if self._file is not None and end > begin:
            offset_bytes = self._offset_bytes
            self._file.check(offset_bytes + begin * self._row_bytes, offset_bytes + end * self._row_bytes)
        return self._array[begin:end]

    def take(self, positions: Positions) -> Array:
        """Return the rows at ``positions``, which rise; those that follow one another are no copy."""
        if not len(positions):
            return self._array[:0]
        first, last = int(positions[0]), int(positions[-1])
        if last - first == len(positions) - 1:
            return self.slice(first, last + 1)
        self.check_rows(positions, positions + 1)
        return self._array[positions]

    def check_rows(self, begins: Positions, ends: Positions) -> None:
        """Check many ranges of rows, none of them empty."""
        if self._file is not None:
            base, row_bytes = self._offset_bytes, self._row_bytes
            self._file.check_ranges(base + begins * row_bytes, base + ends * row_bytes)

    def unchecked(self) -> Array:
        """Return all of it, for who checks the rows that it uses."""
        return self._array
