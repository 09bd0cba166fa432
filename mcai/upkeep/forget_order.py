"""What is to be forgotten, and the note of it that outlives a crash.

The catalog itself notes ids alone. What was asked for in words lies in a file beside it until all is done: written into
the catalog, the words would stay there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from mcai.errors import NO_JSON, DamagedError
from mcai.files import open_regular, sync_folder, write_whole
from mcai.filters import Filters
from mcai.paths import Home
from mcai.store.journal.segments import write_errors
from mcai.upkeep.forget_quarantine import Wanted

NOTE = "forgetting.note"
"""The note's name in the home."""


@dataclass(frozen=True)
class Order:
    """What is to be forgotten."""

    ids: list[int]
    """Examples of the home's own history; those that the catalog does not know are looked for in copies."""
    filters: tuple[Filters, ...] = ()
    """What copies and journals are asked for, each by itself: what they alone have has no id that means anything
    elsewhere."""
    lines: Wanted = field(default_factory=Wanted)
    """Of quarantine."""
    dry_run: bool = False

    def __bool__(self) -> bool:
        return bool(self.ids or self.filters or self.lines)

    @property
    def sources(self) -> list[str]:
        """The sources that were asked for; they must not be named anywhere afterwards."""
        return sorted({each.source for each in self.filters if each.source is not None})

    @property
    def only_sources(self) -> list[str]:
        """Those that were asked for alone: whatever has one goes."""
        return sorted({each.only_source for each in self.filters if each.only_source is not None})


@dataclass(frozen=True)
class _Note:
    filters: tuple[Filters, ...] = ()
    lines: Wanted = field(default_factory=Wanted)


def with_unfinished(home: Home, order: Order, ids: list[int]) -> Order:
    """Return an order together with what is left of those before it.

    Args:
        home: whose note is read.
        order: a new one.
        ids: those that the catalog has noted.

    Raises:
        DamagedError: the note cannot be read.
    """
    note = _read(home)
    return replace(
        order,
        ids=sorted({*order.ids, *ids}),
        filters=tuple(dict.fromkeys((*note.filters, *order.filters))),
        lines=note.lines | order.lines,
    )


def is_noted(home: Home) -> bool:
    """Tell whether something that was asked for in words is not done yet."""
    return _path(home).exists()


def write(home: Home, order: Order) -> None:
    """Note what is asked for in words, so that whatever is cut off is finished at a later start.

    Raises:
        StoreFullError: there is no room for it.
        StoreError: it cannot be written.
    """
    if order.filters or order.lines:
        with write_errors(_path(home)):
            write_whole(_path(home), msgspec.msgpack.encode(_Note(order.filters, order.lines)))


def remove(home: Home) -> None:
    """Note that nothing is left to be done.

    Raises:
        StoreError: the note cannot be removed.
    """
    with write_errors(_path(home)):
        _path(home).unlink(missing_ok=True)
        sync_folder(home.dir)


def _read(home: Home) -> _Note:
    try:
        with open_regular(_path(home)) as file:
            return msgspec.msgpack.decode(file.read(), type=_Note)
    except FileNotFoundError:
        return _Note()
    except (OSError, *NO_JSON) as error:
        raise DamagedError(
            f"{_path(home)}, which tells what is still to be forgotten, cannot be read: {error}",
            hint="Remove it, and forget again what you asked for: mcai forget",
        ) from error


def _path(home: Home) -> Path:
    return home.dir / NOTE
