"""What writers asked of the daemon and what it answered, in a file that outlives them: a home is held to it.

Each operation is a line before it is sent and a line after its answer. One without an answer may have happened or not.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

Kind = Literal["add", "edit", "delete", "drop", "rotate", "restore", "rollback", "forget", "backup"]
"""Also the name of the epoch in the daemon's own log, but for those in `LOGGED_AS` and backup, which makes none."""

LOGGED_AS: dict[Kind, str] = {"drop": "delete dataset", "restore": "archive restore"}

Outcome = Literal["acked", "refused", "lost"]


class Operation(msgspec.Struct, omit_defaults=True):
    """One request, as it was meant."""

    number: int
    kind: Kind
    key: str = ""
    rows: list[dict[str, Any]] = []
    """add: the examples."""
    ids: list[int] | None = None
    """edit, delete, restore, forget: whom it is about; None restores everything."""
    content: str = ""
    """edit: the new content."""
    domain: str = ""
    """drop."""
    at: int = 0
    """rollback: the epoch to go back to; rotate: the cap."""
    dest: str = ""
    """backup."""


class Answer(msgspec.Struct, omit_defaults=True):
    """What became of it."""

    number: int
    outcome: Outcome
    epoch: int = 0
    changed: int = 0
    """Rows that came, went or moved; with 0 the operation made no epoch."""
    ids: list[int | None] = []
    """add: the id of each row that was imported, None for the others."""
    reason: str = ""


class Line(msgspec.Struct, omit_defaults=True):
    """One line of the file."""

    asked: Operation | None = None
    answered: Answer | None = None


class Log:
    """The file, as the writers append to it. Any number of threads."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        self._number = sum(line.asked is not None for line in read_lines(path))

    def ask(self, kind: Kind, **fields: Any) -> Operation:
        """Note an operation that is about to be sent, and return it."""
        with self._lock:
            self._number += 1
            operation = Operation(self._number, kind, **fields)
            self._write(Line(asked=operation))
        return operation

    def answer(self, operation: Operation, outcome: Outcome, **fields: Any) -> Answer:
        """Note what became of it."""
        answer = Answer(operation.number, outcome, **fields)
        with self._lock:
            self._write(Line(answered=answer))
        return answer

    def _write(self, line: Line) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        os.close(self._file)


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the whole lines of a log; a missing file has none."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield msgspec.json.decode(line, type=Line)


def read(path: Path) -> list[tuple[Operation, Answer]]:
    """Return every operation with what became of it; one without an answer is lost."""
    asked: dict[int, Operation] = {}
    answered: dict[int, Answer] = {}
    for line in read_lines(path):
        if line.asked:
            asked[line.asked.number] = line.asked
        if line.answered:
            answered[line.answered.number] = line.answered
    return [(each, answered.get(number, Answer(number, "lost"))) for number, each in asked.items()]


def acked_changes(path: Path) -> int:
    """Return how many acknowledged operations changed something."""
    return sum(line.answered is not None and line.answered.changed > 0 for line in read_lines(path))
