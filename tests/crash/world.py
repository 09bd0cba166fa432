"""What a home has to hold: the same changes, made on dictionaries, in the order of their epochs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from crash.acks import Answer, Operation

Row = dict[str, Any]
Rows = dict[int, Row]

HISTORY_EPOCHS = 60
"""So far back a rollback may go here."""


class Mismatch(AssertionError):
    """The daemon did, or acknowledged, something that cannot be."""


@dataclass(frozen=True)
class State:
    """Examples and archive after one epoch, by id. A state is never changed: the next epoch has its own."""

    live: Rows
    archive: Rows


@dataclass
class World:
    """A home as it must be, with enough of its past to go back to."""

    epoch: int = 0
    last_id: int = 0
    state: State = field(default_factory=lambda: State({}, {}))
    past: dict[int, State] = field(default_factory=lambda: {0: State({}, {})})
    said: dict[int, dict[str, int]] = field(default_factory=dict)
    """Of each id that was not forgotten, deleted ones too: every content it had, and the epoch that it first had it."""
    forgotten: dict[int, list[str]] = field(default_factory=dict)
    """The contents of what was forgotten."""

    def copy(self) -> World:
        """Return a world that goes its own way from here."""
        said = {each: dict(contents) for each, contents in self.said.items()}
        return World(self.epoch, self.last_id, self.state, dict(self.past), said, dict(self.forgotten))

    def back_at(self, epoch: int) -> World:
        """Return the world as a restore to an epoch makes it: the forgotten stays gone, no id is given out again."""
        then = self.past[epoch]
        state = State(self._kept(then.live), self._kept(then.archive))
        past = {each: told for each, told in self.past.items() if each < epoch} | {epoch: state}
        said = {each: {text: at for text, at in told.items() if at <= epoch} for each, told in self.said.items()}
        said = {each: told for each, told in said.items() if told}
        return World(epoch, self.last_id, state, past, said, dict(self.forgotten))

    def _kept(self, rows: Rows) -> Rows:
        return {each: row for each, row in rows.items() if each not in self.forgotten}

    def apply(self, operation: Operation, answer: Answer | None) -> None:
        """Make one change, which is the next epoch.

        Args:
            operation: what was asked.
            answer: what was acknowledged, which must agree; None where the answer was lost.

        Raises:
            Mismatch: it does not agree.
        """
        live, archive = dict(self.state.live), dict(self.state.archive)
        changed = getattr(self, f"_{operation.kind}")(operation, answer, live, archive)
        # A rollback counts versions: a row that was moved to and fro counts, and is what it was.
        if answer is not None and operation.kind != "rollback" and changed != answer.changed:
            raise Mismatch(f"{operation.kind} {operation.number} changed {answer.changed} rows, not {changed}")
        self.epoch += 1
        self.state = State(live, archive)
        self.past[self.epoch] = self.state
        self.past.pop(self.epoch - HISTORY_EPOCHS, None)

    def _add(self, operation: Operation, answer: Answer | None, live: Rows, archive: Rows) -> int:
        if answer is None:
            raise Mismatch("an add is asked again under its key: its answer is known")
        held = {_triple(row) for row in [*live.values(), *archive.values()]}
        for row, example_id in zip(operation.rows, answer.ids, strict=True):
            if (example_id is None) != (_triple(row) in held):
                told = "a duplicate" if example_id is None else "new"
                raise Mismatch(f"epoch {answer.epoch}: {_triple(row)!r} was taken for {told}")
            if example_id is None:
                continue
            if example_id <= self.last_id:
                raise Mismatch(f"epoch {answer.epoch}: id {example_id} was given out again after {self.last_id}")
            held.add(_triple(row))
            self.last_id = example_id
            live[example_id] = {"emotion": None, "frequency_hz": None, "source": None, **row, "id": example_id}
            self.said[example_id] = {row["content"]: self.epoch + 1}
        return sum(example_id is not None for example_id in answer.ids)

    def _edit(self, operation: Operation, answer: Answer | None, live: Rows, archive: Rows) -> int:
        [example_id] = operation.ids or []
        if example_id not in live:
            raise Mismatch(f"example {example_id} was edited without being live")
        live[example_id] = {**live[example_id], "content": operation.content}
        self.said[example_id].setdefault(operation.content, self.epoch + 1)
        return 1

    def _delete(self, operation: Operation, answer: Answer | None, live: Rows, archive: Rows) -> int:
        return _remove(operation.ids or [], live, archive)

    def _drop(self, operation: Operation, answer: Answer | None, live: Rows, archive: Rows) -> int:
        rows = [*live.values(), *archive.values()]
        return _remove([row["id"] for row in rows if row["domain"] == operation.domain], live, archive)

    def _forget(self, operation: Operation, answer: Answer | None, live: Rows, archive: Rows) -> int:
        """What was deleted before is forgotten too: its versions are kept for a rollback."""
        gone = {each: [*self.said.pop(each)] for each in dict.fromkeys(operation.ids or []) if each in self.said}
        self.forgotten |= gone
        _remove(gone, live, archive)
        return len(gone)

    def _rotate(self, operation: Operation, answer: Answer | None, live: Rows, archive: Rows) -> int:
        moved = 0
        for domain in {row["domain"] for row in live.values()}:
            oldest = sorted((row["created_at"], row["id"]) for row in live.values() if row["domain"] == domain)
            for _, example_id in oldest[: max(0, len(oldest) - operation.at)]:
                archive[example_id] = live.pop(example_id)
                moved += 1
        return moved

    def _restore(self, operation: Operation, answer: Answer | None, live: Rows, archive: Rows) -> int:
        wanted = [each for each in (operation.ids or [*archive]) if each in archive]
        live.update({example_id: archive.pop(example_id) for example_id in wanted})
        return len(wanted)

    def _rollback(self, operation: Operation, answer: Answer | None, live: Rows, archive: Rows) -> int:
        then = self.past.get(operation.at)
        if then is None:
            raise Mismatch(f"the suite went back to epoch {operation.at}, which it does not know any more")
        for rows, wanted in ((live, then.live), (archive, then.archive)):
            rows.clear()
            rows.update(self._kept(wanted))
        return 0


def _triple(row: Row) -> tuple[str, str, str | None]:
    return row["domain"], row["content"], row["response"]


def _remove(ids: Iterable[int], live: Rows, archive: Rows) -> int:
    return sum((live.pop(each, None) or archive.pop(each, None)) is not None for each in dict.fromkeys(ids))
