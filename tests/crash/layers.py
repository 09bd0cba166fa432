"""A process that opens damaged files of a home at the layer that they belong to, and says what came of it.

    python -m crash.layers SPECIMEN SCRATCH

It reads one case a line from standard input and answers with one line. A case that ends this process is seen by whoever
started it, who knows from the line ``probing`` whether it was at work where the daemon has a child for such cases.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

import mcai
from crash import specimen
from crash.specimen import Specimen
from crash.world import Rows
from mcai import formats
from mcai.embed.static import WordLlamaEmbedder
from mcai.errors import CatalogDamagedError, McaiError
from mcai.filters import Filters
from mcai.paths import Home
from mcai.store import backup, journal, probe
from mcai.store.base import IndexFilter
from mcai.store.duck import DuckCatalog, recovery, verify
from mcai.store.journal import Entry

Verdict = Literal["refused", "mended", "same", "wrong"]

ANSWERS = 3
"""The descriptor that answers go to: libraries and logs print to the usual ones."""


class Case(msgspec.Struct, frozen=True):
    """One piece of damage."""

    number: int
    kind: str
    path: str
    """Below the home."""
    action: Literal["flip", "cut"]
    offset: int
    bit: int = 0

    def damage(self, file: Path) -> None:
        """Do it to a file."""
        data = bytearray(file.read_bytes())
        if self.action == "cut":
            del data[self.offset :]
        else:
            data[self.offset] ^= 1 << self.bit
        file.write_bytes(data)


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of one case."""

    number: int
    verdict: Verdict
    told: str = ""


class Wrong(AssertionError):
    """A reader was given something that was never stored."""


class Layers:
    """A copy of a specimen, of which one file at a time is damaged."""

    def __init__(self, sound: Specimen, scratch: Path) -> None:
        self._sound = sound
        self._scratch = scratch
        self._copy = sound.copy_to(scratch / "home")
        self._entries = list(journal.read(sound.home.journal_dir))
        self._embedder = WordLlamaEmbedder()
        with verify.ReadOnly(self._copy.catalog_path) as source:
            self._committed_at = verify.committed_at(source, sound.truth.epoch)

    def examine(self, case: Case) -> Found:
        """Damage one file, open it as the daemon or a reader would, and put it back."""
        group = case.kind.split(" ", 1)[0]
        if group in ("catalog", "wal"):
            return self._catalog(case)
        source = self._sound.home.dir / case.path
        file = specimen.restore_file(self._sound, self._copy, source)
        case.damage(file)
        readers: dict[str, Callable[[Path], Verdict]] = {
            "journal": self._journal,
            "lance": self._lance,
            "snapshot": self._snapshot,
            "archive": self._archive,
            "backup": self._backup,
        }
        try:
            return Found(case.number, readers[group](file))
        except McaiError as error:
            return Found(case.number, "refused", error.message)
        except Wrong as wrong:
            return Found(case.number, "wrong", str(wrong))
        finally:
            specimen.restore_file(self._sound, self._copy, source)

    def _catalog(self, case: Case) -> Found:
        """Open the whole home as a start of the daemon does: catalog, write-ahead log and journal belong together."""
        home = self._sound.copy_to(self._scratch / "catalog")
        case.damage(home.dir / case.path)
        try:
            try:
                return Found(case.number, self._reopen(home))
            except CatalogDamagedError as error:  # the daemon ends, and the next one is told why
                home.suspect_path.write_text(error.message, "utf-8")
            return Found(case.number, self._reopen(home))
        except McaiError as error:
            return Found(case.number, "refused", error.message)
        except Wrong as wrong:
            return Found(case.number, "wrong", str(wrong))
        finally:
            shutil.rmtree(home.dir)

    def _reopen(self, home: Home) -> Verdict:
        truth = self._sound.truth
        opened = recovery.open_catalog(home, [])
        try:
            verify.read_everything(opened.catalog)
            if opened.catalog.epoch != truth.epoch:
                raise Wrong(f"the catalog ends with epoch {opened.catalog.epoch}, not {truth.epoch}")
            _compare("the catalog", self._rows_of(opened.catalog, archived=False), truth.live)
            _compare("the archive", self._rows_of(opened.catalog, archived=True), truth.archive)
        finally:
            opened.catalog.close()
        return "mended" if opened.recovery else "same"

    def _rows_of(self, catalog: DuckCatalog, *, archived: bool) -> Rows:
        found = catalog.page(Filters(), after_id=0, limit=10_000, epoch=catalog.epoch, archived=archived)
        return {example.id: msgspec.to_builtins(_plain(example)) for example in found}

    def _journal(self, file: Path) -> Verdict:
        reading = journal.Reading(self._copy.journal_dir)
        sound = {entry.epoch: entry for entry in self._entries}
        found: list[Entry] = list(reading)
        if wrong := [entry.epoch for entry in found if entry != sound.get(entry.epoch)]:
            raise Wrong(f"the journal gives epochs {wrong} that were never written")
        told = reading.result()
        if len(found) < len(sound) and not (told.damage or told.gaps):
            raise Wrong("the journal lacks epochs and says nothing")
        return "refused" if told.damage else "same"

    def _snapshot(self, file: Path) -> Verdict:
        truth = self._sound.truth
        with mcai.open_snapshot(home=self._copy.dir) as snapshot:
            if snapshot.epoch != truth.epoch:
                raise Wrong(f"the snapshot says that it is of epoch {snapshot.epoch}")
            rows: Rows = {}
            cursor = None
            while True:
                page = snapshot.page(limit=100, cursor=cursor)
                rows |= {example.id: msgspec.to_builtins(example) for example in page.examples}
                cursor = page.next_cursor
                if cursor is None:
                    break
            _compare("the snapshot", rows, truth.live)
            for text, example_id in truth.queries.items():
                hit = snapshot.search(self._embedder.embed([text])[0], limit=1).hits[0]
                _compare("a hit", {hit.id: _fields(hit)}, truth.live, only={example_id})
            for domain in {row["domain"] for row in truth.live.values()}:
                ids = [each for each, row in truth.live.items() if row["domain"] == domain]
                found = [example.id for example in snapshot.page(limit=1_000, domain=domain).examples]
                if found != sorted(ids):
                    raise Wrong(f"the snapshot's page of {domain} has other rows")
        return "same"

    def _lance(self, file: Path) -> Verdict:
        """Look as the probe does, then search as the daemon does: what the probe lets through must not end it."""
        _say({"probing": True})
        [table] = probe.tables_in(self._copy.vectors_dir)
        try:
            with probe.lance_errors():
                told = asyncio.run(probe.read(str(self._copy.vectors_dir), table))
        except probe.LANCE_ERRORS:
            return "refused"
        finally:
            _say({"probing": False})
        live = self._sound.truth.live
        if told.epoch != self._sound.truth.epoch or told.versions.rows != len(live):
            return "refused"
        return asyncio.run(self._search_lance())

    async def _search_lance(self) -> Verdict:
        from mcai.store.lance import LanceIndex

        model, dim = self._embedder.model, self._embedder.dim
        index = await LanceIndex.open(self._copy.vectors_dir, model, dim, lambda epoch: self._committed_at)
        anything = IndexFilter(Filters(), None)
        verdict: Verdict = "same"
        for text, example_id in self._sound.truth.queries.items():
            near = await index.nearest(self._embedder.embed([text])[0], 10, anything)
            found = await index.matching(text, "content", 10, anything)
            if example_id not in [each for each, _ in [*near, *found]]:
                verdict = "mended"  # a hit less: the rows themselves come from the catalog, so none is wrong
        return verdict

    def _archive(self, file: Path) -> Verdict:
        known = {row["content"]: row for row in self._sound.truth.archive.values()}
        [found] = formats.find_files([str(file)])
        assert isinstance(found, formats.SourceFile)
        verdict: Verdict = "same"
        for event in formats.read(found, formats.ReadOptions()):
            if isinstance(event, formats.Record):
                row = known.get(event.example.content)
                if row is None or (event.example.response, event.example.domain) != (row["response"], row["domain"]):
                    raise Wrong("the archive's file has a row that was never archived")
            elif isinstance(event, formats.FileSummary):
                verdict = "refused" if event.reason else verdict
        return verdict

    def _backup(self, file: Path) -> Verdict:
        """Check a backup as a restore does: its files against its manifest, its catalog against what that says."""
        folder = next(each for each in file.parents if each.parent == self._copy.backups_dir)
        manifest = backup.check(folder)
        verify.check_copy(folder / backup.CATALOG, backup.facts_of(manifest))
        sound = backup.read_manifest(self._sound.home.backups_dir / folder.name)
        if (manifest.files, backup.facts_of(manifest)) != (sound.files, backup.facts_of(sound)):
            raise Wrong(f"the backup is taken for one of epoch {manifest.epoch} with {manifest.rows} rows")
        return "same"


def _plain(example: Any) -> Any:
    """The catalog hands out metadata as JSON text."""
    metadata = msgspec.json.decode(example.metadata) if isinstance(example.metadata, msgspec.Raw) else example.metadata
    return msgspec.structs.replace(example, metadata=metadata)


def _fields(hit: Any) -> dict[str, Any]:
    row = msgspec.to_builtins(hit)
    return {name: value for name, value in row.items() if name not in ("score", "explain")}


def _compare(where: str, found: Rows, truth: Rows, only: set[int] | None = None) -> None:
    wanted = {each: row for each, row in truth.items() if only is None or each in only}
    if found != wanted:
        differing = [each for each in found.keys() | wanted.keys() if found.get(each) != wanted.get(each)]
        raise Wrong(f"{where} differs in {len(differing)} rows, first {differing[:3]}")


def _say(told: Any) -> None:
    os.write(ANSWERS, msgspec.json.encode(told) + b"\n")


def main() -> None:
    """Answer cases until there are no more."""
    os.dup2(sys.stdout.fileno(), ANSWERS)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sound, scratch = specimen.load(Path(sys.argv[1])), Path(sys.argv[2])
    scratch.mkdir()
    layers = Layers(sound, scratch)
    for line in sys.stdin.buffer:
        _say(layers.examine(msgspec.json.decode(line, type=Case)))


if __name__ == "__main__":
    main()
