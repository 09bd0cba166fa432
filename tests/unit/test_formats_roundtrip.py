"""Any list of records, written in any of the shapes, comes back the same.

What a shape cannot carry, and what becomes of it:

* every shape: NUL and lone surrogates (rejected), a blank content (rejected), numbers beyond 64 bits (rejected);
* CSV: an empty text is absent, so an empty response comes back as none; columns without a name get one;
* text: blanks around a text, CRLF (a line feed), a response that is none (empty), a label at a line start (it ends the
  text), a fence that is open at a label and closed behind it (the label is text), and any field but the two texts;
* Parquet: null is absent.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from formats_kit import read_path, read_text
from mcai.formats.recognition import synonyms
from mcai.identity import TEXT_AS_READ
from mcai.records import NewExample

Row = dict[str, Any]

KNOWN = {
    synonyms.canonical(name)
    for names in (
        *(synonyms.CONTENT_FIRM, synonyms.CONTENT_LOOSE, synonyms.CONTENT_PAIRED, synonyms.CONVERSATION),
        *(synonyms.RESPONSE_FIRM, synonyms.RESPONSE_LOOSE, synonyms.DOMAIN, synonyms.EMOTION, synonyms.FREQUENCY),
        *(synonyms.DATE, (synonyms.METADATA, TEXT_AS_READ)),
    )
    for name in names
}

texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
contents = texts.filter(str.strip)
keys = texts.filter(lambda key: synonyms.canonical(key) not in KNOWN)
plain = st.none() | st.booleans() | texts | st.floats(allow_nan=False, allow_infinity=False)
numbers = st.integers(-(1 << 63), (1 << 64) - 1)
values = st.recursive(
    plain | numbers, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=5
)


def rows(response: st.SearchStrategy[str | None], extra: st.SearchStrategy[Row]) -> st.SearchStrategy[list[Row]]:
    """Records under the names of their columns, with fields of their own."""
    columns = st.fixed_dictionaries(
        {"prompt": contents, "completion": response},
        optional={
            "emotion": texts.filter(str.strip),
            "frequency": st.floats(0, 1e6) | st.integers(0, 1 << 53),
            "domain": st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=5),
        },
    )
    return st.lists(st.builds(lambda row, more: {**row, **more}, columns, extra), min_size=1, max_size=5)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "waves"
        path.mkdir()
        yield path


def as_read(example: NewExample) -> Row:
    """An example under the names that it was written with, and its texts as they were before any repair."""
    metadata = dict(example.metadata)
    texts = {"content": example.content, "response": example.response, **metadata.pop(TEXT_AS_READ, {})}
    row: Row = {"prompt": texts["content"], "completion": texts["response"], "domain": example.domain, **metadata}
    for name, value in (("emotion", example.emotion), ("frequency", example.frequency_hz)):
        if value is not None:
            row[name] = value
    return row


def expected(written: list[Row]) -> list[Row]:
    return [{"domain": "waves", **row} for row in written]


any_rows = rows(st.none() | texts, st.dictionaries(keys, values, max_size=3))


@given(any_rows, st.booleans(), st.sampled_from([None, 0, 2]))
def test_json_list(written: list[Row], ascii_only: bool, indent: int | None) -> None:
    """Escaped or not, on one line or on many."""
    with folder() as path:
        text = json.dumps(written, ensure_ascii=ascii_only, indent=indent)
        reading = read_text(path, "a.json", text)
        assert [as_read(example) for example in reading.examples] == expected(written)
        assert reading.positions == [f"/{number}" for number in range(len(written))]


@given(any_rows, texts, st.booleans(), st.dictionaries(keys, plain, max_size=2))
def test_json_object_with_its_list_under_any_key(
    written: list[Row], key: str, is_first: bool, fields: dict[str, Any]
) -> None:
    """The container's own fields stand before or after the list, and are told once."""
    fields.pop(key, None)
    with folder() as path:
        document = {key: written, **fields} if is_first else {**fields, key: written}
        reading = read_text(path, "a.json", json.dumps(document))
        assert [as_read(example) for example in reading.examples] == expected(written)
        assert [container.metadata for container in reading.containers] == [fields] * bool(fields)


@given(any_rows, st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n", " \n\t", "", ","]))
def test_json_values_that_follow_each_other(written: list[Row], ascii_only: bool, between: str) -> None:
    """A record a line, with any line end, or with nothing between at all."""
    with folder() as path:
        text = between.join(json.dumps(row, ensure_ascii=ascii_only) for row in written)
        for name in ("a.jsonl", "a.json"):
            reading = read_text(path, name, text)
            assert [as_read(example) for example in reading.examples] == expected(written)


cells = texts.filter(bool)
columns = texts.filter(lambda key: key.strip() and key == key.strip() and synonyms.canonical(key) not in KNOWN)


@given(rows(st.none() | cells, st.dictionaries(columns, cells, max_size=3)), st.sampled_from(",;\t|"))
def test_csv(written: list[Row], delimiter: str) -> None:
    """Every cell that holds something."""
    names = list({name: None for row in written for name in row})
    with folder() as path:
        out = io.StringIO()
        table = csv.DictWriter(out, names, delimiter=delimiter)
        table.writeheader()
        table.writerows(written)
        reading = read_text(path, "a.csv", out.getvalue())
        assert [as_read(example) for example in reading.examples] == expected(written)


LABEL = re.compile(r"^(?:prompt|completion|response|answer|output):", re.IGNORECASE | re.MULTILINE)
FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
lined = texts.map(lambda text: text.replace("\r\n", "\n").strip())
labelled = lined.filter(lambda text: not LABEL.search(text) and not FENCE.search(text))


@given(st.lists(st.tuples(labelled.filter(bool), labelled), min_size=1, max_size=5), st.integers(0, 2))
def test_labelled_text(pairs: list[tuple[str, str]], blank_lines: int) -> None:
    """Two texts of any lines, with blank lines between the records or without."""
    with folder() as path:
        text = ("\n" * (blank_lines + 1)).join(f"Prompt: {content}\nCompletion: {answer}" for content, answer in pairs)
        reading = read_text(path, "a.txt", text)
        written = [{"prompt": content, "completion": answer} for content, answer in pairs]
        assert [as_read(example) for example in reading.examples] == expected(written)


parquet_values = st.fixed_dictionaries(
    {},
    optional={
        "n": numbers.filter(lambda number: number < 1 << 63),
        "flag": st.booleans(),
        "tags": st.lists(texts, max_size=3),
        "deep": st.fixed_dictionaries({"t": st.none() | texts, "x": st.lists(st.floats(0, 1), max_size=2)}),
        "note": texts,
    },
)


@given(rows(st.none() | texts, parquet_values), st.integers(1, 3))
@settings(max_examples=50)
def test_parquet(written: list[Row], group_rows: int) -> None:
    """Columns of any type, nested ones too, in any number of row groups."""
    frequencies = [{**row, "frequency": float(row["frequency"])} if "frequency" in row else row for row in written]
    names = list({name: None for row in written for name in row})
    with folder() as path:
        full = [{name: row.get(name) for name in names} for row in frequencies]
        pq.write_table(pa.Table.from_pylist(full), path / "a.parquet", row_group_size=group_rows)
        reading = read_path(path / "a.parquet")
        assert [as_read(example) for example in reading.examples] == expected(frequencies)


@given(any_rows)
def test_an_export_of_what_was_read_gives_equal_examples(written: list[Row]) -> None:
    """Reading is idempotent: the second reading changes nothing, repairs and dates included."""
    with folder() as path:
        first = read_text(path, "a.json", json.dumps(written)).examples
        lines = []
        for number, example in enumerate(first):
            fields = {name: getattr(example, name) for name in synonyms.EXPORT_KEYS if name != "id"}
            lines.append(msgspec.json.encode({"id": number, **fields}))
        (path / "export.jsonl").write_bytes(b"\n".join(lines))
        assert read_path(path / "export.jsonl").examples == first


@given(st.lists(contents, min_size=1, max_size=4), st.sampled_from(["\0", "\ud800"]), st.data())
def test_what_no_shape_can_carry_is_rejected(prompts: list[str], poison: str, data: st.DataObject) -> None:
    """NUL and half characters cost their own record in JSON; the others come back."""
    at = data.draw(st.integers(0, len(prompts) - 1))
    written = [{"prompt": prompt + poison if number == at else prompt} for number, prompt in enumerate(prompts)]
    with folder() as path:
        for text in (json.dumps(written), "\n".join(map(json.dumps, written))):
            reading = read_text(path, "a.json", text)
            assert len(reading.rejected) == 1
            assert [as_read(each)["prompt"] for each in reading.examples] == prompts[:at] + prompts[at + 1 :]


def test_what_text_cannot_carry() -> None:
    """Documented: outer blanks go, CRLF becomes a line feed, and a label at a line start ends the text."""
    with folder() as path:
        reading = read_text(path, "a.txt", "Prompt:  a \r\n b\r\n\nCompletion: c\nPrompt: d\nCompletion: e")
        assert reading.pairs == [("a \n b", "c"), ("d", "e")]
