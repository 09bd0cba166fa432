"""Labelled text: labels at line starts, answers of any number of lines, fences that close and fences that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from formats_kit import Reading, read_bytes, read_text
from mcai.formats import Span


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "waves"
    made.mkdir()
    return made


def read(folder: Path, text: str) -> Reading:
    reading = read_text(folder, "a.txt", text)
    assert reading.summary.shape == "txt"
    return reading


def test_records_of_many_lines(folder: Path) -> None:
    """Blank lines, bullets and headings belong to the text; its outer blanks do not; positions are line numbers."""
    text = "Prompt:  a\nb\nCompletion: # c\n\n- d\n\n  e  \n\n\nPrompt: f\nCompletion:\n\ng\n"
    reading = read(folder, text)
    assert reading.pairs == [("a\nb", "# c\n\n- d\n\n  e"), ("f", "g")]
    assert reading.positions == ["1", "10"] and reading.examples[0].metadata == {}


@pytest.mark.parametrize(
    ("start", "answer"),
    [
        ("Prompt", "Completion"),
        ("prompt", "completion"),
        ("Prompt", "Response"),
        ("Q", "A"),
        ("q", "a"),
        ("Question", "Answer"),
        ("User", "Assistant"),
        ("User", "AI"),
        ("user", "ai"),
        ("Human", "Assistant"),
        ("Instruction", "Output"),
    ],
)
def test_pairs_of_labels(folder: Path, start: str, answer: str) -> None:
    """Each pair is known, capitalised or all lower."""
    assert read(folder, f"{start}: a\n{answer}: b\n\n{start}: c\n{answer}: d").pairs == [("a", "b"), ("c", "d")]


def test_the_first_label_decides_the_pair(folder: Path) -> None:
    """Other labels, labels within a line, indented ones and those of another case are text."""
    answer = "b\nUser: x\nQ: y\n prompt: z\nprompt: z\nthe Prompt: w\n Prompt: v\nCompletion: u\nAnswer: t"
    assert read(folder, f"Prompt: a\nCompletion: {answer}\n").pairs == [("a", answer)]


def test_line_ends_and_marks(folder: Path) -> None:
    """CRLF and a byte order mark are accepted, and are no part of the text."""
    reading = read(folder, "\ufeffPrompt: a\r\nCompletion: b\r\nc\r\n\r\nPrompt: d\r\nCompletion: e\r\n")
    assert reading.pairs == [("a", "b\nc"), ("d", "e")]


def test_other_line_separators_are_text(folder: Path) -> None:
    """Only a line feed ends a line: no other character can make a label."""
    for separator in "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\r":
        [pair] = read(folder, f"Prompt: a\nCompletion: b{separator}Prompt: c").pairs
        assert pair == ("a", f"b{separator}Prompt: c")


FENCED = [
    "see\n```\nPrompt: x\nCompletion: y\n```\nend",
    "see\n```text\nPrompt: x\n\nPrompt: z\nCompletion: y\n```\nend",
    "see\n~~~~\nPrompt: x\n~~~\n```\n~~~~\nend",
    "```\nCompletion: x\nPrompt: y\n```",
    "see\n```\ncode\n\nPrompt: x\n```\nend",
]


@pytest.mark.parametrize("answer", FENCED)
def test_labels_in_a_fenced_block_are_text(folder: Path, answer: str) -> None:
    """Backticks or tildes, with blank lines and other fences inside."""
    reading = read(folder, f"Prompt: a\nCompletion: {answer}\n\nPrompt: b\nCompletion: c\n")
    assert reading.pairs == [("a", answer), ("b", "c")]


def test_labels_in_a_fenced_block_of_a_prompt_are_text(folder: Path) -> None:
    """A question may show the format, too."""
    prompt = "what is\n```\nPrompt: x\nCompletion: y\n```"
    assert read(folder, f"Prompt: {prompt}\nCompletion: c\n").pairs == [(prompt, "c")]


@pytest.mark.parametrize("opener", ["```python", "```", "text\n```", "text\n~~~"])
@pytest.mark.parametrize(
    "later",
    [
        "plain",
        "```python\ny = 1\n```",
        "some\n```\ny = 1\n```\nmore",
        "some\n```js\ny = 1",
    ],
)
def test_an_open_fence_swallows_nothing(folder: Path, opener: str, later: str) -> None:
    """A fence that nobody closes is no block: the records after it stand, whatever fences they hold."""
    answers = [f"{opener}\nx = 1", "plain", later, "last"]
    text = "\n\n".join(f"Prompt: p{at}\nCompletion: {answer}" for at, answer in enumerate(answers))
    assert [response for _, response in read(folder, text).pairs] == answers


def test_text_outside_any_record_is_rejected(folder: Path) -> None:
    """A preamble is found and rejected, once; a file without labels, too; white space is nothing."""
    reading = read(folder, "My notes\n\nof today\nPrompt: a\nCompletion: b")
    assert reading.reasons == ["text before the first 'Prompt:'"] and reading.pairs == [("a", "b")]
    assert reading.rejected[0].raw == b"My notes\n\nof today"
    assert read(folder, "no label\nat all").reasons[0].startswith("no line begins with a label such as 'Prompt:'")
    assert read(folder, " \n\n").summary.reason == "nothing but white space"


def test_a_record_without_its_answer_is_rejected(folder: Path) -> None:
    """In the middle and, torn, at the end; an empty answer is one."""
    reading = read(
        folder, "Prompt: a\nPrompt: b\nCompletion: c\nPrompt:\nCompletion: d\nPrompt: e\nCompletion:\nPrompt: f"
    )
    assert reading.pairs == [("b", "c"), ("e", "")]
    assert reading.reasons == [
        "no line after line 1 begins with 'Completion:' or 'Response:' or 'Answer:' or 'Output:'",
        "'Prompt:' has no text",
        "no line after line 8 begins with 'Completion:'",
    ]


def test_bad_bytes_cost_their_record(folder: Path) -> None:
    """Invalid UTF-8 and NUL are rejected with their line; the neighbours are read."""
    data = b"Prompt: caf\xe9\nCompletion: x\n\nPrompt: a\nCompletion: b\nc\0\n\nPrompt: fine\nCompletion: yes\n"
    reading = read_bytes(folder, "a.txt", data)
    assert reading.pairs == [("fine", "yes")]
    assert reading.reasons == ["line 1: invalid UTF-8", "line 6: a NUL character"]
    assert reading.rejected[0].raw == b"Prompt: caf\xe9\nCompletion: x"


@pytest.mark.parametrize("line_end", ["", "\n"])
def test_a_huge_record_is_rejected_without_being_held(folder: Path, line_end: str) -> None:
    """On one line or on many; a huge text without labels as well."""
    huge = ("x" * 1_023 + (line_end or "x")) * 3_000
    reading = read(folder, f"Prompt: a\nCompletion: {huge}\n\nPrompt: b\nCompletion: c\n")
    assert reading.pairs == [("b", "c")] and "too large" in reading.reasons[0]
    assert isinstance(reading.rejected[0].raw, Span) and reading.rejected[0].raw.length_bytes >= len(huge)
    reading = read(folder, huge)
    assert len(reading.rejected) == 1 and isinstance(reading.rejected[0].raw, Span)
