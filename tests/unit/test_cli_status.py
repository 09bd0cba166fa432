"""What `mcai status` tells a person of snapshot, graph and recovery."""

from __future__ import annotations

from msgspec import structs

from cli_fakes import FakeClient, mcai
from mcai.records import GraphInfo, RecoveryInfo, SnapshotInfo

SNAPSHOT = SnapshotInfo(
    epoch=6,
    view_epoch=7,
    rows=4070,
    segments=2,
    tail_rows=5,
    bytes=3 << 20,
    fallbacks=1,
    graph=GraphInfo(state="ready", rows=4000, recall=0.991),
)


def test_status_tells_of_snapshot_and_recovery() -> None:
    """What is published, how good the graph is, and what the last start had to mend and where the pieces lie."""
    fake = FakeClient()
    fake.facts = {
        "snapshot": SNAPSHOT,
        "recovery": RecoveryInfo(
            at="2026-11-23T09:00:00Z",
            cause="the WAL was damaged",
            recovered_epochs=3,
            lost_epochs=0,
            kept=["/h/damaged/w"],
        ),
    }
    text = mcai("status", client=fake).stdout
    shown = ("epoch 6, 4,070 rows in 2 segments", "5 more in memory", "1 read went", "recall@10 0.991")
    assert all(part in text for part in shown)
    assert "the WAL was damaged" in text and "3 epochs recovered, none lost" in text and "/h/damaged/w" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_status_tells_what_is_wrong() -> None:
    """Errors of snapshot and graph are said; a graph that is being built says what that means."""
    fake = FakeClient()
    graph = GraphInfo(state="building", error="a child died")
    fake.facts = {"snapshot": structs.replace(SNAPSHOT, error="the folder is read-only", graph=graph, fallbacks=0)}
    text = mcai("status", client=fake).stdout
    assert all(part in text for part in ("the folder is read-only", "a child died", "searches scan all vectors"))
    assert "went to the catalog" not in text and "mended" not in text
