"""Figures for Prometheus: the same facts as `status`, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from mcai.records import Status
from mcai_daemon.operations import Call, Operation
from mcai_daemon.routes.status import status


class _Facts(Collector):
    """One state of the daemon as metrics; names end in their base unit."""

    def __init__(self, told: Status) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        told, index, snapshot = self._told, self._told.index, self._told.snapshot
        for name, help_text, value in (
            ("mcai_uptime_seconds", "How long the daemon runs.", told.daemon.uptime_s),
            ("mcai_examples", "Live examples.", told.examples),
            ("mcai_datasets", "Domains.", told.datasets),
            ("mcai_epoch", "The newest epoch.", told.epoch),
            ("mcai_home_bytes", "What the home takes up on the disk.", told.bytes_on_disk),
            ("mcai_index_epoch", "What the search index has taken in.", told.index_epoch),
            ("mcai_index_lag_rows", "Rows that are stored and not yet indexed.", index.pending),
            ("mcai_index_rows", "Rows in the search index.", index.rows),
            ("mcai_index_unindexed_rows", "Rows that a search finds by scanning.", index.unindexed_rows),
            ("mcai_index_fragments", "Files of rows that the index consists of.", index.fragments),
            ("mcai_index_bytes", "What the search index takes up on the disk.", index.bytes),
        ):
            yield GaugeMetricFamily(name, help_text, value)
        if snapshot is None:
            return
        for name, help_text, value in (
            ("mcai_snapshot_epoch", "The epoch that any process can map.", snapshot.epoch),
            ("mcai_snapshot_rows", "Rows in the snapshot.", snapshot.rows),
            ("mcai_snapshot_segments", "Files of rows that it consists of.", snapshot.segments),
            ("mcai_snapshot_tail_rows", "Rows that are taken in and not yet published.", snapshot.tail_rows),
            ("mcai_snapshot_bytes", "What it takes up on the disk.", snapshot.bytes),
            ("mcai_graph_rows", "Rows that the graph index covers.", snapshot.graph.rows),
        ):
            yield GaugeMetricFamily(name, help_text, value)
        yield CounterMetricFamily(
            "mcai_snapshot_fallbacks", "Reads that the catalog had to answer.", snapshot.fallbacks
        )


async def metrics(call: Call) -> Response:
    facts = _Facts(await status(call))
    return Response(generate_latest(facts), media_type=CONTENT_TYPE_LATEST)


OPERATIONS = (Operation("GET", "/metrics", "Figures for Prometheus", metrics, None, media_type="text/plain"),)
