"""What a home holds once the workload is in it, and where its pages begin."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from benchmarks.http_raw import message
from benchmarks.workload import SEED
from mcai.client import Client
from mcai.records import Example

PAGE_ROWS = 100
STEP_ROWS = 250
"""A cursor is bound to its filters, not to its limit: bigger steps find the beginnings of pages sooner."""
REQUESTS = 2_000

Take = Callable[[list[Example]], object]


@dataclass(frozen=True)
class PageStart:
    """Where a page begins, as each store says it."""

    domain: str | None
    cursor: str | None
    after_id: int
    offset: int

    @property
    def query(self) -> dict[str, Any]:
        """The parameters of mcai's own page."""
        given = {"limit": PAGE_ROWS, "domain": self.domain, "cursor": self.cursor}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def request(self) -> bytes:
        """The request for mcai's own page."""
        return message(f"/v1/examples?{urlencode(self.query)}")


def page_starts(client: Client, domain: str | None = None, take: Take | None = None) -> list[PageStart]:
    """Page through everything once; return where full pages begin.

    Args:
        domain: only this one's rows.
        take: is handed every row on the way.
    """
    starts: list[PageStart] = []
    cursor, after_id, offset = None, 0, 0
    while True:
        page = client.page(limit=STEP_ROWS, domain=domain, cursor=cursor)
        if len(page.examples) >= PAGE_ROWS:
            starts.append(PageStart(domain, cursor, after_id, offset))
        if take is not None:
            take(page.examples)
        cursor, offset = page.next_cursor, offset + len(page.examples)
        if cursor is None:
            return starts
        after_id = page.examples[-1].id


def at_random(starts: Sequence[PageStart], count: int = REQUESTS) -> list[PageStart]:
    """Return page starts at random depths."""
    return random.Random(SEED).choices(starts, k=count)
