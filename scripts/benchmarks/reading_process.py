"""P5b's process: pages of 100 through the snapshot, with no daemon between. Runs in the product's venv."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from benchmarks.timing import latency, summary, timed
from benchmarks.together import tell, wait_for_go
from mcai.snapshot import Snapshot, open_snapshot


def main() -> None:
    """Serve one specification: the ``home``, the pages that there are, and those that are ``asked`` for."""
    specification = wait_for_go()
    asked = specification["asked"]
    with open_snapshot(home=specification["home"]) as snapshot:

        def raw(page: dict[str, Any]) -> bytes:
            return snapshot.page(**page).raw()

        # Each process checks what it reads the first time that it does.
        first = summary(timed(raw, specification["pages"]))
        raw_pages = latency(raw, asked)
        record_pages = latency(lambda page: _read_fields(snapshot, page), asked)
        fallbacks = snapshot.fallbacks
    tell({"first": asdict(first), "raw": asdict(raw_pages), "records": asdict(record_pages), "fallbacks": fallbacks})


def _read_fields(snapshot: Snapshot, page: dict[str, Any]) -> None:
    for each in snapshot.page(**page).examples:
        _ = each.id, each.domain, each.content, each.response, each.emotion
        _ = each.frequency_hz, each.created_at, each.source, each.metadata


if __name__ == "__main__":
    main()
