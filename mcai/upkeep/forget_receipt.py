"""The receipt of forgetting: what was found in each place, and what another look finds there afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path

import structlog

from mcai.files import read_errors
from mcai.filters import source_forms
from mcai.paths import Home
from mcai.records import ForgetResult, Place
from mcai.store import backup
from mcai.store.duck import DuckCatalog, forgetting
from mcai.store.duck.forgetting import Tally
from mcai.upkeep import archive_files, forget_quarantine, forget_scan
from mcai.upkeep.forget_copies import Copies
from mcai.upkeep.forget_matching import Matching
from mcai.upkeep.forget_order import Order
from mcai.upkeep.forget_scan import Finder
from mcai.upkeep.forget_source import LEAST_CHARACTERS, SourceFinder

log = structlog.get_logger("forget")

MAX_TEXT_ROWS = 10_000
"""The texts of so many row versions are looked for in the bytes of all files afterwards."""
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
        self._notes: dict[str, None] = {}

    def add(self, places: Iterable[Place], notes: Iterable[str] = ()) -> None:
        """Put in what is known of some places, in the stead of what was known before."""
        self._places |= {each.place: each for each in places}
        self.note(notes)

    def note(self, notes: Iterable[str]) -> None:
        """Put in what the numbers do not say, once."""
        self._notes |= dict.fromkeys(notes)

    def look_again(self, places: Iterable[Place]) -> None:
        """Take from a later look what is still there."""
        for each in places:
            before = self._places[each.place]
            self._places[each.place] = Place(each.place, before.scanned or each.scanned, before.found, each.found)

    def add_files(self, scanned: Iterable[str], hits: Iterable[str]) -> None:
        """Take in which files were looked through byte by byte, and in which of them something is."""
        for path in scanned:
            if (name := place_of(path)) == OTHERS:
                before = self._places[name]
                self._places[name] = Place(name, before.scanned + 1, before.found, before.left)
        for name, files in by_place(hits).items():
            before = self._places[name]
            count = len(files)
            self._places[name] = Place(name, before.scanned, max(before.found, count), max(before.left, count))
            for path in files:
                log.warning("a text of a forgotten example is still there", path=path)
            self.note(_listed(files, "still has a text or the source of what is forgotten"))

    def found(self, *places: str) -> int:
        """Return how much was found in some places together."""
        return sum(self._places[name].found for name in places)

    def result(self, *, dry_run: bool, epoch: int, forgotten: int) -> ForgetResult:
        """Return what is known now."""
        return ForgetResult(dry_run, epoch, forgotten, list(self._places.values()), list(self._notes))


QUARANTINE = "quarantine"
OTHERS = "other files"
"""The place where nothing but bytes is looked at."""
MAX_NAMED = 20
"""So many files are named in a receipt, place by place; all of them in the log."""


def of_tally(counted: Tally) -> list[Place]:
    """Return what a count in the catalog says of its places."""
    told = {"rows": counted.live, "archive": counted.archived, "history": counted.past}
    return [Place(name, scanned, found, found) for name, (scanned, found) in told.items()]


def look(home: Home, catalog: DuckCatalog, order: Order, *, is_known: bool = False) -> tuple[list[Place], list[str]]:
    """Look for what is to be forgotten wherever it can be told by ids or sources; change nothing.

    Args:
        home: whose files are looked at.
        catalog: of the home.
        order: what is looked for.
        is_known: some of it was found before.

    Returns:
        the places, and what there is to say of single copies.

    Raises:
        StoreError: the journal cannot be read.
    """
    matching = Matching(home, catalog.engine, order)
    with catalog.engine.reading() as cursor:
        places = of_tally(forgetting.tally(cursor, order.ids))
    with read_errors(home.journal_dir):
        journaled = matching.in_own_journal().count(home.journal_dir)
    places.append(Place("journal", journaled.entries, journaled.rows, journaled.rows))
    files, rows = archive_files.count(home.archive_dir, order.ids)
    lines = forget_quarantine.count(home.quarantine_dir, order.own_lines)
    is_known = is_known or bool(lines.lines or any(place.found for place in places))
    copies = Copies(home, catalog.engine).count(order, is_known=is_known)
    places += [
        Place("archive files", files, rows, rows),
        Place(QUARANTINE, lines.files, lines.lines, lines.lines),
        *copies.places,
    ]
    return places, copies.notes


def look_at_bytes(home: Home, catalog: DuckCatalog, order: Order, texts: Set[str], receipt: Receipt) -> None:
    """Look through every file of a home for what is forgotten, unless others say it too.

    In a dry run only such files count as no row or line leads to: the rest is still where it was.

    Raises:
        StoreError: the files could not be looked through.
    """
    every = forget_scan.markers_of(texts)
    markers = every[: forget_scan.MAX_MARKERS]
    sources = [each for each in order.sources if len(source_forms(each)[0]) >= LEAST_CHARACTERS]
    report = forget_scan.scan(home.dir, markers, sources)
    for own in (report.hits, report.named):
        own.pop(home.forgetting_path.name, None)  # what is noted until all is done
    suspects = sorted({number for numbers in report.hits.values() for number in numbers})
    named = {sources[number] for numbers in report.named.values() for number in numbers}
    shared, named_too = _said_by_others(catalog, order, [markers[number] for number in suspects], named)
    alone = {number for at, number in enumerate(suspects) if at not in shared}
    hits = {path for path, numbers in report.hits.items() if alone & set(numbers)}
    hits |= {path for path, numbers in report.named.items() if {sources[number] for number in numbers} - named_too}
    if order.dry_run:
        hits &= _beyond_reach(home, order, hits)
    receipt.add_files(report.scanned, sorted(hits))
    receipt.note(_listed(report.unread, "cannot be read: nobody looked through it"))
    receipt.note(_not_searched(texts, every, receipt.found("rows", "archive", "history")))


def _beyond_reach(home: Home, order: Order, paths: Iterable[str]) -> set[str]:
    """Return the files that forgetting would leave as they are."""
    holders = forget_quarantine.count(home.quarantine_dir, order.own_lines).holders
    cleaned = {str(path.relative_to(home.dir)) for path in holders}
    return {path for path in paths if place_of(path) in (OTHERS, QUARANTINE)} - cleaned


def _not_searched(texts: Set[str], every: Sequence[bytes], versions: int) -> Iterator[str]:
    least = forget_scan.MARKER_CHARACTERS[0]
    if short := sum(not forget_scan.markers_of([text]) for text in texts):
        yield (
            f"{short:,} of {len(texts):,} texts have no {least} plain characters in a row: "
            "they go with their rows, but were not searched for in other files"
        )
    if len(every) > forget_scan.MAX_MARKERS or versions > MAX_TEXT_ROWS:
        most = min(len(every), forget_scan.MAX_MARKERS)
        yield f"only {most:,} of the texts were searched for in other files; all of them go with their rows"


def _said_by_others(
    catalog: DuckCatalog, order: Order, markers: Sequence[bytes], sources: Set[str]
) -> tuple[set[int], set[str]]:
    """Return which of the markers and of the sources the catalog holds outside of what is to be forgotten."""
    finder, shared, named = Finder(markers), set[int](), set[str]()
    finders = {source: SourceFinder(source) for source in sources}
    if not markers and not sources:
        return shared, named
    with catalog.engine.reading() as cursor:
        for said in forgetting.said_by_others(cursor, order.ids):
            if markers and (texts := said.buffers()[2]) is not None:
                shared |= finder.find(texts)
            if sources - named:
                texts = "\0".join(text for text in said.to_pylist() if text).encode()
                named |= {source for source in sources - named if finders[source].is_in(texts)}
    return shared, named


def by_place(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return files by the place that they belong to."""
    files: dict[str, list[str]] = {}
    for path in paths:
        files.setdefault(place_of(path), []).append(path)
    return files


def _listed(paths: Sequence[str], what: str) -> Iterator[str]:
    yield from (f"{path} {what}" for path in paths[:MAX_NAMED])
    if len(paths) > MAX_NAMED:
        yield f"{len(paths) - MAX_NAMED:,} more files: see mcai daemon logs"


def place_of(path: str) -> str:
    """Return the place that a file belongs to, given its path below the home."""
    first, *below = Path(path).parts
    if first == "backups" and below:
        return "base copies" if below[0].startswith(backup.BASE_PREFIX) else "backups"
    if first.startswith("catalog."):
        return "base copies" if ".before-" in first else "rows"
    folders = {"vectors": "index", "archive": "archive files", "damaged": "damaged files"}
    name = folders.get(first, first)
    return name if name in PLACES and below else OTHERS
