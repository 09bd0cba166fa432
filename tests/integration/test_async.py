"""`AsyncClient`: every verb, over a real daemon, with the results of `Client`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from helpers import raws, samples
from mcai.client import AsyncClient, Client, lifecycle
from mcai.errors import DaemonNotRunningError, NotFoundError, VersionMismatchError
from mcai.paths import Home

Scene = Callable[[AsyncClient], Awaitable[Any]]


def _play(home: Home, scene: Scene, *, start: bool = False) -> Any:
    async def run() -> Any:
        async with AsyncClient(home.dir, start=start) as client:
            return await scene(client)

    return asyncio.run(run())


def test_every_verb_answers_like_client(daemon_home: Home, client: Client) -> None:
    """What one client writes the other reads, verb by verb, as the same records."""

    async def scene(other: AsyncClient) -> None:
        added = await other.add(samples(5, domain="async"))
        assert added.imported == 5
        again = await other.add_batch(raws(samples(5, domain="async")), key="async")
        assert again.duplicate == 5 and await other.add_batch(raws(samples(5, domain="async")), key="async") == again
        first, second = (int(str(item.id)) for item in added.results[:2])
        assert await other.get(first) == client.get(first)
        edited = await other.edit(first, response="edited", emotion=None)
        assert edited == client.get(first) and edited.response == "edited"
        assert (await other.delete([second])).deleted == 1
        page = await other.page(domain="async", limit=2)
        assert page == client.page(domain="async", limit=2)
        rest = await other.page(domain="async", limit=2, cursor=page.next_cursor)
        assert [each.content for each in page.examples + rest.examples] == [f"question {n}" for n in (0, 2, 3, 4)]
        found = await other.search("question 3", "keyword", limit=1, explain=True)
        assert found.hits == client.search("question 3", "keyword", limit=1, explain=True).hits
        assert found.hits[0].content == "question 3"
        assert await other.dataset("async") == client.dataset("async")
        assert await other.datasets() == client.datasets()
        assert await other.emotions() == client.emotions()
        assert await other.emotion("calm") == client.emotion("calm")
        status = await other.status()
        assert status.daemon.pid == client.status().daemon.pid

    _play(daemon_home, scene)


def test_error_is_the_same_error(daemon_home: Home) -> None:
    """The daemon's error is raised as its class."""

    async def scene(client: AsyncClient) -> None:
        with pytest.raises(NotFoundError, match="999999999"):
            await client.get(999_999_999)

    _play(daemon_home, scene)


def test_absent_daemon_is_started_or_not(fresh_home: Home) -> None:
    """Alike `Client`: started when it is absent, left alone with start=False."""

    async def status(client: AsyncClient) -> int:
        return (await client.status()).daemon.pid

    with pytest.raises(DaemonNotRunningError):
        _play(fresh_home, status)
    pid = _play(fresh_home, status, start=True)

    owner = lifecycle.running(fresh_home)
    assert owner is not None and owner.pid == pid


def test_daemon_that_went_away_is_replaced(fresh_home: Home) -> None:
    """A kept connection to a daemon that was stopped does not matter: the next call starts another."""

    async def scene(client: AsyncClient) -> None:
        first = (await client.status()).daemon.pid
        await asyncio.to_thread(lifecycle.stop, fresh_home)
        assert (await client.status()).daemon.pid != first

    _play(fresh_home, scene, start=True)


def test_client_may_be_used_by_one_loop_after_another(daemon_home: Home) -> None:
    """Closed at the end of one event loop, it works in the next."""
    client = AsyncClient(daemon_home.dir, start=False)

    async def scene() -> int:
        try:
            return (await client.status()).daemon.pid
        finally:
            await client.aclose()

    assert asyncio.run(scene()) == asyncio.run(scene())


def test_mismatch_is_told(daemon_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon of another protocol is named as such."""
    monkeypatch.setattr("mcai.client.session.PROTOCOL_VERSION", 999)

    async def scene(client: AsyncClient) -> None:
        with pytest.raises(VersionMismatchError, match="speaks protocol 1"):
            await client.status()

    _play(daemon_home, scene)
