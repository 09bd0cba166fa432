"""PLACEHOLDER of the lead, so that the daemon runs meanwhile: the upkeep helper replaces this file."""

from __future__ import annotations

import asyncio
from typing import Any

from mcai.dataset.knowledge import Knowledge
from mcai.paths import Home
from mcai.settings import Settings


class Upkeep:
    def __init__(self, home: Home, catalog: Any, settings: Settings, knowledge: Knowledge, *, needs_base: bool) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()
