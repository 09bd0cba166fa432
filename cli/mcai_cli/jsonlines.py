"""JSON lines from a stream: good lines become records, bad ones are kept aside with their line number and reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
from msgspec import UNSET, structs

from mcai.errors import NO_JSON
from mcai.records import MAX_RECORD_BYTES, AddedItem, AddResult

if TYPE_CHECKING:
    from mcai.client.sync import Client

MAX_LINE_BYTES = 8 * MAX_RECORD_BYTES
"""A record of 1 MiB is never longer as JSON: an escape takes at most six bytes for one."""


@dataclass
class JsonLines:
    """One pass over a stream; iterate, then look at what it noted.

    Records and bad lines share one count (`index`), so that a result can be told for every one of them.
    """

    stream: BinaryIO
    domain: str | None = None
    """Overrides every record's own."""
    good: list[tuple[int, int]] = field(default_factory=list)
    """(index, line number) of every record that was handed out, in order."""
    bad: list[tuple[int, str]] = field(default_factory=list)
    """(index, reason) of every line that is no record."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Hand out the record of every good line; blank lines do not count."""
        index = number = 0
        while line := self.stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if not line.strip():
                continue
            if len(line) > MAX_LINE_BYTES:
                self._skip_rest_of_line()
                self.bad.append((index, f"line {number}: longer than {MAX_LINE_BYTES >> 20} MiB"))
            else:
                yield from self._record(line, index, number)
            index += 1

    def _record(self, line: bytes, index: int, number: int) -> Iterator[dict[str, Any]]:
        try:
            record = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"), type=dict[str, Any])
        except RecursionError:
            self.bad.append((index, f"line {number}: nested too deeply"))
        except NO_JSON as error:
            self.bad.append((index, f"line {number}: {error}"))
        else:
            self.good.append((index, number))
            yield record | ({"domain": self.domain} if self.domain is not None else {})

    def _skip_rest_of_line(self) -> None:
        while (piece := self.stream.readline(MAX_LINE_BYTES)) and not piece.endswith(b"\n"):
            pass


def add_lines(client: Client, stream: BinaryIO, domain: str | None) -> AddResult:
    """Add the examples of a stream of JSON lines; every line ends as one result.

    Args:
        stream: read to its end, in batches.
        domain: overrides every record's own.

    Returns:
        The results of the daemon and of the lines that were no records, in the order of the lines.
    """
    lines = JsonLines(stream, domain)
    done = client.add(lines)
    results = [_placed(item, *lines.good[item.index]) for item in done.results]
    results += [AddedItem(index=index, status="rejected", reason=reason) for index, reason in lines.bad]
    results.sort(key=lambda item: item.index)
    epoch = done.epoch or client.status().epoch  # there was no batch to answer with one
    rejected = done.rejected + len(lines.bad)
    return structs.replace(done, epoch=epoch, rejected=rejected, results=results)


def _placed(item: AddedItem, index: int, number: int) -> AddedItem:
    reason = item.reason if item.reason is UNSET else f"line {number}: {item.reason}"
    return structs.replace(item, index=index, reason=reason)
