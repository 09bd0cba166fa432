"""The rounds of a siege: changes that are acknowledged, one kill, and the first start after it.

Each function leaves a running daemon that has told what became of everything, and returns the failpoint that was the
end of a process, None when it was another moment.
"""

from __future__ import annotations

import json
import lzma
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from crash import checking
from crash.acks import Kind
from crash.daemon import Daemon
from crash.siege import TESTS_DIR, Siege
from crash.world import Mismatch, State, World
from helpers import PATIENCE_S
from mcai.client import Client
from mcai.paths import find_home

FIRST: dict[str, Kind] = {"backup": "backup", "rotate": "rotate", "forget": "forget", "journal": "forget"}
"""What is asked first, so that a failpoint is reached: by the first word of its name."""
IDLE_S = {"snapshot": 0.8}
"""How long each writer pauses: a snapshot is published after half a second, and merged when nothing comes."""
PASSES = {"write": 12, "index": 2, "snapshot": 2}
"""A failpoint is armed for one of so many passes: some are passed with every write, most rarely."""
REACHED_WITHIN_S = 30.0
GOLDEN = "schema-1"


def besiege(siege: Siege, point: str | None) -> str | None:
    """Do one round.

    Args:
        siege: its daemon runs, and runs again afterwards.
        point: where to kill; None for a random moment.

    Raises:
        Mismatch: something acknowledged is not as it was acknowledged.
    """
    log = siege.begin_log()
    area = point.split(".", 1)[0] if point else ""
    if point is None:
        _at_a_random_moment(siege, log)
        return None
    siege.write_enough(log, siege.acks_before)
    if area == "restore":
        return _in_a_restore(siege, log, point)
    siege.daemon.stop()
    if area == "migrate":
        return _in_a_migration(siege, log, point)
    return _at_a_failpoint(siege, log, point, area)


def _at_a_random_moment(siege: Siege, log: Path) -> None:
    with siege.writers(log):
        siege.wait_for(log, siege.acks_before)
        time.sleep(siege.chance.uniform(0, 1.5))
        siege.daemon.kill()
    siege.start()
    siege.settle(log)


def _at_a_failpoint(siege: Siege, log: Path, point: str, area: str) -> str | None:
    """Start the daemon armed, and write until it dies there; one that never comes there is killed anyway."""
    nth = siege.chance.randint(1, PASSES.get(area, 1))
    hit = True
    if siege.daemon.start(f"{point}:{nth}:kill"):
        with siege.writers(log, first=FIRST.get(area), pause_s=IDLE_S.get(area, 0.0)):
            hit = siege.daemon.has_ended(REACHED_WITHIN_S)
            if not hit:
                siege.daemon.kill()
    siege.daemon.wait()
    if not siege.daemon.was_killed:
        raise Mismatch(f"the daemon ended with {siege.daemon.exit_code}\n{siege.daemon.last_words()}")
    siege.start()
    siege.settle(log)
    return point if hit else None


def _in_a_migration(siege: Siege, log: Path, point: str) -> str | None:
    """Kill the first start on a home of an older version, or on a new one; nothing of an old one may be lost."""
    siege.start()
    siege.settle(log)
    home = find_home(siege.folder / "older")
    home.dir.mkdir(mode=0o700)
    wanted: list[object] = []
    if siege.chance.random() < 0.7:
        golden = TESTS_DIR / "golden" / GOLDEN
        home.catalog_path.write_bytes(lzma.decompress(golden.with_suffix(".duckdb.xz").read_bytes()))
        wanted = json.loads(golden.with_suffix(".json").read_text("utf-8"))["examples"]
    older = Daemon(home)
    hit = not older.start(f"{point}:1:kill") and older.was_killed
    older.wait()
    if not older.start():
        raise Mismatch(f"an interrupted migration cannot be gone on with\n{older.last_words()}")
    with Client(home.dir, start=False) as client:
        found = [row for _, row in sorted(checking.exported(client).items())]
    older.stop()
    if found != wanted:
        raise Mismatch(f"the migrated home has {len(found)} rows, not the {len(wanted)} that it had")
    shutil.rmtree(home.dir)
    return point if hit else None


def _in_a_restore(siege: Siege, log: Path, point: str) -> str | None:
    """Back up, change more, and kill the restore: the home is the old one or the restored one, never in between."""
    siege.settle(log)
    source = siege.folder / "backup"
    with Client(siege.daemon.home.dir, start=False) as client:
        made = client.backup(source).epoch
    more = siege.begin_log()
    with siege.writers(more, without=("forget", "backup")):
        siege.wait_for(more, max(3, siege.acks_before // 4))
    siege.settle(more)
    siege.daemon.stop()
    epoch = siege.chance.choice((made, max(made - 3, 0), siege.world.epoch))
    restored = siege.world.back_at(epoch)
    words = ["restore", str(source), "--to-epoch", str(epoch)]
    code, _ = _maintain(siege, words, point)
    siege.start()
    if not _is(siege, restored):
        if not _is(siege, siege.world):
            raise Mismatch(f"a restore that was killed left neither the old state nor that of epoch {epoch}")
        siege.daemon.stop()
        again, told = _maintain(siege, words)
        if again:
            raise Mismatch(f"the restore, begun again, ended with {again}: {told}")
        siege.start()
        if not _is(siege, restored):
            raise Mismatch(f"the restore, begun again, did not lead to epoch {epoch}")
    siege.world = restored
    shutil.rmtree(source)
    for path in siege.daemon.home.backups_dir.glob("replaced-*"):
        shutil.rmtree(path)  # a copy of the whole home each
    return point if code == -signal.SIGKILL else None


def _maintain(siege: Siege, words: Sequence[str], failpoint: str | None = None) -> tuple[int, str]:
    command = [sys.executable, "-P", "-m", "mcai_daemon", "--home", str(siege.daemon.home.dir), "--maintenance"]
    environment = os.environ | ({"MCAI_FAILPOINT": failpoint} if failpoint else {})
    run = subprocess.run(
        [*command, *words], env=environment, capture_output=True, text=True, timeout=4 * PATIENCE_S, check=False
    )
    return run.returncode, run.stdout + run.stderr[-1_000:]


def _is(siege: Siege, world: World) -> bool:
    with Client(siege.daemon.home.dir, start=False) as client:
        found = State(checking.exported(client), checking.archived(client))
        return found == world.state and client.status().epoch == world.epoch
