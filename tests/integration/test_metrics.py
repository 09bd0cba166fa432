"""`/metrics` is what Prometheus reads, and says what `status` says."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers import ask, samples, wait_until
from mcai.client import Client
from mcai.paths import Home


@pytest.fixture(autouse=True)
def rows(client: Client) -> None:
    """Seven rows, taken in by snapshot and index."""
    client.add(samples(7))
    wait_until(lambda: client.status().index_epoch == 1, "the index has taken the rows in")


def test_metrics_parse_and_agree_with_status(daemon_home: Home) -> None:
    """Lag, unindexed rows, fragments and bytes of the index, and the snapshot's epoch, are there as numbers."""
    families = {family.name: family for family in text_string_to_metric_families(_text(daemon_home))}
    value = {name: family.samples[0].value for name, family in families.items()}
    told = ask(daemon_home, "GET", "/v1/status").json()

    assert value["mcai_examples"] == value["mcai_index_rows"] == 7
    assert value["mcai_index_lag_rows"] == told["index"]["pending"] == 0
    assert value["mcai_index_epoch"] == value["mcai_epoch"] == 1
    assert value["mcai_index_fragments"] == told["index"]["fragments"] > 0
    assert value["mcai_index_bytes"] > 0 and "mcai_index_unindexed_rows" in value
    assert families["mcai_snapshot_fallbacks"].type == "counter"


def test_every_metric_is_explained(daemon_home: Home) -> None:
    """Whoever builds a dashboard finds a sentence for each figure."""
    families = list(text_string_to_metric_families(_text(daemon_home)))
    assert len(families) > 15 and all(family.documentation.endswith(".") for family in families)


def _text(home: Home) -> str:
    reply = ask(home, "GET", "/metrics")
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain")
    return reply.body.decode()
