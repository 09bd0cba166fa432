"""A full disk: refused by name, nothing acknowledged is lost, and it goes on when there is room again."""

from __future__ import annotations

import resource
from typing import Any

import pytest

from helpers import ask, contents, log_of, spawned
from mcai.client import Client
from mcai.errors import StoreFullError
from mcai.paths import Home

ROOM_BYTES = 2 << 20
BATCHES = 100


def _batch(number: int) -> list[dict[str, Any]]:
    ballast = {"ballast": "x" * 4_000}
    return [{"content": f"row {number}/{each}", "domain": "big", "metadata": ballast} for each in range(20)]


def _contents(number: int) -> list[str]:
    return [each["content"] for each in _batch(number)]


def _limit_files() -> None:
    """No file of this process may grow beyond the room that there is: writing on fails as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, ROOM_BYTES))


def test_full_disk_is_told_and_loses_nothing(fresh_home: Home) -> None:
    """Adding ends with `store_full` (507, with a time to try again); every acknowledged batch is there, none in part.

    Reads go on meanwhile; a delete works or is refused, and what it answered is so. After a restart with room the
    store takes what it could not, and search finds it.
    """
    acknowledged: list[str] = []
    with spawned(fresh_home, before=_limit_files), Client(fresh_home.dir, start=False) as client:
        with pytest.raises(StoreFullError) as caught:
            for number in range(BATCHES):
                client.add(_batch(number))
                acknowledged += _contents(number)
        refused = len(acknowledged) // 20

        assert acknowledged and "space" in caught.value.hint
        reply = ask(fresh_home, "POST", "/v1/examples", {"examples": _batch(refused)})
        assert (reply.status, reply.code) == (507, "store_full") and int(reply.headers["retry-after"]) > 0
        assert contents(client) == acknowledged and client.dataset("big").examples == len(acknowledged)
        assert ask(fresh_home, "GET", "/v1/health/live").status == 200
        try:
            acknowledged = acknowledged[client.delete([1, 2, 3]).deleted :]
        except StoreFullError:
            assert contents(client) == acknowledged

    with Client(fresh_home.dir) as client:
        assert contents(client) == acknowledged
        assert client.add(_batch(refused)).imported == 20
        assert contents(client) == acknowledged + _contents(refused)
        assert f"row {refused}/3" in [hit.content for hit in client.search(f"row {refused}/3", limit=50).hits]
    assert "Traceback" not in log_of(fresh_home)
