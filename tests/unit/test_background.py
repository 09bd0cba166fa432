"""What runs beside the requests is begun again after a surprise, and an engine that gives up ends the process."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from mcai.errors import CatalogDamagedError
from mcai_daemon import assembly
from mcai_daemon.assembly import Parts
from mcai_daemon.services import EngineFailure


def test_task_that_fails_unexpectedly_is_begun_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full table of descriptors must not end base copies for good; the log says what happened."""
    monkeypatch.setattr(assembly, "AGAIN_AFTER_S", 0.001)
    failure, tries = EngineFailure(), list[int]()

    async def upkeep() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise PermissionError(13, "no")

    asyncio.run(Parts._watched(_parts(failure), upkeep))
    assert len(tries) == 3 and failure.error is None
    assert "failed in the background" in capsys.readouterr().out


def test_engine_that_gives_up_is_reported_wherever_it_is_noticed() -> None:
    """The process ends, and its successor knows that a file is damaged."""
    failure, ended = EngineFailure(), list[bool]()
    failure.then(lambda: ended.append(True))

    async def scrub() -> None:
        raise CatalogDamagedError

    asyncio.run(Parts._watched(_parts(failure), scrub))
    assert isinstance(failure.error, CatalogDamagedError) and ended == [True]


def _parts(failure: EngineFailure) -> Parts:
    return cast(Parts, SimpleNamespace(services=SimpleNamespace(failure=failure)))
