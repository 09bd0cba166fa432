"""Recognition: each item by its own keys; what has no column is kept; what cannot be used is never guessed at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from formats_kit import read_json
from mcai.formats.recognition import synonyms

Row = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "waves"
    made.mkdir()
    return made


PAIRS: dict[str, Row] = {
    "prompt-completion": {"prompt": "q", "completion": "r"},
    "Alpaca": {"instruction": "q", "input": "", "output": "r"},
    "Dolly": {"instruction": "q", "context": "c", "response": "r", "category": "open_qa"},
    "OpenOrca": {"id": "1", "system_prompt": "s", "question": "q", "response": "r"},
    "camel case": {"userMessage": "q", "aiResponse": "r"},
    "other spelling": {"User-Message": "q", "AI Response": "r"},
    "capitals": {"Question": "q", "Answer": "r"},
    "single letters": {"Q": "q", "A": "r"},
    "flashcard": {"front": "q", "back": "r"},
    "glossary": {"term": "q", "definition": "r"},
    "concept": {"concept": "q", "explanation": "r"},
    "problem": {"problem": "q", "solution": "r"},
    "input-output": {"input": "q", "output": "r"},
    "summaries": {"document": "q", "summary": "r"},
    "counselling": {"Context": "q", "Response": "r"},
    "preference": {"prompt": "q", "chosen": "r", "rejected": "x"},
    "science questions": {"question": "q", "correct_answer": "r", "distractor1": "x"},
    "scenario": {"scenario": "s", "example_input": "q", "right_response": "r", "wrong_response": "w"},
    "samples": {"query_sample": "q", "response_sample": "r", "brain_wave_band": "alpha"},
    "content and response": {"content": "q", "response": "r"},
    "nested texts": {"query": {"text": "q"}, "response": {"text": "r"}},
    "object answer": {"prompt": "q", "completion": {"text": "r", "image": "i.png"}},
    "OpenAI chat": {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}]},
    "ShareGPT": {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "r"}]},
    "chat preference": {
        "prompt": [{"role": "user", "content": "q"}],
        "chosen": [{"role": "assistant", "content": "r"}],
        "rejected": [{"role": "assistant", "content": "x"}],
    },
    "diary": {"pattern": "q", "insight": "r"},
    "diary, other kind": {"trigger": "q", "reflection": "r"},
}


@pytest.mark.parametrize("shape", PAIRS)
def test_common_shapes_are_known(folder: Path, shape: str) -> None:
    """What public and legacy datasets call a prompt and its answer is found without being told."""
    reading = read_json(folder, [PAIRS[shape]])
    assert reading.pairs == [("q", "r")], reading.reasons


@pytest.mark.parametrize("name", ["prompt", "text", "title", "utterance", "query_text", "dialogue"])
def test_a_prompt_may_stand_alone(folder: Path, name: str) -> None:
    """A response may be absent."""
    assert read_json(folder, [{name: "q", "x": 1}]).pairs == [("q", None)]


def test_no_name_means_two_things() -> None:
    """The table is one-to-one: no key can be both a prompt and something else."""
    roles = [
        {*synonyms.CONTENT_FIRM, *synonyms.CONTENT_LOOSE, *synonyms.CONTENT_PAIRED},
        {*synonyms.RESPONSE_FIRM, *synonyms.RESPONSE_LOOSE},
        set(synonyms.DOMAIN),
        set(synonyms.EMOTION),
        set(synonyms.FREQUENCY),
        set(synonyms.DATE),
    ]
    names = [synonyms.canonical(name) for role in roles for name in role]
    assert len(names) == len(set(names))


def test_the_better_name_wins_and_the_other_is_kept(folder: Path) -> None:
    """A key that could be the prompt, beside a better one, is metadata."""
    [example] = read_json(folder, [{"content": "c", "text": "t", "prompt": "p", "answer": "a", "output": "o"}]).examples
    assert (example.content, example.response) == ("p", "a")
    assert example.metadata == {"content": "c", "text": "t", "output": "o"}


def test_what_has_no_column_goes_to_the_metadata(folder: Path) -> None:
    """Under its own key, with its own type; a record's own id and source are such keys, too."""
    extra = {"id": 7, "source": "book", "topic": "t", "tags": ["x"], "score": 0.5, "none": None, "deep": {"a": [1]}}
    [example] = read_json(folder, [{"prompt": "q", "completion": "r", **extra}]).examples
    assert example.metadata == extra
    assert example.source == f"{folder}/a.json#/0"


def test_metadata_of_its_own_is_merged_unless_it_collides(folder: Path) -> None:
    """A collision leaves it nested; what is no object stays as it is."""
    row = {"prompt": "q", "topic": "t"}
    rows = [{**row, "metadata": metadata} for metadata in ({"a": 1}, {"topic": "x", "a": 1}, "text")]
    found = [example.metadata for example in read_json(folder, rows).examples]
    assert found == [
        {"topic": "t", "a": 1},
        {"topic": "t", "metadata": {"topic": "x", "a": 1}},
        {"topic": "t", "metadata": "text"},
    ]


def test_nested_texts_give_their_emotion_and_keep_the_rest(folder: Path) -> None:
    """Emotion and frequency are those of the query; the response's stay with it."""
    row = {
        "query": {"text": "q", "emotion": "joy", "frequency": 10, "basis": "b"},
        "response": {"text": "r", "emotion": "calm", "frequency": 8, "source": "s"},
    }
    [example] = read_json(folder, [row]).examples
    assert (example.content, example.response, example.emotion, example.frequency_hz) == ("q", "r", "joy", 10.0)
    assert example.metadata == {
        "query": {"basis": "b"},
        "response": {"emotion": "calm", "frequency": 8, "source": "s"},
    }


def test_emotion_and_frequency_are_those_of_the_query(folder: Path) -> None:
    """Flat records name them by a prefix; the response's go to the metadata."""
    row = {"query": "q", "response": "r", "response_emotion": "calm", "response_frequency": 8, "emotion": "other"}
    [example] = read_json(folder, [{**row, "query_emotion": "joy", "query_frequency": 7.83}]).examples
    assert (example.emotion, example.frequency_hz) == ("joy", 7.83)
    assert example.metadata == {"response_emotion": "calm", "response_frequency": 8, "emotion": "other"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("emotion", 5),
        ("emotion", ["joy"]),
        ("emotion", "  "),
        ("frequency", "8-13 Hz"),
        ("frequency", -1),
        ("frequency", True),
        ("frequency", "1_000"),
        ("frequency", "٣"),
        ("frequency", 2**60 + 1),
        ("frequency_range", [0.5, 4]),
        ("date", "yesterday"),
        ("timestamp", 1_697_500_000),
        ("date", "2025-02-30"),
        ("domain", 5),
        ("domain", " "),
        ("created_at", {"$date": "2025-01-01"}),
    ],
)
def test_an_optional_value_that_cannot_be_used_stays_where_it_was(folder: Path, key: str, value: Any) -> None:
    """It is never lost, never guessed and never a reason to reject."""
    [example] = read_json(folder, [{"prompt": "q", key: value}]).examples
    assert example.metadata == {key: value}
    assert (example.emotion, example.frequency_hz, example.created_at) == (None, None, None)
    assert example.domain == "waves"


@pytest.mark.parametrize(("value", "hz"), [(432, 432.0), (7.83, 7.83), ("528", 528.0), ("4.5e1", 45.0), (0, 0.0)])
def test_frequencies_are_numbers_or_numeric_text(folder: Path, value: Any, hz: float) -> None:
    """Anything that is plainly one number."""
    [example] = read_json(folder, [{"prompt": "q", "frequency": value}]).examples
    assert example.frequency_hz == hz and example.metadata == {}


def test_the_first_usable_value_fills_a_column(folder: Path) -> None:
    """A better name with an unusable value does not hide a worse one; null says nothing."""
    row = {"prompt": "q", "created_at": "soon", "date": "2025-01-02", "emotion": None, "mood": "calm", "hz": None}
    [example] = read_json(folder, [row]).examples
    assert (example.created_at, example.emotion) == ("2025-01-02T00:00:00Z", "calm")
    assert example.metadata == {"created_at": "soon", "date": "2025-01-02"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2025-10-17T00:39:20.063180", "2025-10-17T00:39:20.063180Z"),
        ("2025-10-17 02:39+02:00", "2025-10-17T00:39:00Z"),
        ("2025-10-17", "2025-10-17T00:00:00Z"),
    ],
)
def test_dates_are_shown_in_utc_and_kept_as_read(folder: Path, text: str, shown: str) -> None:
    """The text stays beside the moment, unless it is the very text that will be shown."""
    read, again = read_json(folder, [{"prompt": "q", "date": text}, {"prompt": "q", "date": shown}]).examples
    assert read.created_at == again.created_at == shown
    assert read.metadata == {"date": text} and again.metadata == {}


CONVERSATION = [
    {"role": "system", "content": "be kind"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": None, "tool_calls": []},
    {"role": "assistant", "content": "r"},
    {"role": "user", "content": "more"},
]


def test_a_conversation_is_one_record(folder: Path) -> None:
    """Its first question and the answer to it; the whole of it is kept when there is more."""
    [example] = read_json(folder, [{"id": 1, "title": "Chat", "messages": CONVERSATION}]).examples
    assert (example.content, example.response) == ("q", "r")
    assert example.metadata == {"id": 1, "title": "Chat", "messages": CONVERSATION}


def test_parts_of_a_turn_are_read_as_its_text(folder: Path) -> None:
    """Pictures and the like stay in the metadata with the whole conversation."""
    parts = [
        {"type": "text", "text": "what is"},
        {"type": "image_url", "image_url": {}},
        {"type": "text", "text": "this"},
    ]
    [example] = read_json(folder, [{"messages": [{"role": "user", "content": parts}]}]).examples
    assert (example.content, example.response) == ("what is\nthis", None) and "messages" in example.metadata


def test_a_conversation_without_a_question_is_rejected(folder: Path) -> None:
    """It is a record that lacks its prompt, and no container of records."""
    reading = read_json(folder, [{"messages": [{"role": "system", "content": "be kind"}]}])
    assert reading.reasons == ["nobody asks anything in 'messages': no turn of a user with text"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": 5, "completion": "r"}, "'prompt' must be text and is a number"),
        ({"prompt": ["q"]}, "'prompt' must be text and is a list"),
        ({"prompt": "q", "completion": ["r"]}, "'completion' must be text and is a list"),
        ({"prompt": "q", "answer": 42}, "'answer' must be text and is a number"),
        ({"prompt": "q", "completion": {"a": 1}}, "'completion' must be text and is an object without a text in it"),
        ({"prompt": True}, "'prompt' must be text and is a boolean"),
        ({"text": ["q"]}, "'text' must be text and is a list"),
        ({"prompt": " \n", "completion": "r"}, "'prompt' is blank"),
        ({"text": ""}, "'text' is blank"),
        ({"prompt": None}, "fits no known shape (keys: prompt)"),
        ({}, "fits no known shape (keys: none)"),
    ],
)
def test_a_wrong_type_names_the_key(folder: Path, row: Row, reason: str) -> None:
    """A required value of the wrong type is a rejection that says what is wrong; the record is kept as it was."""
    [rejected] = read_json(folder, [row, {"prompt": "fine"}]).rejected
    assert rejected.reason == reason and rejected.record == row and rejected.keys == tuple(row)


def test_what_fits_nothing_names_its_keys_and_the_way_out(folder: Path) -> None:
    """The hint is the option that takes it, and it does."""
    rows = [{"id": 1, "foo": "q", "bar": "r", "n": 5}, {"my key": "q"}, {"a": {"b": "q"}, "answer": "r"}]
    first, second, third = read_json(folder, rows).rejected
    assert first.keys == ("id", "foo", "bar", "n") and first.hint == "--map content=foo,response=bar"
    assert second.hint == "--map 'content=my key'" and third.hint == "--map content=a.b,response=answer"
    assert read_json(folder, rows[:1], content_key="foo", response_key="bar").pairs == [("q", "r")]
    assert read_json(folder, rows[1:2], content_key="my key").pairs == [("q", None)]
    assert read_json(folder, rows[2:], content_key="a.b").pairs == [("q", "r")]
    assert read_json(folder, [{"n": 5}]).rejected[0].hint is None


def test_map_takes_the_key_as_it_stands_before_the_path(folder: Path) -> None:
    """A dotted path leads into objects, whose other fields stay; a key with a dot in it is a key."""
    row = {
        "query.text": "dotted",
        "query": {"text": "nested", "basis": "b"},
        "out": {"deep": {"er": "r"}},
        "prompt": "p",
    }
    [example] = read_json(folder, [row], content_key="query.text", response_key="out.deep.er").examples
    assert (example.content, example.response) == ("dotted", "r")
    assert example.metadata == {"query": {"text": "nested", "basis": "b"}, "prompt": "p"}
    del row["query.text"]
    [example] = read_json(folder, [row], content_key="query.text", response_key="out.deep.er").examples
    assert example.content == "nested" and example.metadata == {"query": {"basis": "b"}, "prompt": "p"}


def test_map_leaves_other_items_as_they_are(folder: Path) -> None:
    """An item without the mapped key is recognised as usual; one with a wrong type under it is rejected by name."""
    rows: list[Row] = [{"foo": "q", "prompt": "p"}, {"prompt": "p", "answer": "r"}, {"foo": 5}]
    reading = read_json(folder, rows, content_key="foo")
    assert reading.pairs == [("q", None), ("p", "r")]
    assert reading.reasons == ["'foo' must be text and is a number"]


def test_one_list_may_mix_shapes(folder: Path) -> None:
    """Detection is per item, never per file."""
    reading = read_json(folder, [*PAIRS.values(), {"foo": 1}])
    assert reading.pairs == [("q", "r")] * len(PAIRS) and len(reading.rejected) == 1


def test_domains_come_from_the_item_the_container_or_the_folder(folder: Path) -> None:
    """The nearest wins; names are trimmed and normalised, case is kept; ``--domain`` overrides all and loses none."""
    item = {"prompt": "q", "domain": " Cafe\u0301 "}
    document = {"category": "outer", "entries": [item, {"prompt": "q"}]}
    assert [each.domain for each in read_json(folder, document).examples] == ["Caf\u00e9", "outer"]
    assert read_json(folder, [{"prompt": "q"}]).examples[0].domain == "waves"
    forced = read_json(folder, document, domain="forced")
    assert [each.domain for each in forced.examples] == ["forced", "forced"]
    assert forced.examples[0].metadata == {"domain": " Cafe\u0301 "}
    assert forced.containers[0].metadata == {"category": "outer"} and forced.containers[0].domain == "forced"
