"""What is to be forgotten, and the note of it that outlives a crash.

The catalog itself notes ids alone. What was asked for in words lies in a file beside it until all is done: written into
the catalog, the words would stay there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

import msgspec

from mcai.errors import NO_JSON, DamagedError
from mcai.files import read_errors, read_small, sync_folder, write_errors, write_whole
from mcai.filters import Filters
from mcai.paths import Home
from mcai.upkeep.forget_quarantine import Wanted


@dataclass(frozen=True)
class Order:
    """What is to be forgotten."""

    ids: list[int]
    """Examples of the home's own history; those that the catalog does not know are looked for in copies."""
    strange_ids: frozenset[int] = frozenset()
    """Numbers that the home never gave out: copies may have them. They are noted nowhere, for they may be given out
    at any moment."""
    filters: tuple[Filters, ...] = ()
    """What copies and journals are asked for, each by itself: what they alone have has no id that means anything
    elsewhere."""
    lines: Wanted = field(default_factory=Wanted)
    """Of quarantine, in copies."""
    own_lines: Wanted = field(default_factory=Wanted)
    """Of the home's own quarantine. Once they are gone from there, others like them are those of later imports."""
    dry_run: bool = False

    def __bool__(self) -> bool:
        return bool(self.ids or self.strange_ids or self.filters or self.lines)

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
    own_lines: Wanted = field(default_factory=Wanted)


def with_unfinished(home: Home, order: Order, ids: list[int]) -> Order:
    """Return an order together with what is left of those before it.

    Args:
        home: whose note is read.
        order: a new one.
        ids: those that the catalog has noted.

    Raises:
        DamagedError: the note cannot be read.
        StoreUnavailableError: it cannot be read now.
    """
    note = _read(home)
    return replace(
        order,
        ids=sorted({*order.ids, *ids}),
        filters=tuple(dict.fromkeys((*note.filters, *order.filters))),
        lines=note.lines | order.lines,
        own_lines=note.own_lines | order.own_lines,
    )


def goes_on(home: Home, order: Order) -> bool:
    """Tell whether an order asks for nothing but the rest of those before it.

    Raises:
        DamagedError, StoreUnavailableError: as `with_unfinished`.
    """
    return not order or bool(order.filters and {*order.filters} <= {*_read(home).filters})


def is_noted(home: Home) -> bool:
    """Tell whether something that was asked for in words is not done yet."""
    return home.forgetting_path.exists()


def write(home: Home, order: Order) -> None:
    """Note what is asked for in words, so that whatever is cut off is finished at a later start.

    Raises:
        StoreFullError: there is no room for it.
        StoreError: it cannot be written.
    """
    if order.filters or order.lines:
        note = _Note(order.filters, order.lines, order.own_lines)
        with write_errors(home.forgetting_path):
            write_whole(home.forgetting_path, msgspec.msgpack.encode(note))


def remove(home: Home) -> None:
    """Note that nothing is left to be done.

    Raises:
        StoreError: the note cannot be removed.
    """
    with write_errors(home.forgetting_path):
        home.forgetting_path.unlink(missing_ok=True)
        sync_folder(home.dir)


def _read(home: Home) -> _Note:
    path = home.forgetting_path
    if not os.path.lexists(path):
        return _Note()
    try:
        with read_errors(path):
            return msgspec.msgpack.decode(read_small(path), type=_Note)
    except (DamagedError, *NO_JSON) as error:
        raise DamagedError(
            f"{path}, which tells what is still to be forgotten, cannot be read: {error}",
            hint="Remove it, and forget again what you asked for: mcai forget",
        ) from error
