"""Damages every kind of file of a home, one byte or one end at a time, and holds that nobody is given a wrong row.

Most cases are opened at the layer that the file belongs to (`crash.layers`, in a process of its own, which a case may
end); some by stopping, damaging and starting a whole home.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import mcai
from crash import checking
from crash.daemon import Daemon
from crash.layers import Case, Found
from crash.specimen import Specimen
from helpers import wait_until
from mcai.client import Client, lifecycle
from mcai.engine_failures import EXIT_FATAL
from mcai.errors import IndexUnavailableError, McaiError
from mcai.paths import Home
from mcai.records import Hit

TESTS_DIR = Path(__file__).resolve().parent.parent
ENDS_BYTES = 4_096
"""Half of the flips go into so much at the beginning or the end of a file, where its structure lies."""
ENDS_WITHIN_S = 10.0
"""A daemon that refuses to answer may be about to end: its engine gave up."""
LAYERS_LOG = "layers.log"
CUTS = 0.15
"""So large a part of the cases cuts a file off."""
WEIGHTS = {"journal": 6, "snapshot": 6, "backup": 3, "archive": 3, "wal": 3, "catalog": 2, "lance": 2}
"""How many cases a kind gets, by its first word; what is opened in milliseconds gets more."""

CUT_SHORT = (0.25, 0.5, 0.75, 0.99)
"""What is left of each file that is cut at fixed places, as a part of it."""
CUT_KINDS = ("catalog", "wal", "journal", "snapshot")

_OFFLINE = {**os.environ, "MCAI_NO_START": "1"}
"""A snapshot that cannot be read is asked of the daemon otherwise."""

Say = Callable[[str], None]


@dataclass
class Tally:
    """What became of the cases, by kind of file."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def count(self, case: Case, verdict: str, told: str = "") -> None:
        self.counts.setdefault(case.kind, Counter())[verdict] += 1
        if verdict == "wrong":
            self.wrong.append(f"{case}: {told}")

    @property
    def cases(self) -> int:
        return sum(counter.total() for counter in self.counts.values())

    def table(self) -> str:
        """Return the counts as lines of text."""
        verdicts = sorted({verdict for counter in self.counts.values() for verdict in counter})
        lines = [f"{'kind':<20}" + "".join(f"{name:>10}" for name in (*verdicts, "all"))]
        for kind, counter in sorted(self.counts.items()):
            numbers = (*(counter[name] for name in verdicts), counter.total())
            lines.append(f"{kind:<20}" + "".join(f"{number:>10}" for number in numbers))
        return "\n".join(lines)


def cases(specimen: Specimen, count: int, chance: random.Random) -> list[Case]:
    """Draw cases: every kind of file gets its part, and half of that goes to the newest file of the kind."""
    files = {kind: [path for path in paths if path.stat().st_size] for kind, paths in specimen.files().items()}
    kinds = sorted(kind for kind, paths in files.items() if paths)
    groups = Counter(kind.split(" ", 1)[0] for kind in kinds)
    weights = [WEIGHTS[kind.split(" ", 1)[0]] / groups[kind.split(" ", 1)[0]] for kind in kinds]
    drawn = [*chance.sample(kinds, len(kinds)), *chance.choices(kinds, weights, k=max(0, count - len(kinds)))][:count]
    newest = {kind: max(paths, key=lambda path: path.stat().st_mtime) for kind, paths in files.items() if paths}
    chosen = [chance.choice((newest[kind], chance.choice(files[kind]))) for kind in drawn]
    return [_case(specimen, *each, chance) for each in zip(range(count), drawn, chosen, strict=False)]


def _case(specimen: Specimen, number: int, kind: str, path: Path, chance: random.Random) -> Case:
    size = path.stat().st_size
    offset = chance.randrange(size)
    if chance.random() < 0.5 and size > 2 * ENDS_BYTES:
        offset = chance.choice((offset % ENDS_BYTES, size - 1 - offset % ENDS_BYTES))
    action = "cut" if chance.random() < CUTS else "flip"
    name = str(path.relative_to(specimen.home.dir))
    return Case(number, kind, name, action, offset, chance.randrange(8))  # type: ignore[arg-type]


def cuts(specimen: Specimen) -> list[Case]:
    """Return a cut of each file of the catalog, the journal and the snapshot, at each of `CUT_SHORT`."""
    found: list[Case] = []
    for kind, paths in specimen.files().items():
        for path in paths if kind.startswith(CUT_KINDS) else ():
            name, size = str(path.relative_to(specimen.home.dir)), path.stat().st_size
            found += [Case(len(found) + n, kind, name, "cut", int(size * part)) for n, part in enumerate(CUT_SHORT)]
    return found


def at_the_layers(folder: Path, cases: Sequence[Case], say: Say = print) -> Tally:
    """Open each case at its layer.

    Args:
        folder: where a specimen was built.
        cases: drawn for it.
        say: told how far it is.
    """
    tally = Tally()
    waiting = list(cases)
    while waiting:
        answered = 0
        probing = False
        for found in _answers(folder, waiting):
            if isinstance(found, bool):
                probing = found
                continue
            tally.count(waiting[answered], found.verdict, found.told)
            answered += 1
            if tally.cases % 500 == 0:
                say(f"{tally.cases} cases, {len(tally.wrong)} wrong")
        if answered < len(waiting):  # it died: the daemon has a child for what it was probing, for nothing else
            verdict = "refused" if probing else "wrong"
            tally.count(waiting[answered], verdict, f"the process that opened it died: {_last_line(folder)}")
        waiting = waiting[answered + 1 :]
    return tally


def _answers(folder: Path, waiting: Sequence[Case]) -> Iterator[Found | bool]:
    """Have a process work on cases; yield what it finds, and whether it is probing, until it ends."""
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    asked = folder / "cases.jsonl"
    asked.write_bytes(b"".join(msgspec.json.encode(case) + b"\n" for case in waiting))
    with asked.open("rb") as lines, (folder / LAYERS_LOG).open("ab") as log:
        command = [sys.executable, "-m", "crash.layers", str(folder), str(scratch)]
        child = subprocess.Popen(command, cwd=TESTS_DIR, stdin=lines, stdout=subprocess.PIPE, stderr=log, env=_OFFLINE)
    assert child.stdout is not None
    with child.stdout as answers:
        for line in answers:
            told = msgspec.json.decode(line)
            yield told["probing"] if "probing" in told else msgspec.convert(told, Found)
    child.wait()
    shutil.rmtree(scratch, ignore_errors=True)


def _last_line(folder: Path) -> str:
    return (folder / LAYERS_LOG).read_text("utf-8", "replace").rstrip().rsplit("\n", 1)[-1]


def whole_home(specimen: Specimen, folder: Path, homes: Sequence[Sequence[Case]], say: Say = print) -> Tally:
    """Damage copies of the whole home, start their daemons, and compare everything that they serve with the truth.

    Args:
        specimen: is copied for each home.
        folder: the copies lie here, one after the other; one that was taken for sound and is not stays.
        homes: for each home the cases that it suffers at once.
        say: told what each home came to.
    """
    tally = Tally()
    for number, suffered in enumerate(homes):
        home = specimen.copy_to(folder / "copy")
        for case in suffered:
            case.damage(home.dir / case.path)
        verdict, told = _start(home, specimen, suffered)
        for case in suffered:
            tally.count(case, verdict, told)
        what = ", ".join(f"{case.kind} {case.action} at {case.offset}" for case in suffered)
        say(f"{number}: {what}: {verdict}{told and f', {told[:160]}'}")
        if verdict != "wrong":
            shutil.rmtree(home.dir)
        else:
            home.dir.rename(folder / f"wrong-{number}-{os.urandom(4).hex()}")
    return tally


def _start(home: Home, specimen: Specimen, suffered: Sequence[Case]) -> tuple[str, str]:
    daemon = Daemon(home)
    try:
        if not daemon.start():
            reason = daemon.refusal()
            return ("refused", reason) if reason else ("wrong", f"it ended with {daemon.exit_code} and no reason")
        with Client(home.dir, start=False) as client:
            verdict, told = _compare(home, client, specimen, daemon)
            if verdict == "same" and any(case.kind.startswith(("archive", "backup")) for case in suffered):
                verdict, told = _examine(client)
        if verdict == "refused" and daemon.has_ended(ENDS_WITHIN_S) and daemon.exit_code == EXIT_FATAL:
            return _follow(home, specimen, daemon)
        if daemon.exit_code is not None:
            return "wrong", f"the daemon ended with {daemon.exit_code}: {daemon.last_words()[-300:]}"
        daemon.stop()
        return verdict, told
    except AssertionError as error:
        return "wrong", f"{error}\n{daemon.last_words()[-600:]}"
    finally:
        if daemon.exit_code is None:
            daemon.kill()


def _follow(home: Home, specimen: Specimen, daemon: Daemon) -> tuple[str, str]:
    """The engine gave up over the damage: what the next daemon serves, which comes by itself."""
    wait_until(lambda: lifecycle.running(home) and lifecycle.answers(home), "a new daemon serves")
    try:
        with Client(home.dir, start=False) as client:
            verdict, told = _compare(home, client, specimen, daemon)
    finally:
        lifecycle.stop(home)
    return ("wrong", f"the damage is not mended: {told}") if verdict in ("same", "refused") else (verdict, told)


def _compare(home: Home, client: Client, specimen: Specimen, daemon: Daemon) -> tuple[str, str]:
    truth = specimen.truth
    try:
        rows, archive = checking.exported(client), checking.archived(client)
        pages = _pages(client)
    except McaiError as error:
        return "refused", error.message
    for where, found, wanted in (
        ("the export", rows, truth.live),
        ("the archive", archive, truth.archive),
        ("the pages", pages, truth.live),
    ):
        if found != wanted:
            return "wrong", f"{where}: {len(found)} rows, not {len(wanted)}, or other ones"
    daemon.wait_until_settled()
    healed = ""
    for text, example_id in truth.queries.items():
        try:
            hits = client.search(text, mode="keyword", limit=3).hits
        except IndexUnavailableError as error:
            # What no probe reads: the first search that needs it is refused, and the index is made anew.
            healed = error.message
            hits = _searched_again(client, text)
        if not hits or hits[0].id != example_id or hits[0].content != text:
            return "wrong", f"a search for {text!r} finds {[hit.id for hit in hits]}, not {example_id}"
    with mcai.open_snapshot(home=home.dir) as snapshot:
        mapped = {row.id: msgspec.to_builtins(row) for row in snapshot.page(limit=1_000).examples}
    if mapped != truth.live:
        return "wrong", "the snapshot has other rows"
    recovery = client.status().recovery
    told = recovery.cause if recovery else healed
    return ("mended", told) if told else ("same", "")


def _searched_again(client: Client, text: str) -> list[Hit]:
    found: list[list[Hit]] = []

    def answers() -> bool:
        with contextlib.suppress(IndexUnavailableError):
            found.append(client.search(text, mode="keyword", limit=3).hits)
        return bool(found)

    wait_until(answers, "the search index is made anew")
    return found[0]


def _examine(client: Client) -> tuple[str, str]:
    """What no request reads, the doctor does."""
    wrong = [f"{check.name}: {check.cause}" for check in client.doctor().checks if not check.ok]
    return ("reported", "; ".join(wrong)) if wrong else ("same", "")


def _pages(client: Client) -> Mapping[int, object]:
    found: dict[int, object] = {}
    cursor = None
    while True:
        page = client.page(limit=100, cursor=cursor)
        found |= {row.id: msgspec.to_builtins(row) for row in page.examples}
        cursor = page.next_cursor
        if cursor is None:
            return found
