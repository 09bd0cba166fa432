"""Reads Parquet files, a few rows at a time. pyarrow is imported with this module, and by nothing else in the package.

A null is an absent value, and so is NaN, which is what many writers put where a number is missing. Times become ISO
8601 text, decimals text, bytes text where they are UTF-8, else base64.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import io
import math
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mcai import times
from mcai.errors import UnreadableFileError
from mcai.formats.model import OpenFile, Progress, Record, Rejected
from mcai.formats.readers import json_values
from mcai.formats.recognition import synonyms
from mcai.formats.recognition.intake import Intake

_BATCH_BYTES = 4 << 20
_MAX_BATCH_ROWS = 4_096
_BUFFER_BYTES = 1 << 20
_SHOWN_DAMAGES = 3
_DAMAGES = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError, MemoryError)
"""What pyarrow raises on a damaged file: for names that are no UTF-8 and sizes beyond reason, Python's own errors."""


class ParquetReader:
    """Reads one file."""

    shape = "parquet"

    def __init__(self, opened: OpenFile, intake: Intake, progress: Progress) -> None:
        self.reason: str | None = None
        self._opened = opened
        self._intake = intake
        self._progress = progress

    def items(self) -> Iterator[Record | Rejected]:
        """Yield what is found; ``reason`` is known afterwards.

        Raises:
            UnreadableFileError: the file, or a part of it, is damaged; the rows of the other parts were yielded.
        """
        with io.FileIO(self._opened.duplicate()) as raw:
            try:
                file = pq.ParquetFile(raw, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
            except _DAMAGES as error:
                raise UnreadableFileError(f"no readable Parquet: {_first_line(error)}") from error
            yield from self._groups(file)
        if self._intake.found == 0:
            self.reason = "a table without rows"

    def _groups(self, file: Any) -> Iterator[Record | Rejected]:
        """Read group after group: damage to one of them costs its own rows only."""
        damage: list[str] = []
        number = 1
        for group in range(file.metadata.num_row_groups):
            about = file.metadata.row_group(group)
            row_bytes = max(1, about.total_byte_size // max(1, about.num_rows))
            batch_rows = max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES // row_bytes))
            done = 0
            try:
                for batch in file.iter_batches(batch_rows, row_groups=[group], use_threads=False):
                    yield from self._rows(batch, number + done)
                    done += batch.num_rows
            except _DAMAGES as error:
                damage.append(f"rows {number + done} to {number + about.num_rows - 1}: {_first_line(error)}")
            number += about.num_rows
            self._progress.bytes_read = self._opened.size_bytes * (group + 1) // file.metadata.num_row_groups
        if damage:
            more = [f"and {len(damage) - _SHOWN_DAMAGES:,} more"] if len(damage) > _SHOWN_DAMAGES else []
            raise UnreadableFileError("; ".join(damage[:_SHOWN_DAMAGES] + more))

    def _rows(self, batch: Any, number: int) -> Iterator[Record | Rejected]:
        names = batch.schema.names
        double = next((name for at, name in enumerate(names) if name in names[:at]), None)
        is_export = double is None and set(names) == synonyms.EXPORT_KEYS
        columns = [_values(column) for column in batch.columns]
        for index in range(batch.num_rows):
            cells = [column[index] for column in columns]
            try:
                if double is not None:
                    raise json_values.FaultError(f"the column {double!r} stands twice in the table")
                row = {name: _plain(cell) for name, cell in zip(names, cells, strict=True)}
                json_values.examine(row)
            except json_values.FaultError as fault:
                # Not the row itself: read again unmended, what was replaced in it would pass for its own.
                kept = {"row": {name: _shown(cell) for name, cell in zip(names, cells, strict=True)}}
                yield self._intake.refuse(fault.reason, number + index, record=kept, keys=names)
                continue
            obj = {name: cell for name, cell in row.items() if cell is not None or is_export}
            if isinstance(obj.get(synonyms.METADATA), str):
                obj[synonyms.METADATA] = json_values.object_or_text(obj[synonyms.METADATA])
            yield self._intake.take(obj, number + index, batch.nbytes)


class _Unreadable:
    """A cell that no Python value can stand for."""

    def __init__(self, reason: str, raw: bytes | None) -> None:
        self.reason = reason
        self.raw = raw


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


def _readable_type(kind: Any) -> Any:
    """Return a type that Python's own values can hold: microseconds for nanoseconds, UTC for any zone."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us" if kind.unit == "ns" else kind.unit, tz="UTC" if kind.tz else None)
    if pa.types.is_time64(kind):
        return pa.time64("us")
    if pa.types.is_duration(kind):
        return pa.duration("us" if kind.unit == "ns" else kind.unit)
    if pa.types.is_list(kind):
        return pa.list_(_readable_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct(
            [kind.field(at).with_type(_readable_type(kind.field(at).type)) for at in range(kind.num_fields)]
        )
    return kind


def _values(column: Any) -> list[Any]:
    kind = _readable_type(column.type)
    try:
        readable = column if kind == column.type else column.cast(kind, safe=False)
        values: list[Any] = readable.to_pylist()
        return values
    except (pa.ArrowException, ValueError, OverflowError):
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return _Unreadable("invalid UTF-8", scalar.as_buffer().to_pybytes())
    except (ValueError, OverflowError) as error:
        return _Unreadable(_first_line(error), None)


def _plain(value: Any) -> Any:
    """Return a value as JSON can say it.

    Raises:
        FaultError: it cannot.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            raise json_values.FaultError("Infinity is no JSON value")
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        is_map = bool(value) and all(isinstance(pair, tuple) and isinstance(pair[0], str) for pair in value)
        if is_map and len({pair[0] for pair in value}) == len(value):
            return {name: _plain(member) for name, member in value}
        return [_plain(member) for member in value]
    if isinstance(value, tuple):
        return [_plain(member) for member in value]
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat() if value.tzinfo is None else times.show(value.astimezone(dt.UTC))
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | dt.timedelta | uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        # Writers without the text annotation (Hive, Impala, old Spark) store text like this.
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if isinstance(value, _Unreadable):
        raise json_values.FaultError(value.reason)
    raise json_values.FaultError(f"a value of the type {type(value).__name__}")


def _shown(cell: Any) -> Any:
    """Return a cell of a rejected row for the quarantine; what is no text stands there as base64."""
    if isinstance(cell, _Unreadable):
        return base64.b64encode(cell.raw).decode("ascii") if cell.raw is not None else None
    try:
        return _plain(cell)
    except json_values.FaultError:
        return str(cell)
