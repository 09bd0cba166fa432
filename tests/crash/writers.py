"""A process of its own that changes a home from several threads until the daemon is gone, and notes every answer.

    python -m crash.writers HOME LOG --seed N --threads N [--first KIND] [--without KIND ...] [--pause-s S]

It ends when the daemon has gone away, or when its standard input is closed; it never starts a daemon.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TextIO

from crash.acks import Answer, Kind, Log, Operation
from mcai.client import Client
from mcai.errors import DaemonError, McaiError, StoreUnavailableError

DOMAINS = ("physics", "cooking", "music")
SPARE_DOMAIN = "spare"
WORDS = (
    "river",
    "stone",
    "amber",
    "cloud",
    "engine",
    "maple",
    "silver",
    "north",
    "violet",
    "harbor",
    "copper",
    "lantern",
)
KINDS: dict[Kind, int] = {
    "add": 60,
    "edit": 12,
    "delete": 10,
    "rotate": 5,
    "restore": 4,
    "rollback": 3,
    "forget": 1,
    "drop": 1,
    "backup": 1,
}
"""How often each is asked, in parts."""
BACKUPS_KEPT = 2
"""So many backups lie in the home before the next one."""


class Writers:
    """What the threads share: who is live, roughly, and when to stop."""

    def __init__(self, home: Path, log: Log, seed: int, pause_s: float, without: Sequence[Kind]) -> None:
        self.home = home
        self.pause_s = pause_s
        self.kinds = {kind: parts for kind, parts in KINDS.items() if kind not in without}
        self.log = log
        self.stop = threading.Event()
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._live: list[int] = []
        self._archived: list[int] = []
        self._rows: list[dict[str, Any]] = []
        self._epoch = 0

    def write(self, client: Client, first: Kind | None) -> None:
        """Ask one operation after the other until the daemon is gone or the stop was told."""
        try:
            self._look(client)
            while not self.stop.is_set():
                operation = self._next(first)
                first = None
                if not self._ask(client, operation):
                    return
                self.stop.wait(self.pause_s)
        except DaemonError:
            return  # it died while nothing was asked

    def stop_at_end_of(self, stream: TextIO) -> None:
        """Wait for the end of a stream, then have all threads end."""
        stream.read()
        self.stop.set()

    def _look(self, client: Client) -> None:
        live = _all_ids(client.page)
        archived = _all_ids(client.archived)
        epoch = client.status().epoch
        with self._lock:
            self._live, self._archived, self._epoch = live, archived, epoch

    def _next(self, first: Kind | None) -> Operation:
        with self._lock:
            [kind] = [first] if first else self._chance.choices(list(self.kinds), list(self.kinds.values()))
            ids = self._chance.sample(self._live, min(len(self._live), self._chance.randint(1, 3)))
            few = self._chance.sample(self._archived, min(len(self._archived), 5))
            match kind:
                case "edit" if ids:
                    fields: dict[str, Any] = {"ids": ids[:1], "content": self._text()}
                case "delete" | "forget" if ids:
                    fields = {"ids": ids}
                case "drop":
                    fields = {"domain": SPARE_DOMAIN}
                case "rotate":
                    fields = {"at": self._chance.choice((15, 30, 60))}
                case "restore":
                    fields = {"ids": few if self._chance.random() < 0.7 else None}
                case "rollback" if self._epoch:
                    fields = {"at": max(0, self._epoch - self._chance.randint(1, 12))}
                case "backup":
                    fields = {"dest": str(self._place_for_backup())}
                case _:
                    kind, fields = "add", {"rows": self._new_rows(), "key": f"{self._chance.getrandbits(128):032x}"}
        return self.log.ask(kind, **fields)

    def _place_for_backup(self) -> Path:
        """Return a free place among the home's backups, after removing older ones of ours."""
        folder = self.home / "backups"
        mine = sorted(folder.glob("mine-*"))
        for path in mine[: max(0, len(mine) - BACKUPS_KEPT)]:
            shutil.rmtree(path, ignore_errors=True)
        return folder / f"mine-{time.time_ns()}"

    def _new_rows(self) -> list[dict[str, Any]]:
        rows = [self._new_row() for _ in range(self._chance.randint(1, 12))]
        if self._rows and self._chance.random() < 0.2:
            rows.append(self._chance.choice(self._rows))
        self._rows = [*self._rows, *rows][-100:]
        return rows

    def _new_row(self) -> dict[str, Any]:
        seconds = self._chance.randrange(86_400)
        time = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return {
            "domain": self._chance.choice((*DOMAINS, *DOMAINS, SPARE_DOMAIN)),
            "content": self._text(),
            "response": self._text() if self._chance.random() < 0.8 else None,
            "created_at": f"20{self._chance.randint(10, 25)}-0{self._chance.randint(1, 9)}-1{seconds % 10}T{time}Z",
            "metadata": {"n": self._chance.randrange(1_000), "tags": ["a", None]},
        }

    def _text(self) -> str:
        """Return a text with a word in it that no other text has."""
        words = self._chance.choices(WORDS, k=self._chance.randint(3, 30))
        return f"tk{self._chance.getrandbits(64):016x} {' '.join(words)}"

    def _ask(self, client: Client, operation: Operation) -> bool:
        """Ask, and note the answer; return whether the daemon is still there."""
        try:
            told = SEND[operation.kind](client, operation)
        except (DaemonError, StoreUnavailableError):
            self.log.answer(operation, "lost")
            return False
        except McaiError as error:
            self.log.answer(operation, "refused", reason=f"{error.code}: {error.message}")
            return True
        answer = self.log.answer(operation, "acked", **told)
        with self._lock:
            self._epoch = max(self._epoch, answer.epoch)
            self._live += [each for each in answer.ids if each is not None]
            gone = operation.ids or [] if operation.kind in ("delete", "forget") else []
            self._live = [each for each in self._live if each not in gone]
        if operation.kind in ("rollback", "rotate", "restore", "drop"):
            self._look(client)
        return True


def _all_ids(page: Callable[..., Any]) -> list[int]:
    ids: list[int] = []
    cursor = None
    while True:
        found = page(limit=1_000, cursor=cursor)
        ids += [example.id for example in found.examples]
        cursor = found.next_cursor
        if cursor is None:
            return ids


def _add(client: Client, operation: Operation) -> dict[str, Any]:
    done = client.add(operation.rows, idempotency_key=operation.key)
    ids = [item.id if item.status == "imported" else None for item in done.results]
    return {"epoch": done.epoch, "changed": done.imported, "ids": ids}


def _edit(client: Client, operation: Operation) -> dict[str, Any]:
    [example_id] = operation.ids or []
    return {"epoch": client.edit(example_id, content=operation.content).epoch, "changed": 1}


def _delete(client: Client, operation: Operation) -> dict[str, Any]:
    done = client.delete(operation.ids or [])
    return {"epoch": done.epoch, "changed": done.deleted}


def _drop(client: Client, operation: Operation) -> dict[str, Any]:
    done = client.drop_dataset(operation.domain)
    return {"epoch": done.epoch, "changed": done.removed}


def _rotate(client: Client, operation: Operation) -> dict[str, Any]:
    done = client.rotate(operation.at)
    return {"epoch": done.epoch, "changed": done.moved}


def _restore(client: Client, operation: Operation) -> dict[str, Any]:
    done = client.restore_archived(operation.ids)
    return {"epoch": done.epoch, "changed": done.restored}


def _rollback(client: Client, operation: Operation) -> dict[str, Any]:
    done = client.rollback(operation.at)
    return {"epoch": done.epoch, "changed": done.restored + done.removed}


def _forget(client: Client, operation: Operation) -> dict[str, Any]:
    done = client.forget(operation.ids)
    return {"epoch": done.epoch, "changed": done.forgotten}


def _backup(client: Client, operation: Operation) -> dict[str, Any]:
    return {"epoch": client.backup(operation.dest).epoch}


SEND: dict[Kind, Callable[[Client, Operation], dict[str, Any]]] = {
    "add": _add,
    "edit": _edit,
    "delete": _delete,
    "drop": _drop,
    "rotate": _rotate,
    "restore": _restore,
    "rollback": _rollback,
    "forget": _forget,
    "backup": _backup,
}
"""How each operation is asked, and which fields of `acks.Answer` its answer gives."""


def answer_of(operation: Operation, told: dict[str, Any]) -> Answer:
    """Return what `SEND` gave as an acknowledged answer."""
    return Answer(operation.number, "acked", **told)


def main() -> None:
    """Run the threads; end with the daemon, or when standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--first", choices=list(KINDS))
    parser.add_argument("--without", choices=list(KINDS), nargs="*", default=())
    parser.add_argument("--pause-s", type=float, default=0.0, help="between two operations of a thread")
    asked = parser.parse_args()
    log = Log(asked.log)
    writers = Writers(asked.home, log, asked.seed, asked.pause_s, asked.without)
    client = Client(asked.home, start=False)
    threading.Thread(target=writers.stop_at_end_of, args=(sys.stdin,), daemon=True).start()
    with ThreadPoolExecutor(asked.threads) as threads:
        working = [threads.submit(writers.write, client, None if n else asked.first) for n in range(asked.threads)]
        for each in as_completed(working):
            if each.exception() is not None:
                writers.stop.set()
        for each in working:
            each.result()
    log.close()


if __name__ == "__main__":
    main()
