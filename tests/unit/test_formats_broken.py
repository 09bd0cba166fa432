"""Bad input: every fault names its place and its reason, costs one record, and leaves the good ones around it alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from formats_kit import Reading, read_bytes, read_text
from mcai.errors import UnreadableFileError
from mcai.formats import Span, model
from mcai.formats.readers import json_walk
from mcai.records import MAX_RECORD_BYTES

BEFORE, AFTER = '{"prompt": "before", "completion": "b"}', '{"prompt": "after", "completion": "a"}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "waves"
    made.mkdir()
    return made


def layouts(bad: bytes) -> Iterator[tuple[str, bytes]]:
    """A bad item between two good ones, in each way that JSON items stand together."""
    before, after = BEFORE.encode(), AFTER.encode()
    yield "lines.jsonl", b"\n".join((before, bad, after))
    yield "lines.json", b"\n".join((before, bad, after))
    yield "minified.json", b"[" + b",".join((before, bad, after)) + b"]"
    yield "spread.json", b"[\n  " + b",\n  ".join((before, bad, after)) + b"\n]\n"
    yield "object.json", b'{"domain": "d", "examples": [' + b",".join((before, bad, after)) + b'], "late": 1}'
    yield "nested.json", b'{"c": [{"name": "n", "entries": [' + b",".join((before, bad, after)) + b"]}]}"


def check_alone(folder: Path, bad: bytes) -> list[str]:
    """In every layout exactly the bad item is rejected; returns the reasons."""
    reasons = []
    for name, data in layouts(bad):
        reading = read_bytes(folder, name, data)
        assert (reading.contents, len(reading.rejected)) == (["before", "after"], 1), (name, reading.reasons)
        assert reading.rejected[0].source.endswith(("#2", "/1")), name
        assert not reading.summary.unreadable
        reasons += reading.reasons
    return reasons


DEEP = b'{"prompt": "p", "x": ' + b"[" * 64 + b"]" * 64 + b"}"

FAULTS: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{oops}", "invalid JSON"),
    "a missing quote": (b'{"prompt": "x, "completion": "y"}', "invalid JSON"),
    "a missing last quote": (b'{"prompt": "x", "completion": "y}', "invalid JSON"),
    "a missing comma": (b'{"prompt": "x" "completion": "y"}', "invalid JSON"),
    "a missing brace": (b'{"prompt": "x", "completion": "y"', "invalid JSON"),
    "a missing bracket": (b'{"prompt": "x", "tags": ["a", "completion": "y"}', "invalid JSON"),
    "single quotes": (b"{'prompt': 'x'}", "invalid JSON"),
    "a bad escape": (b'{"prompt": "\\x41"}', "invalid JSON"),
    "a raw control character": (b'{"prompt": "a\tb"}', "invalid JSON"),
    "a raw NUL": (b'{"prompt": "a\0b"}', "invalid JSON"),
    "an escaped NUL": (b'{"prompt": "a\\u0000b"}', "NUL"),
    "a NUL in a key": (b'{"prompt": "a", "k\\u0000": 1}', "NUL"),
    "a nested NUL": (b'{"prompt": "a", "k": [{"x": "\\u0000"}]}', "NUL"),
    "NaN": (b'{"prompt": NaN, "completion": "x"}', "NaN is no JSON value"),
    "NaN deep inside": (b'{"prompt": "x", "a": {"b": [NaN]}}', "NaN is no JSON value"),
    "Infinity": (b'{"prompt": "x", "frequency": -Infinity}', "Infinity is no JSON value"),
    "a float out of range": (b'{"prompt": "x", "frequency": 1e999}', "number out of range"),
    "an integer out of range": (b'{"prompt": "x", "n": 18446744073709551616}', "number out of range"),
    "a very long integer": (b'{"prompt": "x", "n": ' + b"9" * 5_000 + b"}", "number out of range"),
    "a lone surrogate": (b'{"prompt": "lone \\ud800", "completion": "x"}', "lone surrogate"),
    "a lone low surrogate": (b'{"prompt": "x", "\\udc00": 1}', "lone surrogate"),
    "invalid UTF-8": (b'{"prompt": "caf\xe9"}', "invalid UTF-8"),
    "overlong UTF-8": (b'{"prompt": "\xc0\x80"}', "invalid UTF-8"),
    "an encoded surrogate": (b'{"prompt": "\xed\xa0\x80"}', "invalid UTF-8"),
    "a key twice": (b'{"prompt": "x", "prompt": "y"}', "the key 'prompt' stands twice"),
    "a key twice, spelled apart": (b'{"prompt" : "x", "pr\\u006fmpt":"y"}', "the key 'prompt' stands twice"),
    "a nested key twice": (b'{"prompt": "x", "m": {"a": 1, "a": 2}}', "the key 'a' stands twice"),
    "nested too deep": (DEEP, "nested more than 64 deep"),
    "nested very deep": (b'{"prompt": "x", "y": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, "nested more than 64 deep"),
    "too many keys": (json.dumps({"prompt": "x"} | {f"k{n}": n for n in range(1_000)}).encode(), "1,001 keys"),
    "too large": (b'{"prompt": "' + b"x" * MAX_RECORD_BYTES + b'"}', "too large"),
    "fits nothing": (b'{"foo": 1}', "fits no known shape"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_one_record(folder: Path, fault: str) -> None:
    """In lines, in lists, minified or spread, at any depth."""
    bad, expected = FAULTS[fault]
    for reason in check_alone(folder, bad):
        assert expected in reason


@pytest.mark.parametrize(
    "good",
    [
        b'{"prompt": "x", "y": ' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"prompt": "say \\"key\\": twice, \\"key\\": again"}',
        b'{"prompt": "a\\\\u0000b", "n": 18446744073709551615, "m": -9223372036854775808}',
        b'{"prompt": "\\ud83d\\ude00 \\u00e9", "f": 1.5e300}',
        json.dumps({"prompt": "x"} | {f"k{n}": n for n in range(999)}).encode(),
    ],
)
def test_what_only_looks_like_a_fault_is_taken(folder: Path, good: bytes) -> None:
    """The limits themselves are allowed, and signs of a fault inside a text are none."""
    for name, data in layouts(good):
        reading = read_bytes(folder, name, data)
        assert len(reading.examples) == 3 and not reading.rejected, (name, reading.reasons)


def test_places_are_lines_and_columns(folder: Path) -> None:
    """As an editor counts them, from 1, in characters."""
    reading = read_text(folder, "a.json", '[\n  {"prompt": "é"},\n  {"prompt": "é", oops}\n]')
    assert reading.reasons == ["line 3, column 19: invalid JSON: expecting property name enclosed in double quotes"]
    reading = read_text(folder, "a.jsonl", '{"prompt": "a"}\n\n{"prompt": "é" 5}\n')
    assert reading.reasons == ["line 3, column 16: invalid JSON: expecting ',' delimiter"]
    reading = read_bytes(folder, "a.jsonl", b'{"prompt": "a"}\n{"prompt": "\xe9"}\n')
    assert reading.reasons == ["line 2, column 13: invalid UTF-8"]


def test_the_original_is_kept_byte_for_byte(folder: Path) -> None:
    """What is no JSON value is kept as its bytes, and nothing else."""
    for bad in (b'{"prompt": "caf\xe9"}', b'{"prompt": "x", "prompt": "y"}', b'{"a": NaN}'):
        for name, data in layouts(bad):
            [rejected] = read_bytes(folder, name, data).rejected
            assert rejected.raw == bad, name


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("head", ['[{"prompt": "a"}, ', '{"x": [{"prompt": "a"}, ', '{"prompt": "a"}\n'])
@pytest.mark.parametrize("torn", ['{"prompt": "b", "compl', '{"prompt": "b', '{"prompt": "b", "tags": [1, {', "{"])
def test_a_torn_last_item_is_one_rejected(folder: Path, name: str, head: str, torn: str) -> None:
    """Whatever the file was cut in."""
    reading = read_text(folder, name, head + torn)
    assert reading.contents == ["a"] and reading.rejected[0].raw == torn.encode()
    assert "the file ends inside this record" in reading.reasons[0] and len(reading.rejected) == 1


@pytest.mark.parametrize(
    "text", ['[{"prompt": "a"}', '[{"prompt": "a"},', '{"x": [{"prompt": "a"}]', '{"x": [{"prompt": "a"}], "d']
)
def test_a_file_cut_between_items_says_so(folder: Path, text: str) -> None:
    """Nothing is known to be lost, but the file is not whole."""
    reading = read_text(folder, "a.json", text)
    assert reading.contents == ["a"] and not reading.rejected
    assert (reading.summary.reason or "").startswith("line 1, column ")


def test_several_faults_in_one_list(folder: Path) -> None:
    """Each costs its own record, also when the second one closes the quote that the first one opened."""
    rows = [f'{{"prompt": "{name}", "completion": "x"}}' for name in "abcdefgh"]
    for broken in (rows[1][:-2] + "}", rows[1][:-1]):
        text = ",".join((rows[0], broken, rows[2], broken, rows[3], rows[4], broken, rows[5]))
        for joined in (f"[{text}]", "[" + text.replace("},{", "},\n{") + "]", f'{{"rows": [{text}], "z": {{}}}}'):
            reading = read_text(folder, "a.json", joined)
            assert "".join(reading.contents) == "acdef" and len(reading.rejected) == 3


def test_a_broken_conversation_is_not_taken_apart(folder: Path) -> None:
    """Its turns look like records; the one after it begins like the one before."""
    good = '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}]}'
    for bad in (good.replace('"r"', '"r'), good.replace('"r"', "r"), good[:-1], good.replace("}]", "]")):
        reading = read_text(folder, "a.json", f"[{good},{bad},{good}]")
        assert reading.pairs == [("q", "r"), ("q", "r")] and len(reading.rejected) == 1, bad


def test_a_broken_container_gives_what_can_be_read(folder: Path) -> None:
    """Trouble outside any item is the file's reason, not a record."""
    reading = read_text(
        folder, "a.json", '{"domain": "d", oops, "examples": [{"prompt": "a"}], "rest": [{"prompt": "b"}]}'
    )
    assert reading.contents == ["a", "b"] and {each.domain for each in reading.examples} == {"d"}
    assert (reading.summary.reason or "").startswith("line 1, column 17: ")
    reading = read_text(folder, "a.json", '[{"prompt": "a"}} , {"prompt": "b"}]')
    assert reading.contents == ["a", "b"] and "unexpected '}'" in (reading.summary.reason or "")


def test_a_container_s_broken_field_is_left_out(folder: Path) -> None:
    """Its records are read, and the field is named."""
    reading = read_text(folder, "a.json", '{"bad": "a\\u0000", "n": NaN, "good": 1, "examples": [{"prompt": "a"}]}')
    assert reading.contents == ["a"] and reading.containers[0].metadata == {"good": 1}
    assert "'bad'" in (reading.summary.reason or "")


@pytest.mark.parametrize(
    "text", ["[" * 10_000 + "]" * 10_000, "[" * 10_000, '{"a":' * 10_000, "{" * 10_000, '[{"a":' * 5_000]
)
def test_any_depth_is_survived(folder: Path, text: str) -> None:
    """One rejected, whatever the depth, and no recursion."""
    reading = read_text(folder, "a.json", text)
    assert len(reading.rejected) == 1 and not reading.examples
    reading = read_text(folder, "b.jsonl", f"{BEFORE}\n{text}\n{AFTER}\n")
    assert reading.contents[0] == "before" and len(reading.rejected) >= 1


@pytest.mark.parametrize(("name", "text"), [("a.json", "oops"), ("a.jsonl", "oops at all\n"), ("a.json", "# comment")])
def test_what_is_no_json_at_all_is_one_rejected(folder: Path, name: str, text: str) -> None:
    """With its place."""
    reading = read_text(folder, name, text)
    assert reading.reasons == ["line 1, column 1: invalid JSON: expecting value"]


def test_garbage_lines_are_rejected_one_by_one(folder: Path) -> None:
    """In a file of lines each line is an item."""
    reading = read_text(folder, "a.jsonl", f'{BEFORE}\noops\n}}\n"text"\n{AFTER}\nend')
    assert reading.contents == ["before", "after"]
    assert [each.source.rpartition("#")[2] for each in reading.rejected] == ["2", "3", "4", "6"]


def test_a_multi_line_value_among_lines(folder: Path) -> None:
    """A broken one ends where the next value begins a line."""
    spread = json.dumps({"prompt": "c", "completion": "d", "tags": [{"x": 1}]}, indent=1)
    text = "\n".join((BEFORE, spread, spread.replace('"d"', '"d'), spread.replace('"c"', "NaN"), AFTER))
    reading = read_text(folder, "a.jsonl", text)
    assert reading.contents == ["before", "c", "after"] and len(reading.rejected) == 2


def sizes(reading: Reading) -> list[int]:
    return [each.raw.length_bytes for each in reading.rejected if isinstance(each.raw, Span)]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_a_huge_record_is_rejected_without_being_held(folder: Path, name: str) -> None:
    """It is kept as a place in the file and written to the quarantine in pieces; its neighbours are read."""
    huge = '{"prompt": "' + "x" * (2 * model.MAX_ITEM_BYTES) + '"}'
    text = f"{BEFORE}\n{huge}\n{AFTER}\n" if name == "a.jsonl" else f"[{BEFORE},{huge},{AFTER}]"
    reading = read_text(folder, name, text)
    assert reading.contents == ["before", "after"] and sizes(reading) == [len(huge)]
    assert "too large" in reading.reasons[0]


def test_a_missing_brace_does_not_cost_the_rest_of_a_large_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken JSON is told from a long item by what stands in it, not by how far it seems to go."""
    monkeypatch.setattr(json_walk, "MAX_ITEM_BYTES", 300_000)
    rows = [json.dumps({"prompt": str(number), "completion": "x" * 1_000}) for number in range(3_000)]
    rows[700], rows[1_400] = rows[700][:-1], rows[1_400][:-2] + "}"
    reading = read_text(folder, "a.json", "[" + ",".join(rows) + "]")
    assert len(reading.examples) == 2_998 and len(reading.rejected) == 2
    assert reading.rejected[0].source.endswith("#/700") and reading.rejected[1].source.endswith("#/1400")


def test_a_disk_that_fails_is_no_crash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before counts; the file is unreadable from there on."""
    text = "\n".join([BEFORE] * 20_000)
    (folder / "a.jsonl").write_text(text)
    read_at = model.OpenFile.read_at

    def fail_later(self: model.OpenFile, offset: int, count: int) -> bytes:
        if offset > 400_000:
            raise UnreadableFileError(f"byte {offset}: input/output error")
        return read_at(self, offset, count)

    monkeypatch.setattr(model.OpenFile, "read_at", fail_later)
    reading = read_bytes(folder, "a.jsonl", text.encode())
    assert reading.summary.unreadable and "input/output error" in (reading.summary.reason or "")
    assert reading.examples
