"""The receipt of forgetting: what was found in each place, and what another look finds there afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog

from mcai.paths import Home
from mcai.records import Place
from mcai.store import backup
from mcai.store.duck import DuckCatalog, forgetting
from mcai.store.duck.forgetting import Tally
from mcai.store.duck.redaction import Redactor
from mcai.upkeep import archive_files, forget_scan
from mcai.upkeep.forget_copies import Copies
from mcai.upkeep.forget_scan import Finder

log = structlog.get_logger("forget")

PLACES = (
    "rows",
    "archive",
    "history",
    "caches",
    "journal",
    "index",
    "snapshot",
    "archive files",
    "base copies",
    "backups",
    "damaged files",
    "quarantine",
    "other files",
)
"""In the order of a receipt. What is scanned are rows, journal entries, copies or files; what is found are rows, or
files where nothing but bytes can be looked at."""


class Receipt:
    """Takes what was found, place by place."""

    def __init__(self) -> None:
        self._places = {name: Place(name, 0, 0, 0) for name in PLACES}

    def add(self, places: Iterable[Place]) -> None:
        """Put in what is known of some places, in the stead of what was known before."""
        self._places |= {each.place: each for each in places}

    def look_again(self, places: Iterable[Place]) -> None:
        """Take from a later look what is still there."""
        for each in places:
            before = self._places[each.place]
            self._places[each.place] = Place(each.place, before.scanned or each.scanned, before.found, each.found)

    def add_hits(self, scanned: Iterable[str], hits: Iterable[str]) -> None:
        """Take in which files were looked through byte by byte, and in which of them something was."""
        for path in scanned:
            name = place_of(path)
            if name in _FILES:
                before = self._places[name]
                self._places[name] = Place(name, before.scanned + 1, before.found, before.left)
        files: dict[str, int] = {}
        for path in hits:
            files[place_of(path)] = files.get(place_of(path), 0) + 1
            log.warning("a text of a forgotten example is still there", path=path)
        for name, count in files.items():
            before = self._places[name]
            self._places[name] = Place(name, before.scanned, max(before.found, count), max(before.left, count))

    def places(self) -> list[Place]:
        """Return what is known now."""
        return list(self._places.values())


_FILES = ("quarantine", "other files")
"""Places where nothing but bytes is looked at."""


def of_tally(counted: Tally) -> list[Place]:
    """Return what a count in the catalog says of its places."""
    told = {"rows": counted.live, "archive": counted.archived, "history": counted.past}
    return [Place(name, scanned, found, found) for name, (scanned, found) in told.items()]


def look(home: Home, catalog: DuckCatalog, ids: Sequence[int]) -> list[Place]:
    """Look for some examples wherever rows can be told by their ids; change nothing."""
    with catalog.engine.reading() as cursor:
        places = of_tally(forgetting.tally(cursor, ids))
    journaled = Redactor(ids).count(home.journal_dir)
    places.append(Place("journal", journaled.entries, journaled.rows, journaled.rows))
    files, rows = archive_files.count(home.archive_dir, ids)
    return [*places, Place("archive files", files, rows, rows), *Copies(home).count(ids)]


def look_at_bytes(home: Home, catalog: DuckCatalog, texts: Iterable[str], receipt: Receipt) -> None:
    """Look through every file of a home for what forgotten examples said, unless others say it too.

    Raises:
        StoreError: the files could not be looked through.
    """
    markers = forget_scan.markers_of(texts)
    report = forget_scan.scan(home.dir, markers)
    suspects = sorted({number for numbers in report.hits.values() for number in numbers})
    shared = _said_by_others(catalog, [markers[number] for number in suspects])
    alone = {number for at, number in enumerate(suspects) if at not in shared}
    receipt.add_hits(report.scanned, [path for path, numbers in report.hits.items() if alone & set(numbers)])
    for path in report.unread:
        log.warning("a file could not be looked through", path=path)


def _said_by_others(catalog: DuckCatalog, markers: Sequence[bytes]) -> set[int]:
    """Return which of the markers the catalog holds, now that the examples they come from are gone."""
    if not markers:
        return set()
    finder, shared = Finder(markers), set[int]()
    with catalog.engine.reading() as cursor:
        for said in forgetting.everything_said(cursor):
            if (texts := said.buffers()[2]) is not None:
                shared |= finder.find(texts)
    return shared


def place_of(path: str) -> str:
    """Return the place that a file belongs to, given its path below the home."""
    first, *below = Path(path).parts
    if first == "backups" and below:
        return "base copies" if below[0].startswith(backup.BASE_PREFIX) else "backups"
    if first.startswith("catalog."):
        return "base copies" if ".before-" in first else "rows"
    folders = {"vectors": "index", "archive": "archive files", "damaged": "damaged files"}
    name = folders.get(first, first)
    return name if name in PLACES and below else "other files"
