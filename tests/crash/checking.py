"""Does a home hold what was acknowledged, once, and everywhere the same?"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

import mcai
from crash import writers
from crash.acks import LOGGED_AS, Answer, Operation
from crash.world import Mismatch, Rows, State, World
from helpers import wait_until
from mcai.client import Client
from mcai.paths import Home
from mcai.wire.calls.examples import Mode

SAMPLED = 8
"""So many examples are searched for, and as many that must not be found."""


def settle(client: Client, world: World, operations: Sequence[tuple[Operation, Answer]]) -> World:
    """Return the world after all that was acknowledged and what happened of the rest.

    Adds that got no answer are asked again under their keys. What is then left without one may have happened or not:
    one way of reading it must explain every row of the home.

    Raises:
        Mismatch: none does.
    """
    known = {
        answer.epoch: (each, answer) for each, answer in operations if answer.outcome == "acked" and answer.changed
    }
    lost = [each for each, answer in operations if answer.outcome == "lost"]
    for each in [each for each in lost if each.kind == "add"]:
        answer = writers.answer_of(each, writers.SEND["add"](client, each))
        if answer.changed:
            known[answer.epoch] = each, answer
    ops = _ops_since(client, world.epoch)
    unknown = [epoch for epoch in ops if epoch not in known]
    if missing := [epoch for epoch in known if epoch not in ops]:
        raise Mismatch(f"acknowledged epochs are gone: {missing}")
    for epoch, (each, _) in known.items():
        if not _goes_by(each, ops[epoch]):
            raise Mismatch(f"epoch {epoch} is called {ops[epoch]!r}, but was acknowledged as {each.kind}")
    actual = State(exported(client), archived(client))
    reasons = []
    unanswered = [each for each in lost if each.kind not in ("add", "backup")]
    for order in itertools.permutations(unanswered, len(unknown)):
        guessed = dict(zip(unknown, order, strict=True))
        if not all(_goes_by(each, ops[epoch]) for epoch, each in guessed.items()):
            continue
        try:
            return _explain(world, ops, known, guessed, actual)
        except Mismatch as mismatch:
            reasons.append(str(mismatch))
    told = "; ".join(reasons) or f"nobody asked for the epochs { {epoch: ops[epoch] for epoch in unknown} }"
    raise Mismatch(told)


def _explain(
    world: World,
    ops: dict[int, str],
    known: dict[int, tuple[Operation, Answer]],
    guessed: dict[int, Operation],
    actual: State,
) -> World:
    made = world.copy()
    for epoch in sorted(ops):
        if epoch != made.epoch + 1:
            raise Mismatch(f"epoch {epoch} comes after epoch {made.epoch}")
        operation, answer = known[epoch] if epoch in known else (guessed[epoch], None)
        made.apply(operation, answer)
    _compare("examples", made.state.live, actual.live)
    _compare("the archive", made.state.archive, actual.archive)
    return made


def _ops_since(client: Client, epoch: int) -> dict[int, str]:
    ops: dict[int, str] = {}
    cursor = None
    while True:
        log = client.log(limit=1_000, cursor=cursor)
        ops |= {entry.epoch: entry.op for entry in log.entries if entry.epoch > epoch}
        cursor = log.next_cursor
        if cursor is None or min((entry.epoch for entry in log.entries), default=0) <= epoch:
            return ops


def _goes_by(operation: Operation, op: str) -> bool:
    return LOGGED_AS.get(operation.kind, operation.kind) == op


def _compare(where: str, wanted: Rows, found: Rows) -> None:
    if wanted == found:
        return
    lost = sorted(wanted.keys() - found.keys())
    extra = sorted(found.keys() - wanted.keys())
    other = [each for each in wanted.keys() & found.keys() if wanted[each] != found[each]]
    told = [f"{what} {ids[:5]}" for what, ids in (("lost", lost), ("too many", extra), ("different", other)) if ids]
    sample = f"; {wanted[other[0]]} became {found[other[0]]}" if other else ""
    raise Mismatch(f"{where}: {', '.join(told)}{sample}")


def exported(client: Client) -> Rows:
    """Return the live examples by id.

    Raises:
        Mismatch: an id comes twice.
    """
    with client.export() as stream:
        rows = [msgspec.json.decode(line) for line in b"".join(stream).splitlines()]
    return _by_id(rows)


def archived(client: Client) -> Rows:
    """Return the archived examples by id."""
    rows: list[Any] = []
    cursor = None
    while True:
        page = client.archived(limit=1_000, cursor=cursor)
        rows += [msgspec.to_builtins(example) for example in page.examples]
        cursor = page.next_cursor
        if cursor is None:
            return _by_id(rows)


def _by_id(rows: list[Any]) -> Rows:
    found = {row["id"]: row for row in rows}
    if len(found) != len(rows):
        raise Mismatch(f"{len(rows) - len(found)} ids come twice")
    return found


def check_everywhere(home: Home, client: Client, world: World, chance: random.Random) -> None:
    """Hold that pages, counts, search, snapshot and keys all tell of the same rows; the home has settled.

    Raises:
        Mismatch: they do not.
    """
    live = world.state.live
    status = client.status()
    if (status.examples, status.index.rows) != (len(live), len(live)):
        raise Mismatch(f"{len(live)} examples: status counts {status.examples}, the index {status.index.rows}")
    counted = {each.domain: each.examples for each in client.datasets().datasets if each.examples}
    domains = [row["domain"] for row in live.values()]
    if counted != {domain: domains.count(domain) for domain in set(domains)}:
        raise Mismatch(f"the datasets count {counted}")
    _check_snapshot(home, world)
    _check_search(client, world, chance)


def check_health(client: Client) -> None:
    """Hold that the doctor finds every part of the home sound, the whole index and every file among them.

    Raises:
        Mismatch: it does not.
    """

    def found() -> dict[str, str | None]:
        return {check.name: check.cause for check in client.doctor().checks if not check.ok}

    # After a restore one is due with the first look at what is due, ten seconds after the start.
    wait_until(lambda: "base copies" not in found(), "there is a base copy")
    if wrong := [f"{name}: {cause}" for name, cause in found().items()]:
        raise Mismatch(f"the doctor finds {'; '.join(wrong)}")


def _check_snapshot(home: Home, world: World) -> None:
    with mcai.open_snapshot(home=home.dir, min_epoch=world.epoch) as snapshot:
        rows: list[Any] = []
        cursor = None
        while True:
            page = snapshot.page(limit=1_000, cursor=cursor)
            rows += [msgspec.to_builtins(example) for example in page.examples]
            cursor = page.next_cursor
            if cursor is None:
                break
        _compare("the snapshot", world.state.live, _by_id(rows))


def _check_search(client: Client, world: World, chance: random.Random) -> None:
    live = world.state.live
    texts = {row["content"] for row in live.values()}
    gone = [row["content"] for row in world.state.archive.values()]
    gone += [text for contents in world.forgotten.values() for text in contents]
    gone = [text for text in gone if text not in texts]
    for row in chance.sample(list(live.values()), min(SAMPLED, len(live))):
        asked: dict[Mode, str] = {"keyword": row["content"].split(" ", 1)[0], "semantic": row["content"]}
        for mode, text in asked.items():
            hits = client.search(text, mode, limit=5, domain=row["domain"]).hits
            if row["id"] not in [hit.id for hit in hits]:
                raise Mismatch(f"the {mode} search does not find example {row['id']}: {row['content']!r}")
    for text in chance.sample(gone, min(SAMPLED, len(gone))):
        hits = client.search(text, limit=5).hits
        if wrong := [hit.id for hit in hits if hit.content == text or hit.id not in live]:
            raise Mismatch(f"search finds {wrong} for {text!r}, which is no live example's")


def check_keys(client: Client, world: World, operations: Sequence[tuple[Operation, Answer]]) -> None:
    """Hold that an add asked again under its key is answered as before and makes nothing.

    Adds of epochs that a restore has left behind never happened.

    Raises:
        Mismatch: it is not.
    """
    for operation, answer in operations:
        if operation.kind == "add" and answer.outcome == "acked" and answer.epoch <= world.epoch:
            again = writers.answer_of(operation, writers.SEND["add"](client, operation))
            if again != answer:
                raise Mismatch(f"the key of {operation.number} gave {answer} first and {again} now")
    if client.status().epoch != world.epoch:
        raise Mismatch("an add under an old key made an epoch")


def check_forgotten(home: Home, client: Client, world: World, operations: Sequence[tuple[Operation, Answer]]) -> None:
    """Hold that no file of the home has a word of a row that was forgotten; what got no answer is asked again.

    Raises:
        Mismatch: one has.
    """
    for operation, answer in operations:
        if operation.kind == "forget" and answer.outcome == "lost":
            again = writers.answer_of(operation, writers.SEND["forget"](client, operation))
            if again.changed:
                world.apply(operation, again)
    words = _words(world.forgotten.values()) - _words(world.said.values())  # who adds it again wants it kept
    if left := find_words(home.dir, words):
        raise Mismatch(f"forgotten, and still there: {left}")


def _words(texts: Iterable[Iterable[str]]) -> set[str]:
    """Return the first word of each text: no other text has it."""
    return {text.split(" ", 1)[0] for contents in texts for text in contents}


def find_words(folder: Path, words: set[str]) -> dict[str, list[str]]:
    """Return which files below a folder hold which of some words, as plain bytes."""
    found: dict[str, list[str]] = {}
    wanted = {word.encode() for word in words}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink() or not wanted:
            continue
        data = path.read_bytes()
        if there := [word.decode() for word in wanted if word in data]:
            found[str(path.relative_to(folder))] = there
    return found
