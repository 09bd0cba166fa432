"""A home with something of everything in it, made by a real daemon, to be copied and damaged."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from crash import checking
from crash.daemon import Daemon
from crash.world import Rows
from helpers import wait_until
from mcai.client import Client
from mcai.embed.static import WordLlamaEmbedder
from mcai.paths import Home, find_home
from mcai.snapshot import graph
from mcai.snapshot.store import SnapshotStore

ROWS = 240
CAP = 50
BASE_COPY_S = 60.0
EVERY_H = "0.001"
"""A base copy is due at the first look, ten seconds after the start."""
TRUTH = "truth.json"
LEFT_OUT = ("daemon.log", "daemon.lock", "start.lock", "mcaid.sock", "tmp")


class Truth(msgspec.Struct):
    """What a reader of the home may be told."""

    epoch: int
    live: Rows
    archive: Rows
    queries: dict[str, int]
    """A text to search for -> the live example that must be the first hit."""


@dataclass(frozen=True)
class Specimen:
    """A home as its daemon left it, and the truth about it."""

    home: Home
    truth: Truth

    def files(self) -> dict[str, list[Path]]:
        """Return the home's files by kind."""
        found: dict[str, list[Path]] = {}
        for path in sorted(self.home.dir.rglob("*")):
            if path.is_file() and (kind := kind_of(path.relative_to(self.home.dir))):
                found.setdefault(kind, []).append(path)
        return found

    def copy_to(self, folder: Path) -> Home:
        """Copy the home's files to a folder that does not exist yet."""
        shutil.copytree(self.home.dir, folder, ignore=lambda _, names: [name for name in names if name in LEFT_OUT])
        return find_home(folder)


def kind_of(path: Path) -> str | None:
    """Return what kind of file lies at a path of a home; None for those that hold nothing."""
    top, name = path.parts[0], path.name
    if top == "vectors":
        return _kind_of_lance(path)
    if top == "backups":
        return f"backup {'journal' if name.endswith('.jsonl') else name.removesuffix('.json').removesuffix('.duckdb')}"
    by_place = {"catalog.duckdb": "catalog", "catalog.duckdb.wal": "wal", "journal": "journal", "archive": "archive"}
    if top == "snapshot":
        return "snapshot pointer" if name == "CURRENT" else f"snapshot {path.suffix.removeprefix('.')}"
    return by_place.get(top)


def _kind_of_lance(path: Path) -> str:
    for part, kind in (("data", "data"), ("_versions", "manifest"), ("_indices", "index"), ("_deletions", "deletions")):
        if part in path.parts:
            return f"lance {kind}"
    return "lance transaction"


def build(folder: Path, *, killed: bool, base_copy: bool) -> Specimen:
    """Have a daemon fill a home and end.

    Args:
        folder: for the home; a short path.
        killed: end the daemon by SIGKILL: the last changes lie in the catalog's write-ahead log alone.
        base_copy: wait until the daemon has made its base copy, which takes it more than ten seconds.
    """
    daemon = Daemon(folder / "home")
    try:
        assert daemon.start(MCAI_BACKUP__EVERY_H=EVERY_H), daemon.last_words()
        with Client(daemon.home.dir, start=False) as client:
            _fill(daemon, client)
            if base_copy:
                wait_until(lambda: [*daemon.home.backups_dir.glob("base-*/manifest.json")], "a base copy", BASE_COPY_S)
            daemon.wait_until_settled()
            wait_until(lambda: any(daemon.home.archive_dir.glob("*.parquet")), "the archive's files are written")
            truth = _ask(client)
            timeline = client.status().timeline
        daemon.kill() if killed else daemon.stop()
    finally:
        if daemon.exit_code is None:
            daemon.kill()
    _give_graph(daemon.home, timeline)
    (folder / TRUTH).write_bytes(msgspec.json.encode(truth))
    return Specimen(daemon.home, truth)


def _give_graph(home: Home, timeline: str) -> None:
    """Have a graph built over the largest segment of the snapshot: the daemon does that for many more rows only."""
    model, dim = WordLlamaEmbedder.model, WordLlamaEmbedder.dim
    store = SnapshotStore.open(home.snapshot_dir, model=model, dim=dim, timeline=timeline)
    segments = [layer.segment.facts for layer in store.view.layers]
    largest = max((each for each in segments if each), key=lambda each: each.rows)
    path = home.snapshot_dir / largest.name
    facts = asyncio.run(graph.build(path.with_suffix(".vectors"), largest.rows, dim, path.with_suffix(".graph")))
    assert store.attach_graph(largest.name, facts)
    store.close()


def _fill(daemon: Daemon, client: Client) -> None:
    for begin in range(0, ROWS, ROWS // 4):
        client.add(_row(number) for number in range(begin, begin + ROWS // 4))
        daemon.wait_until_settled()
    ids = sorted(checking.exported(client))
    client.delete(ids[10:20])
    client.edit(ids[30], content="edited late: basalt columns of the northern coast")
    client.rotate(CAP)
    client.restore_archived(sorted(checking.archived(client))[:5])
    client.backup(daemon.home.backups_dir / "mine")
    client.add(_row(number) for number in range(ROWS, ROWS + 20))


def _ask(client: Client) -> Truth:
    """Have the daemon say what it holds, and hold that its searches find it."""
    live = checking.exported(client)
    queries = {row["content"]: each for each, row in list(live.items())[::12]}
    for text, each in queries.items():
        assert client.search(text, mode="keyword", limit=1).hits[0].id == each, text
    return Truth(client.status().epoch, live, checking.archived(client), queries)


def load(folder: Path) -> Specimen:
    """Return a specimen that was built in a folder before."""
    truth = msgspec.json.decode((folder / TRUTH).read_bytes(), type=Truth)
    return Specimen(find_home(folder / "home"), truth)


def restore_file(specimen: Specimen, copy: Home, path: Path) -> Path:
    """Put one file of a copied home back as it was; return where it lies in the copy."""
    target = copy.dir / path.relative_to(specimen.home.dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".specimen")
    shutil.copyfile(path, unfinished)
    unfinished.replace(target)
    return target


def _row(number: int) -> dict[str, Any]:
    words = ("amber", "basalt", "cedar", "dune", "ember", "fjord", "glacier", "harbor")
    topic = " ".join(words[number >> shift & 7] for shift in (0, 3, 6))
    return {
        "domain": ("stones", "trees", "water")[number % 3],
        "content": f"word{number:05} what is known of {topic}?",
        "response": f"answer {number}: {topic} " + "and more " * (number % 40),
        "emotion": ("calm", "joy", None)[number % 3],
        "frequency_hz": 432.0 + number if number % 2 else None,
        "created_at": f"2024-0{1 + number % 9}-1{number % 10}T0{number % 7}:00:{number % 60:02}Z",
        "source": f"/corpus/file{number % 5}.json#{number}",
        "metadata": {"n": number, "tags": ["a", {"b": None}]},
    }
