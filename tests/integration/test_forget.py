"""Forgetting in a whole home: a search over the bytes of every file, crashes on the way, and every way back."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from forget_kit import Marked, files_with
from helpers import PATIENCE_S, all_ids, contents, log_of, samples, spawned, wait_until
from mcai.client import Client, lifecycle
from mcai.errors import DaemonError
from mcai.paths import Home
from mcai.records import ForgetResult

Selector = Callable[[str, list[int]], dict[str, Any]]
SELECTORS: dict[str, Selector] = {
    "ids": lambda domain, ids: {"ids": ids},
    "source": lambda domain, ids: {"source": f"/{domain}"},
    "filter": lambda domain, ids: {"domain": domain},
}


def _plant(client: Client, home: Home, domain: str) -> tuple[list[int], list[str]]:
    """Put three marked examples, one live, one archived, one edited away, wherever a home keeps what it was told."""
    marked = [Marked(source=f"/{domain}/{secrets.token_hex(16)}.json#{number}") for number in range(3)]
    dates = [None, "1999-01-01", None]
    added = client.add(
        [each.fields | {"domain": domain, "created_at": date} for each, date in zip(marked, dates, strict=True)]
    )
    ids = [int(str(each.id)) for each in added.results]
    client.add(samples(2, first=ids[0], domain=f"others of {domain}"))
    assert client.search(marked[0].content, limit=1).hits[0].id == ids[0]  # the index has it
    assert client.sql(f"SELECT count(*) FROM examples WHERE domain = '{domain}'").rows == [[3]]
    client.backup(home.backups_dir / f"of {domain}")
    before = set(home.archive_dir.glob("*.parquet"))
    client.rotate(2)
    client.edit(ids[2], content=f"harmless {ids[2]}", response="text", metadata={})
    wait_until(lambda: bool(set(home.archive_dir.glob("*.parquet")) - before), "the archive has its file")
    wait_until(lambda: client.status().index_epoch >= added.epoch, "the index follows")
    return ids, [text for each in marked for text in each.texts]


def _left(told: ForgetResult) -> dict[str, int]:
    return {each.place: each.left for each in told.places if each.left}


@pytest.mark.parametrize("selector", SELECTORS)
def test_no_byte_of_it_stays_in_the_home(daemon_home: Home, client: Client, selector: str) -> None:
    """Catalog, journal, archive, index, snapshot, backups, logs: nothing, whatever it was chosen by."""
    domain = f"secret {selector}"
    ids, texts = _plant(client, daemon_home, domain)
    planted = client.log(domain).entries[-1].epoch
    assert len(files_with(daemon_home.dir, texts)) >= 5
    kept = [each for each in contents(client) if each not in texts and not each.startswith("harmless")]
    chosen = SELECTORS[selector](domain, ids)

    planned = client.forget(**chosen, dry_run=True)
    done = client.forget(**chosen)

    assert planned.forgotten == done.forgotten == 3 and not _left(done)
    assert {"rows", "archive", "history", "journal", "archive files", "backups"} <= {
        each.place for each in done.places if each.found
    }
    assert files_with(daemon_home.dir, texts) == {}
    assert contents(client) == kept
    assert all(hit.id not in ids for hit in client.search(texts[0], limit=5).hits)

    back = client.rollback(planted)
    assert back.forgotten == 3 and not set(all_ids(client)) & set(ids)
    client.rollback(done.epoch)
    assert contents(client) == kept


def test_what_was_forgotten_does_not_come_back(fresh_home: Home) -> None:
    """Neither from the journal, when the catalog is gone, nor from a backup in the home."""
    lifecycle.start(fresh_home)
    with Client(fresh_home.dir, start=False) as client:
        ids, texts = _plant(client, fresh_home, "secret")
        client.forget(ids)
        kept = contents(client)
    lifecycle.stop(fresh_home)
    for path in fresh_home.dir.glob("catalog.duckdb*"):
        path.unlink()

    with Client(fresh_home.dir) as client:
        assert contents(client) == kept and client.rollback(2).epoch
    lifecycle.stop(fresh_home)
    source = fresh_home.backups_dir / "of secret"
    command = [
        sys.executable,
        "-m",
        "mcai_daemon",
        "--home",
        str(fresh_home.dir),
        "--maintenance",
        "restore",
        str(source),
    ]
    subprocess.run(command, check=True, capture_output=True)

    with Client(fresh_home.dir) as client:
        assert contents(client) == kept
    assert files_with(fresh_home.dir, texts) == {}


def test_killed_at_every_step_it_is_finished_in_the_end(fresh_home: Home) -> None:
    """kill -9 at one step after the other, the later ones while a start finishes the rest: no byte, no other loss."""
    with (
        spawned(fresh_home, environment={"MCAI_FAILPOINT": "forget.committed"}) as child,
        Client(fresh_home.dir, start=False) as client,
    ):
        ids, texts = _plant(client, fresh_home, "secret")
        with pytest.raises(DaemonError):
            client.forget(ids)
        assert child.wait(PATIENCE_S) == -signal.SIGKILL
    for where in ("forget.compacted", "forget.swapped", "forget.journal"):
        command = [sys.executable, "-m", "mcai_daemon", "--home", str(fresh_home.dir)]
        ended = subprocess.run(command, env={**os.environ, "MCAI_FAILPOINT": where}, capture_output=True, timeout=110)
        assert ended.returncode == -signal.SIGKILL, where

    with spawned(fresh_home), Client(fresh_home.dir, start=False) as client:
        wait_until(lambda: "finished what was to be forgotten" in log_of(fresh_home), "the rest is forgotten")
        assert files_with(fresh_home.dir, texts) == {}
        assert contents(client) == [each["content"] for each in samples(2, first=ids[0])]
        assert client.forget(ids).forgotten == 0
