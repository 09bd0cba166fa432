"""JSON: lists, objects that hold lists, lines, and whatever follows each other; containers give what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from formats_kit import read_json, read_text
from mcai.formats.readers import json_walk

PAIR = {"prompt": "q", "completion": "r"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "waves"
    made.mkdir()
    return made


def numbered(count: int, **extra: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"q{number}", "completion": "r", **extra} for number in range(count)]


def test_a_list_gives_pointers(folder: Path) -> None:
    """Positions are JSON pointers."""
    reading = read_json(folder, numbered(3))
    assert reading.summary.shape == "json list" and reading.summary.reason is None
    assert reading.positions == ["/0", "/1", "/2"] and reading.contents == ["q0", "q1", "q2"]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize(
    "key",
    [
        "examples",
        "entries",
        "question",
        "text",
        "messages",
        "metadata",
        "scenarios",
        "mappings",
        "a/b~c",
        "",
        "données",
    ],
)
def test_an_object_may_hold_its_list_under_any_key(folder: Path, key: str, indent: int | None) -> None:
    """Keys in pointers are escaped as RFC 6901 says."""
    reading = read_text(folder, "a.json", json.dumps({"type": "log", key: numbered(2)}, indent=indent))
    escaped = key.replace("~", "~0").replace("/", "~1")
    assert reading.positions == [f"/{escaped}/0", f"/{escaped}/1"] and reading.summary.shape == "json object"
    assert [each.metadata for each in reading.containers] == [{"type": "log"}]


def test_containers_nest_and_inherit(folder: Path) -> None:
    """Domain and date come from the nearest container that names one; each is told once, with its plain fields."""
    document = {
        "category": "outer",
        "created": "2025-01-01",
        "tags": ["a", "b"],
        "metadata": {"authors": [{"name": "x", "text": "y"}], "version": 2},
        "topics": [
            {"name": "first", "entries": [{"question": "q1", "answer": "r"}, {"question": "q2", "date": "2025-03-03"}]},
            {"name": "second", "domain": "inner", "entries": [{"question": "q3"}], "note": None},
        ],
    }
    reading = read_json(folder, document)
    assert reading.positions == ["/topics/0/entries/0", "/topics/0/entries/1", "/topics/1/entries/0"]
    assert [example.domain for example in reading.examples] == ["outer", "outer", "inner"]
    dates = [example.created_at for example in reading.examples]
    assert dates == ["2025-01-01T00:00:00Z", "2025-03-03T00:00:00Z", "2025-01-01T00:00:00Z"]
    assert [(each.source.rpartition("#")[2], each.domain, each.metadata) for each in reading.containers] == [
        ("", "outer", {"created": "2025-01-01", "tags": ["a", "b"], "metadata": document["metadata"]}),
        ("/topics/0", "outer", {"name": "first"}),
        ("/topics/1", "inner", {"name": "second", "note": None}),
    ]


def test_several_lists_in_one_object(folder: Path) -> None:
    """All of them are read; an empty one holds nothing; what fits nothing is found and rejected."""
    document = {"milestones": numbered(2), "experiments": [], "discoveries": [{"foo": 1}, {"question": "q"}]}
    reading = read_json(folder, document)
    assert reading.summary.found == 4 and len(reading.rejected) == 1
    assert reading.rejected[0].source.endswith("#/discoveries/0")


def test_an_object_of_records(folder: Path) -> None:
    """Records may stand under keys of their own, however many there are."""
    reading = read_json(folder, {f"k{number}": {"term": "t", "definition": "d"} for number in range(2_000)})
    assert len(reading.examples) == 2_000 and reading.examples[7].source == f"{folder}/a.json#/k7"
    reading = read_json(folder, {"version": 1, "best": PAIR, "config": {"prompt": "p", "completion": "no record"}})
    assert reading.positions == ["/best"]
    assert reading.containers[0].metadata == {"version": 1, "config": {"prompt": "p", "completion": "no record"}}


def test_nothing_inside_a_record_is_searched(folder: Path) -> None:
    """Choices, references and histories belong to their record."""
    rows = [
        {**PAIR, "examples": numbered(3)},
        {"question": "q", "answers": [{"text": "a"}, {"text": "b"}]},
        {"query": "q", "results": [{"title": "t", "description": "d"}]},
        {"text": "q", "entities": [{"text": "x", "label": "y"}]},
    ]
    reading = read_json(folder, rows)
    assert reading.positions == ["/0", "/1", "/2", "/3"] and reading.examples[1].metadata == {
        "answers": rows[1]["answers"]
    }


@pytest.mark.parametrize(
    "head",
    [
        {"title": "Flashcards", "description": "All of them"},
        {"name": "Deck", "text": "About"},
        {"prompt": "You answer questions"},
        {"topic": "t", "content": "a long text"},
    ],
)
def test_a_title_does_not_make_a_record_of_a_container(folder: Path, head: dict[str, str]) -> None:
    """A surer record inside outweighs a container's own words, in the file and in a list."""
    document = {**head, "cards": [PAIR, PAIR]}
    assert read_json(folder, document).positions == ["/cards/0", "/cards/1"]
    assert read_json(folder, document).containers[0].metadata == head
    assert read_json(folder, [document, document]).positions == ["/0/cards/0", "/0/cards/1", "/1/cards/0", "/1/cards/1"]


def test_reading_comprehension_nests_deep(folder: Path) -> None:
    """Questions four lists down are found; their contexts are containers."""
    question = {"question": "q", "id": "1", "answers": [{"text": "a", "answer_start": 1}]}
    document = {"version": "2", "data": [{"title": "T", "paragraphs": [{"context": "c", "qas": [question, question]}]}]}
    reading = read_json(folder, document)
    assert reading.positions == ["/data/0/paragraphs/0/qas/0", "/data/0/paragraphs/0/qas/1"]
    assert [each.metadata for each in reading.containers] == [{"version": "2"}, {"title": "T"}, {"context": "c"}]


def test_an_object_that_holds_no_records_is_one_rejected(folder: Path) -> None:
    """An index of counters is no knowledge, and it is not dropped either."""
    index = {"ann": {"count": 5, "last": "x"}, "bob": {"count": 6, "last": "y"}}
    [rejected] = read_json(folder, index).rejected
    assert rejected.record == index and rejected.keys == ("ann", "bob")


@pytest.mark.parametrize(
    "text", ["[]", "[[], []]", '["a", "b"]', "[1, 2, 3]", "5", '"text"', "null", '{"examples": []}']
)
def test_plain_values_are_no_records(folder: Path, text: str) -> None:
    """Nothing is found, and the reason is told."""
    summary = read_text(folder, "a.json", text).summary
    assert summary.found == 0 and summary.reason and not summary.unreadable


def test_plain_values_beside_objects_are_rejected(folder: Path) -> None:
    """They are no records, but something was lost if they were passed over; wherever in the list they stand."""
    reading = read_json(folder, [1, "x", PAIR, None, ["y"], [PAIR], {}])
    assert reading.pairs == [("q", "r"), ("q", "r")]
    assert [(each.source.rpartition("#")[2], each.record) for each in reading.rejected] == [
        ("/0", 1),
        ("/1", "x"),
        ("/3", None),
        ("/4", ["y"]),
        ("/6", {}),
    ]


def test_lines_give_their_numbers(folder: Path) -> None:
    """Blank lines count as lines and hold nothing; CRLF and a missing last line end are fine."""
    text = '{"prompt": "a"}\r\n\r\n  {"prompt": "b"}\n\n{"prompt": "c"}'
    for name in ("a.jsonl", "a.ndjson", "a.json", "a.txt"):
        reading = read_text(folder, name, text)
        assert (reading.positions, reading.summary.shape) == (["1", "3", "5"], "jsonl"), name


def test_content_wins_over_the_name(folder: Path) -> None:
    """Lists in `.jsonl`, lines in `.json`, JSON in `.txt` and `.csv`, text in `.json`."""
    listed, lines = json.dumps(numbered(2)), "\n".join(map(json.dumps, numbered(2)))
    for name in ("a.json", "a.jsonl", "a.txt", "a.csv"):
        assert read_text(folder, name, listed).summary.shape == "json list"
        assert read_text(folder, name, lines).contents == ["q0", "q1"]
    assert read_text(folder, "a.json", "Prompt: a\nCompletion: b\n").summary.shape == "txt"


def test_a_byte_order_mark_is_accepted(folder: Path) -> None:
    """It is no part of the first value."""
    assert read_text(folder, "a.json", "\ufeff" + json.dumps([PAIR])).pairs == [("q", "r")]
    assert read_text(folder, "a.jsonl", "\ufeff" + json.dumps(PAIR)).pairs == [("q", "r")]


def test_values_that_follow_each_other(folder: Path) -> None:
    """On one line, over many lines, with commas between them, objects and lists alike."""
    text = '{"prompt": "a"} {"prompt": "b"},\n' + json.dumps({"prompt": "c"}, indent=2) + '\n[{"prompt": "d"}]\n5\n'
    reading = read_text(folder, "a.json", text)
    assert reading.contents == ["a", "b", "c", "d"] and reading.positions == ["1", "1", "2", "5/0", "6"]
    assert reading.reasons == ["a number where an object is expected"]
    reading = read_text(folder, "a.json", '["x"]\n["y"]\n[{"prompt": "a"}]')
    assert [each.record for each in reading.rejected] == [["x"], ["y"]] and reading.positions == ["3/0", "1", "2"]


def test_a_line_may_be_a_container(folder: Path) -> None:
    """Positions are the line and the pointer within it."""
    lines = [{"category": "c", "entries": numbered(2)}, PAIR, {"foo": 1, "rows": [{"x": 1}]}]
    reading = read_text(folder, "a.jsonl", "\n".join(map(json.dumps, lines)))
    assert reading.positions == ["1/entries/0", "1/entries/1", "2", "3"]
    assert [example.domain for example in reading.examples] == ["c", "c", "waves"]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_one_object_is_one_record(folder: Path, name: str) -> None:
    """A document and a single line are the same thing."""
    assert read_text(folder, name, json.dumps(PAIR, indent=1)).positions == ["1"]


@pytest.fixture
def huge(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Records that are together more than what is held in memory of one item: here, of a lower limit."""
    monkeypatch.setattr(json_walk, "MAX_ITEM_BYTES", 100_000)
    return numbered(40, filler="x" * 30_000)


def test_fields_after_a_huge_list_count(folder: Path, huge: list[dict[str, Any]]) -> None:
    """A list that is longer than anything held in memory is streamed, and the container's late fields still count."""
    document = {"early": 1, "lists": {"train": huge}, "domain": "late", "created": "2025-01-01", "tags": ["x"]}
    reading = read_json(folder, document)
    assert len(reading.examples) == 40 and reading.summary.reason is None
    assert {(each.domain, each.created_at) for each in reading.examples} == {("late", "2025-01-01T00:00:00Z")}
    assert reading.examples[39].source == f"{folder}/a.json#/lists/train/39"
    assert reading.containers[0].metadata == {"early": 1, "created": "2025-01-01", "tags": ["x"]}


def test_a_huge_container_in_a_list_is_streamed(folder: Path, huge: list[dict[str, Any]]) -> None:
    """It is told from a huge record by what it holds."""
    reading = read_json(folder, [{"entries": huge, "domain": "late"}, {"prompt": "small"}])
    assert len(reading.examples) == 41 and reading.examples[0].domain == "late"


def test_a_container_s_field_that_is_too_long_is_told(folder: Path, huge: list[dict[str, Any]]) -> None:
    """The records are read; what does not fit into the dataset's metadata is named."""
    reading = read_json(folder, {"essay": "x" * 100_000, "examples": huge})
    assert len(reading.examples) == 40 and "'essay'" in (reading.summary.reason or "")
