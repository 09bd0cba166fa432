"""Exporting: every row, at one epoch, with a hash to check it by."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from helpers import ask, samples
from mcai.client import Client
from mcai.errors import InvalidRequestError
from mcai.paths import Home

ROWS = 120
BALLAST = {"ballast": "x" * 30_000}
"""Rows with it do not fit into the buffers of a socket."""
FIELDS = ["id", "domain", "content", "response", "emotion", "frequency_hz", "created_at", "source", "metadata"]


@pytest.fixture(scope="module", autouse=True)
def rows(daemon_home: Home) -> None:
    """Two domains, one row with a value in every field."""
    full = {
        "domain": "full",
        "content": "Grüße\n\u2028👋",
        "response": None,
        "emotion": "Calm",
        "frequency_hz": 7.83,
        "created_at": "2025-10-17T00:39:20.063180Z",
        "source": "/a b#1",
        "metadata": {"k": [1, None, {"n": "x\ny"}]},
    }
    with Client(daemon_home.dir, start=False) as client:
        client.add([*samples(ROWS), full])


def _export(client: Client, **options: Any) -> tuple[bytes, Any]:
    with client.export(**options) as stream:
        return b"".join(stream), stream


def test_jsonl_has_every_row_in_id_order(client: Client) -> None:
    """One example a line, its fields as everywhere; rows, bytes, hash and epoch are told."""
    data, stream = _export(client)
    examples = [msgspec.json.decode(line) for line in data.splitlines()]

    assert [list(example) for example in examples] == [FIELDS] * (ROWS + 1)
    assert [example["id"] for example in examples] == list(range(1, ROWS + 2))
    assert examples[-1] == msgspec.to_builtins(client.page(domain="full").examples[0])
    assert (stream.rows, stream.bytes, stream.epoch) == (ROWS + 1, len(data), client.status().epoch)
    assert stream.sha256 == hashlib.sha256(data).hexdigest()


def test_parquet_has_the_same_rows(client: Client) -> None:
    """Columns of an example; metadata is JSON text, dates ISO 8601 text."""
    data, stream = _export(client, format="parquet")
    table = pq.read_table(io.BytesIO(data))
    examples = [{**each, "metadata": msgspec.json.decode(each["metadata"])} for each in table.to_pylist()]

    jsonl, _ = _export(client)
    assert table.column_names == FIELDS
    assert examples == [msgspec.json.decode(line) for line in jsonl.splitlines()]
    assert (stream.rows, stream.sha256) == (ROWS + 1, hashlib.sha256(data).hexdigest())


def test_export_leaves_nothing_behind(client: Client, daemon_home: Home) -> None:
    """The Parquet file is put together in the home and gone when it was sent."""
    before = {path.name for path in daemon_home.dir.iterdir()}

    _export(client, format="parquet")

    assert {path.name for path in daemon_home.dir.iterdir()} == before


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_filters_pick_rows(client: Client, format: str) -> None:
    """An export has the filters of a page; what nothing matches is an export without rows."""
    _, one = _export(client, format=format, domain="full", emotion="calm", frequency="7..8")
    data, none = _export(client, format=format, domain="nowhere")

    assert (one.rows, none.rows) == (1, 0)
    assert (pq.read_table(io.BytesIO(data)).num_rows if format == "parquet" else len(data)) == 0


def test_export_is_of_one_epoch(client: Client, daemon_home: Home) -> None:
    """Rows that are added, edited or deleted while it runs are not in it."""
    big = samples(200, domain="big", metadata=BALLAST)
    ids = [int(str(item.id)) for item in client.add(big).results]
    with Client(daemon_home.dir, start=False) as writer, client.export(domain="big") as stream:
        chunks = iter(stream)
        first = next(chunks)
        writer.add([{"content": "late", "domain": "big"}])
        writer.delete(ids[-50:])
        writer.edit(ids[100], content="edited")
        data = first + b"".join(chunks)

    contents = [msgspec.json.decode(line)["content"] for line in data.splitlines()]
    assert contents == [each["content"] for each in big] and stream.rows == 200
    assert stream.epoch == client.status().epoch - 3


def test_reader_that_leaves_early_does_no_harm(client: Client) -> None:
    """Stopping in the middle of an export leaves client and daemon usable."""
    client.add(samples(100, domain="left", metadata=BALLAST))

    with client.export(domain="left") as stream:
        next(iter(stream))

    assert _export(client, domain="left")[1].rows == 100


def test_other_calls_may_come_while_it_runs(client: Client) -> None:
    """A program may look things up while it reads an export: one does not break the other."""
    client.add(samples(100, domain="meanwhile", metadata=BALLAST))

    with client.export(domain="meanwhile") as stream:
        data = b""
        for chunk in stream:
            data += chunk
            assert client.dataset("meanwhile").examples == 100

    assert data.count(b"\n") == stream.rows == 100


def test_unknown_format_is_refused(client: Client, daemon_home: Home) -> None:
    """Only what can be written is offered; the error says what that is."""
    with pytest.raises(InvalidRequestError, match="jsonl, parquet"), client.export(format="xml"):
        pass
    assert ask(daemon_home, "GET", "/v1/export?limit=5").code == "invalid_request"


def test_export_can_be_added_again(client: Client, fresh_home: Home, tmp_path: Path) -> None:
    """A row of an export is an example: another home takes it, and shows it the same but for its id."""
    data, _ = _export(client, domain=["full", "samples"])
    rows = [msgspec.json.decode(line) for line in data.splitlines()]

    with Client(fresh_home.dir) as other:
        assert other.add(rows).imported == len(rows)
        copied, _ = _export(other)

    def without_id(lines: bytes) -> list[dict[str, Any]]:
        return [{**msgspec.json.decode(line), "id": None} for line in lines.splitlines()]

    assert without_id(copied) == without_id(data)
