"""What mcai wrote itself comes back: rows of its exports field by field, quarantined records mended or not."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from formats_kit import read_bytes, read_json, read_path, read_text
from mcai.formats import Rejected, write_quarantine_line
from mcai.formats.readers import json_walk
from mcai.records import Example, NewExample

ROWS = [
    Example(1, "d", "c", "r", "joy", 10.0, "2025-01-01T00:00:00Z", "/x/a.json#/0", {"a": [1, {"b": None}]}),
    Example(2, "e", "caf\u00c3\u00a9", "one.\\n\\nTwo.", None, None, None, None, {}),
    Example(3, "f", "c", "", " odd ", 0.5, "2025-01-01T00:00:00.000001Z", "-#1", {"text_as_read": {"content": "C"}}),
    Example(4, "g", "c", None, None, None, None, "y#2", {"metadata": {"x": 1}, "source": "z", "domain": "w"}),
]
KEYS = list(Example.__struct_fields__)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "waves"
    made.mkdir()
    return made


def expected(rows: list[Example]) -> list[NewExample]:
    return [NewExample(**{key: getattr(row, key) for key in KEYS if key != "id"}) for row in rows]


def test_an_exported_json_row_comes_back_field_by_field(folder: Path) -> None:
    """As lines, as a list, and inside the document that ``query --json`` prints; nothing is repaired or added."""
    lines = b"\n".join(map(msgspec.json.encode, ROWS))
    assert read_bytes(folder, "a.jsonl", lines).examples == expected(ROWS)
    page = {"created": "2024-01-01", "examples": msgspec.to_builtins(ROWS), "next_cursor": None, "epoch": 3}
    assert read_json(folder, page).examples == expected(ROWS)


def test_an_exported_table_comes_back(folder: Path) -> None:
    """CSV cannot tell an empty response from none; Parquet can."""
    rows = [[getattr(row, key) for key in KEYS[:-1]] + [json.dumps(row.metadata)] for row in ROWS]
    out = io.StringIO()
    csv.writer(out).writerows([KEYS, *rows])
    wanted = expected(ROWS)
    wanted[2] = msgspec.structs.replace(wanted[2], response=None)
    assert read_text(folder, "a.csv", out.getvalue()).examples == wanted
    table = pa.table([list(column) for column in zip(*rows, strict=True)], names=KEYS)
    pq.write_table(table, folder / "a.parquet")
    assert read_path(folder / "a.parquet").examples == expected(ROWS)


def test_an_edited_export_row_is_an_example_still(folder: Path) -> None:
    """An unusable optional value goes to the metadata; a text that is none is rejected; ``--domain`` overrides."""
    row = msgspec.to_builtins(ROWS[0])
    edited = {**row, "emotion": 5, "domain": None, "created_at": "soon"}
    [example] = read_json(folder, [edited]).examples
    assert example.domain == "waves" and (example.emotion, example.created_at) == (None, None)
    assert example.metadata == {**ROWS[0].metadata, "emotion": 5, "created_at": "soon"}
    bad = [{**row, "content": 5}, {**row, "content": " "}, {**row, "response": []}, {**row, "metadata": "x"}]
    bad.append({**row, "emotion": 5, "metadata": {"emotion": "x"}})
    reading = read_json(folder, bad)
    assert len(reading.rejected) == 5 and not reading.examples
    assert read_json(folder, [row], domain="other").examples[0].domain == "other"


def line(**fields: Any) -> dict[str, Any]:
    return {"domain": "d", "source": "/x/a.json#/3", "reason": "why", **fields}


def test_a_mended_record_keeps_its_domain_and_source(folder: Path) -> None:
    """It is read like any item otherwise."""
    lines = [
        line(record={"question": "q", "answer": "r", "topic": "t"}),
        line(record={"question": "q", "domain": "own"}),
        line(domain=None, record={"question": "q", "domain": "own"}),
        line(domain=None, record={"question": "q"}),
    ]
    reading = read_text(folder, "a.jsonl", "\n".join(map(json.dumps, lines)))
    assert [(each.content, each.domain, each.metadata) for each in reading.examples] == [
        ("q", "d", {"topic": "t"}),
        ("q", "d", {"domain": "own"}),
        ("q", "own", {}),
        ("q", "waves", {}),
    ]
    assert {each.source for each in reading.examples} == {"/x/a.json#/3"}
    assert read_json(folder, lines[:1], domain="forced").examples[0].domain == "forced"


def test_an_example_that_was_refused_later_comes_back_field_by_field(folder: Path) -> None:
    """What the daemon refuses is written down as the example that it was by then."""
    example = NewExample("q", None, "d", "joy", 1.0, "2025-01-01T00:00:00Z", "/x/a.json#/3", {"topic": "t"})
    record = msgspec.to_builtins(example)
    assert read_json(folder, line(record=record)).examples == [example]


def test_raw_originals_are_read_as_what_they_are(folder: Path) -> None:
    """JSON or labelled text; what is still broken is rejected again, with the same source and original."""
    raws = [b'{"prompt": "q"}', b"Q: q\nA: r\ns", b'{"prompt": NaN}', b"caf\xe9", b"[1]", b"Prompt: q\0\nCompletion: r"]
    lines = [line(raw_base64=base64.b64encode(raw).decode()) for raw in raws]
    reading = read_text(folder, "a.jsonl", "\n".join(map(json.dumps, [*lines, line(raw_base64="no base64!")])))
    assert reading.pairs == [("q", None), ("q", "r\ns")]
    assert [each.raw for each in reading.rejected[:4]] == raws[2:]
    assert reading.reasons[0] == "NaN is no JSON value" and reading.reasons[4] == "'raw_base64' holds no base64"
    assert {(each.source, each.domain) for each in reading.rejected} == {("/x/a.json#/3", "d")}


def test_a_record_that_was_not_mended_is_rejected_again(folder: Path) -> None:
    """Its quarantine line is the same, whatever was wrong: reading a quarantine is idempotent."""
    text = '[{"prompt": 5}, {"foo": "x"}, 7, {"prompt": "a", "prompt": "b"}, {"prompt": "a\\u0000"}, {oops}]'
    first = read_text(folder, "a.json", text)
    assert len(first.rejected) == 6
    second = read_bytes(folder, "q.jsonl", first.quarantine)
    assert not second.examples and len(second.rejected) == 6
    third = read_bytes(folder, "q.jsonl", second.quarantine)
    assert third.quarantine == second.quarantine
    kept = [
        {key: each for key, each in json.loads(raw).items() if key != "reason"} for raw in first.quarantine.splitlines()
    ]
    again = [
        {key: each for key, each in json.loads(raw).items() if key != "reason"} for raw in third.quarantine.splitlines()
    ]
    assert again == kept


def test_tables_that_were_not_mended_are_rejected_again(folder: Path) -> None:
    """A row's cells or bytes are no record by themselves."""
    first = read_bytes(folder, "a.csv", b'prompt,completion\na,b,c\n"open,x\nn\xff,b\n')
    assert len(first.rejected) == 3
    assert not read_bytes(folder, "q.jsonl", first.quarantine).examples


def test_originals_of_any_size_are_written_in_pieces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line decodes to the very bytes of the file."""
    monkeypatch.setattr(json_walk, "MAX_ITEM_BYTES", 100_000)
    huge = '{"prompt": "' + "xyz" * 1_000_001 + '"}'
    reading = read_text(folder, "a.json", f'[{{"prompt": "a"}}, {huge}]')
    assert base64.b64decode(json.loads(reading.quarantine)["raw_base64"]) == huge.encode()


def test_a_lone_surrogate_can_be_written_down() -> None:
    """Whatever a record holds, its quarantine line is JSON in UTF-8."""
    out = io.BytesIO()
    write_quarantine_line(Rejected("s#1", "d", "why", record={"a": "\ud800"}), out)
    assert json.loads(out.getvalue().decode("utf-8"))["record"] == {"a": "\ud800"} and out.getvalue().endswith(b"}\n")
