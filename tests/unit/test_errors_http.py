"""How the daemon fails: in one shape, with the versions, telling nobody what only the log should know."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx2
import pytest

from mcai import settings
from mcai.dataset.knowledge import Knowledge
from mcai.errors import FatalStoreError, NotFoundError, StoreFullError
from mcai.paths import Home
from mcai.wire import Answer, error_of
from mcai_daemon.app import make_app
from mcai_daemon.services import EngineFailure, Services


class _Failing:
    """A dataset service of which every call fails the same way."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.catalog = self
        self.epoch = 0

    def check_epoch(self, min_epoch: int) -> None:
        """Nothing is below epoch 0."""

    async def get(self, example_id: int) -> Any:
        raise self._error


def _ask(error: Exception, home: Home, fatal: list[bool]) -> httpx2.Response:
    knowledge = cast(Knowledge, _Failing(error))
    failure = EngineFailure()
    failure.then(lambda: fatal.append(True))
    nothing = cast(Any, None)
    unasked = (nothing, nothing, nothing, nothing)
    app = make_app(Services(home, settings.load(home, {}), knowledge, *unasked, failure, None))

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/v1/examples/1")

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("error", "status", "code", "is_fatal"),
    [
        (NotFoundError("no such row"), 404, "not_found", False),
        (StoreFullError(), 507, "store_full", False),
        (FatalStoreError(), 503, "store_fatal", True),
        (RuntimeError("the text of a row"), 500, "internal", False),
        (ZeroDivisionError(), 500, "internal", False),
    ],
    ids=repr,
)
def test_failure_is_told_in_one_shape(
    error: Exception, status: int, code: str, is_fatal: bool, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors of ours keep their words, all others say nothing of themselves; each names the versions.

    Without the versions a client would take the daemon for another version's, and say so instead of the error.
    """
    fatal: list[bool] = []

    response = _ask(error, Home(tmp_path), fatal)

    assert (response.status_code, error_of(Answer(status, {}, response.content)).code) == (status, code)
    assert {"mcai-protocol", "mcai-version"} <= set(response.headers)
    assert "the text of a row" not in response.text and "Traceback" not in response.text
    assert fatal == [True] * is_fatal, "an invalidated engine ends the process, nothing else does"
    if code == "internal":
        assert "test_failure_is_told" in response.text or type(error).__name__ in capsys.readouterr().out
