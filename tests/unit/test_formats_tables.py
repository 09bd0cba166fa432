"""Tables: CSV and TSV by the book, Parquet in small batches; a bad row costs itself."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import decimal
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from formats_kit import Reading, read_bytes, read_path, read_text
from mcai.formats import Span
from mcai.formats.readers import csv_reader, lines, parquet_reader


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "waves"
    made.mkdir()
    return made


def test_rows_with_quotes_and_line_breaks(folder: Path) -> None:
    """Quoted cells hold delimiters, doubled quotes and line breaks of either kind; positions are data rows."""
    text = 'prompt,completion,topic\r\na,"b, ""c""\r\nd\ne",t\r\n\r\n"f\n",g,\r\n'
    reading = read_text(folder, "a.csv", text)
    assert reading.pairs == [("a", 'b, "c"\r\nd\ne'), ("f\n", "g")] and reading.positions == ["1", "2"]
    assert [example.metadata for example in reading.examples] == [{"topic": "t"}, {}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_the_delimiter_is_the_header_s(folder: Path, delimiter: str, name: str) -> None:
    """It is told by the columns that it gives; Excel's own line names it."""
    table = delimiter.join(("question", "answer")) + "\n" + delimiter.join(("a; b, c", "d"))
    if delimiter not in ",;":
        assert read_text(folder, name, table).pairs == [("a; b, c", "d")]
    assert read_text(folder, name, delimiter.join(("foo", "answer", "question\na", "b", "c"))).pairs == [("c", "b")]
    assert read_text(folder, name, f"sep={delimiter}\nquestion{delimiter}answer\na{delimiter}b").pairs == [("a", "b")]


def test_a_single_column_and_a_byte_order_mark(folder: Path) -> None:
    """A list of prompts is a table."""
    assert read_text(folder, "a.csv", "\ufeffprompt\na\nb, c\n").reasons == ["line 3: 2 cells, and the header has 1"]
    assert read_text(folder, "a.csv", "\ufeffprompt\na\n").pairs == [("a", None)]


def test_empty_cells_are_absent(folder: Path) -> None:
    """A table cannot tell null from empty; a row of empty cells is no row."""
    reading = read_text(folder, "a.csv", "prompt,completion,emotion\na,,\n,,\n,b,\n")
    assert reading.pairs == [("a", None)] and reading.examples[0].emotion is None
    assert reading.reasons == ["fits no known shape (keys: completion)"] and reading.summary.found == 2


def test_columns_are_recognised_as_keys_are(folder: Path) -> None:
    """Numbers in text fill their column; the rest stays text; a metadata cell that holds an object is merged."""
    text = 'Prompt,Response,Frequency,Date,n,metadata\na,b,432,2025-01-02,5,"{""x"": [1]}"\nc,d,8-13 Hz,soon,,{oops\n'
    first, second = read_text(folder, "a.csv", text).examples
    assert (first.frequency_hz, first.created_at) == (432.0, "2025-01-02T00:00:00Z")
    assert first.metadata == {"Date": "2025-01-02", "n": "5", "x": [1]}
    assert second.metadata == {"Frequency": "8-13 Hz", "Date": "soon", "metadata": "{oops"}


def test_rows_of_another_length_are_rejected(folder: Path) -> None:
    """They name their line, and keep their cells."""
    reading = read_text(folder, "a.csv", 'prompt,completion\na,b\n"c\nd"\ne,f,g\nh,i\n')
    assert reading.pairs == [("a", "b"), ("h", "i")]
    assert reading.reasons == ["line 3: 1 cells, and the header has 2", "line 5: 3 cells, and the header has 2"]
    assert [each.record for each in reading.rejected] == [["c\nd"], ["e", "f", "g"]]


@pytest.mark.parametrize("rest", ["c,d\ne,f\n", 'c,d\ne,"f"\n', 'c,d\n"e",f\n', 'c,d\ne,"f""g"\n'])
def test_an_unclosed_quote_costs_its_line(folder: Path, rest: str) -> None:
    """The rows that it would swallow are read."""
    reading = read_text(folder, "a.csv", f'prompt,completion\na,b\n"open,x\n{rest}')
    assert [content for content, _ in reading.pairs] == ["a", "c", "e"]
    assert len(reading.rejected) == 1 and reading.reasons[0].startswith("line 3: ")
    assert reading.rejected[0].raw == b'"open,x'


def test_an_unclosed_quote_far_from_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it would swallow more than a record may have."""
    monkeypatch.setattr(csv_reader, "_ROW_BYTES", 10_000)
    rows = "".join(f"a{number},b\n" for number in range(5_000))
    reading = read_text(folder, "a.csv", f'prompt,completion\n"open,x\n{rows}')
    assert len(reading.examples) == 5_000 and reading.reasons == ["line 2: a quote is opened and never closed"]


@pytest.mark.parametrize("filler", ["x", "x\n", "x,y\n"])
def test_a_huge_row_is_rejected_without_being_held(folder: Path, filler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one line or on many; what follows is read."""
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 20_000)
    monkeypatch.setattr(csv_reader, "_ROW_BYTES", 20_000)
    huge = filler * (600_000 // len(filler))
    reading = read_text(folder, "a.csv", f'prompt,completion\n"{huge}",b\nc,d\n')
    assert reading.pairs == [("c", "d")] and "line 2: the record is too large" in reading.reasons[0]
    assert isinstance(reading.rejected[0].raw, Span) and reading.rejected[0].raw.length_bytes > len(huge)


def test_bad_bytes_cost_their_row(folder: Path) -> None:
    """Invalid UTF-8 and NUL name their line."""
    reading = read_bytes(folder, "a.csv", b'prompt,completion\ncaf\xe9,b\nok,"c\nd"\nn\0l,e\n')
    assert reading.pairs == [("ok", "c\nd")]
    assert reading.reasons == ["line 2: invalid UTF-8", "line 5: a NUL character"]


def test_headers_that_name_nothing_known(folder: Path) -> None:
    """Each row is rejected with the columns seen and the option that takes it; a name given twice says so."""
    reading = read_text(folder, "a.csv", "foo,bar\n1,2\n3,4\n")
    assert [each.hint for each in reading.rejected] == ["--map content=foo,response=bar"] * 2
    mapped = read_text(folder, "a.csv", "foo,bar\n1,2\n3,4\n", content_key="foo", response_key="bar")
    assert mapped.pairs == [("1", "2"), ("3", "4")]
    assert "'prompt' stands twice" in read_text(folder, "a.csv", "prompt,prompt\na,b\n").reasons[0]
    summary = read_text(folder, "a.csv", 'prompt,"completion\na,b\n').summary
    assert summary.unreadable and "line 1: the header cannot be read" in (summary.reason or "")
    assert read_text(folder, "a.csv", "prompt,completion\n").summary.reason == "a header and no rows below it"


def test_columns_without_a_name_get_one(folder: Path) -> None:
    """Spreadsheets leave empty columns behind."""
    [example] = read_text(folder, "a.csv", ",prompt,,\n0,a,x,\n").examples
    assert example.metadata == {"column_1": "0", "column_3": "x"}


def write(folder: Path, table: Any, **options: Any) -> Path:
    path = folder / "a.parquet"
    pq.write_table(table, path, **options)
    return path


def test_parquet_values_become_json(folder: Path) -> None:
    """Times are ISO 8601, decimals text, bytes base64, maps objects; nulls and NaN are absent."""
    table = pa.table(
        {
            "prompt": ["a"],
            "date": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns")),
            "zoned": pa.array([0], pa.timestamp("ms", "Europe/Berlin")),
            "day": [dt.date(2025, 1, 2)],
            "clock": pa.array([1], pa.time64("ns")),
            "price": [decimal.Decimal("1.10")],
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "blob": [b"\xff"],
            "missing": [float("nan")],
            "nothing": pa.array([None], pa.string()),
            "deep": [[{"at": dt.datetime(2025, 1, 2), "nan": float("nan")}]],
            "word": pa.array(["w"]).dictionary_encode(),
            "metadata": ['{"x": 1}'],
        }
    )
    [example] = read_path(write(folder, table)).examples
    assert example.created_at == "2023-11-14T22:13:20.123456Z"
    assert example.metadata == {
        **{"date": "2023-11-14T22:13:20.123456", "zoned": "1970-01-01T00:00:00Z", "day": "2025-01-02"},
        **{"clock": "00:00:00", "price": "1.10", "map": {"k": 1}, "blob": "/w==", "word": "w", "x": 1},
        "deep": [{"at": "2025-01-02T00:00:00", "nan": None}],
    }


def test_parquet_conversations(folder: Path) -> None:
    """Nested columns are what they are in JSON."""
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "r"}]
    assert read_path(write(folder, pa.table({"conversations": [turns]}))).pairs == [("q", "r")]


def broken_text() -> Any:
    offsets = b"".join(number.to_bytes(4, "little") for number in (0, 1, 3))
    return pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(offsets), pa.py_buffer(b"\xffok")])


def test_parquet_rows_that_no_value_can_stand_for(folder: Path) -> None:
    """Each costs itself; what is no text is kept as base64, and cannot be taken for the text itself."""
    table = pa.table({"prompt": broken_text()})
    reading = read_path(write(folder, table))
    assert reading.contents == ["ok"] and reading.reasons == ["invalid UTF-8"] and reading.positions == ["2", "1"]
    assert reading.rejected[0].record == {"row": {"prompt": base64.b64encode(b"\xff").decode()}}
    table = pa.table({"prompt": ["a", "b", "c\0", "d"], "x": [1.0, float("inf"), 1.0, 2.0]})
    reading = read_path(write(folder, table))
    assert reading.contents == ["a", "d"] and reading.reasons == [
        "Infinity is no JSON value",
        "it holds a NUL character",
    ]
    far = pa.table({"prompt": ["a", "b"], "at": pa.array([2**62, 0], pa.timestamp("us"))})
    assert read_path(write(folder, far)).contents == ["b"]


def test_damaged_parquet_is_unreadable_and_no_crash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage to one group of rows costs that group; the others are read, and the file is named unreadable."""
    monkeypatch.setattr(parquet_reader, "_MAX_BATCH_ROWS", 10)
    table = pa.table({"prompt": [f"p{number}" for number in range(100)]})
    path = write(folder, table, row_group_size=50, write_page_checksum=True, compression="none")
    data = bytearray(path.read_bytes())
    data[data.index(b"p60")] ^= 1
    reading = read_bytes(folder, "b.parquet", bytes(data))
    assert reading.contents[:50] == [f"p{number}" for number in range(50)] and reading.summary.unreadable
    assert "rows 51 to 100" in (reading.summary.reason or "")
    for bad in (b"PAR1", b"PAR1" + b"x" * 100, bytes(data[:-20]), b"words"):
        summary = read_bytes(folder, "b.parquet", bad).summary
        assert summary.unreadable and summary.reason, bad[:10]
    assert read_path(write(folder, table.slice(0, 0))).summary.reason == "a table without rows"


def test_a_parquet_column_twice(folder: Path) -> None:
    """No row can be taken then, and each says why."""
    table = pa.table([["a"], ["b"]], names=["prompt", "prompt"])
    assert "'prompt' stands twice" in read_path(write(folder, table)).reasons[0]


def test_a_table_with_large_cells_is_cut_into_small_batches(folder: Path) -> None:
    """A cell beyond the limit is rejected, its neighbours are read."""
    table = pa.table({"prompt": ["x" * 2_000_000, "b", "y" * 900_000]})
    reading: Reading = read_path(write(folder, table))
    assert [len(content) for content in reading.contents] == [1, 900_000] and "too large" in reading.reasons[0]


def test_csv_written_by_python_comes_back(folder: Path) -> None:
    """The csv module's own quoting, in every style."""
    rows = [["prompt", "completion"], ['a"b', "c\nd"], ["e,f", "'g'"], [" h ", "i\\"]]
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC):
        out = io.StringIO()
        csv.writer(out, quoting=quoting).writerows(rows)
        assert [list(pair) for pair in read_text(folder, "a.csv", out.getvalue()).pairs] == rows[1:]


def test_parquet_with_a_column_name_that_is_no_text(folder: Path) -> None:
    """pyarrow fails on such a name with an error of its own kind; the file is named unreadable like any damaged one."""
    out = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["a"], "tags": [["x"]]}), out, store_schema=False)
    reading = read_bytes(folder, "a.parquet", out.getvalue().replace(b"prompt", b"pro\xf0pt"))
    assert reading.summary.unreadable and "no readable Parquet" in (reading.summary.reason or "")
