"""The shipped sample corpus is what its manifest, its README and its search labels say.

Records are read here by a few plain lines and not by mcai's own readers, so that the two cannot be wrong together.
"""

from __future__ import annotations

import ast
import csv
import json
import re
from collections import Counter
from functools import cache
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mcai import catalogs, times

DATA_DIR = catalogs.data_dir()
CONTENT_KEYS = ("prompt", "query", "question", "example_input")
RESPONSE_KEYS = ("completion", "response", "answer", "right_response")
LIST_KEYS = ("examples", "entries", "scenarios")
DATE_KEYS = ("timestamp", "generated_at", "added", "created")
WORD = re.compile(r"\w{3,}")


class Sample(NamedTuple):
    """One example of the corpus with what stands beside it in its file."""

    domain: str
    content: str
    response: str
    record: dict[str, Any]
    container: dict[str, Any]


def _text(record: dict[str, Any], keys: tuple[str, ...]) -> str:
    value = next(record[key] for key in keys if key in record)
    return str(value["text"] if isinstance(value, dict) else value)


def _records(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()], {}
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines, strict=True)), {}
    if path.suffix == ".txt":
        blocks = re.split(r"^Prompt: ", text, flags=re.MULTILINE)[1:]
        pairs = [re.split(r"\nCompletion: ", block.strip()) for block in blocks]
        return [{"prompt": prompt, "completion": completion} for prompt, completion in pairs], {}
    loaded = json.loads(text)
    if isinstance(loaded, list):
        return loaded, {}
    key = next(key for key in LIST_KEYS if key in loaded)
    return loaded[key], {name: value for name, value in loaded.items() if name != key}


@cache
def samples_by_file() -> dict[str, list[Sample]]:
    """Read every sample file; the key is the path below data/."""
    found: dict[str, list[Sample]] = {}
    for path in sorted(catalogs.sample_dir().rglob("*.*")):
        records, container = _records(path)
        found[path.relative_to(DATA_DIR).as_posix()] = [
            Sample(path.parent.name, _text(r, CONTENT_KEYS), _text(r, RESPONSE_KEYS), r, container) for r in records
        ]
    return found


@cache
def samples() -> list[Sample]:
    """Return the whole corpus."""
    return [sample for group in samples_by_file().values() for sample in group]


@cache
def labels() -> list[dict[str, str]]:
    """Return the labelled searches."""
    return [json.loads(line) for line in (DATA_DIR / "search_labels.jsonl").read_text(encoding="utf-8").splitlines()]


def manifest() -> dict[str, Any]:
    """Return data/manifest.json."""
    loaded: dict[str, Any] = json.loads((DATA_DIR / "manifest.json").read_text(encoding="utf-8"))
    return loaded


def test_manifest_is_true() -> None:
    """Each sample file is listed with its records and hash; after an edit the difference shown is what to write."""
    actual = [
        {"path": path, "records": len(group), "sha256": sha256((DATA_DIR / path).read_bytes()).hexdigest()}
        for path, group in samples_by_file().items()
    ]
    listed = [{key: entry[key] for key in ("path", "records", "sha256")} for entry in manifest()["files"]]
    assert actual == listed
    assert manifest()["records"] == len(samples())


def test_corpus_is_broad() -> None:
    """Newcomers meet many domains, and every reader of mcai meets a file of its kind."""
    assert len(samples()) >= 240
    assert len({sample.domain for sample in samples()}) >= 10
    assert len({entry["shape"] for entry in manifest()["files"]}) >= 7
    assert {Path(path).suffix for path in samples_by_file()} == {".json", ".jsonl", ".csv", ".txt"}


def test_readme_counts_are_true() -> None:
    """The figures in the data README are those of the files."""
    readme = (DATA_DIR / "README.md").read_text(encoding="utf-8")
    domains = {sample.domain for sample in samples()}
    assert f"{len(samples())} examples in {len(domains)} domains and {len(samples_by_file())} files" in readme
    assert f"{len(labels())} searches" in readme
    for domain, count in Counter(sample.domain for sample in samples()).items():
        assert re.search(rf"^\| `{domain}` \| {count} \|", readme, re.MULTILINE), domain


def test_texts_are_clean() -> None:
    """No blank, untrimmed or damaged text, and every answer is readable at a glance."""
    for sample in samples():
        for text in (sample.content, sample.response):
            assert text == text.strip() and text, sample.content
            assert not re.search(r"[\x00-\x08\x0b-\x1f\ufffd]|\\n|Ã|â€", text), sample.content
        assert len(sample.content) <= 120, sample.content
        assert len(sample.response) <= 700, sample.content


def test_no_example_repeats_another() -> None:
    """No prompt occurs twice, and no two answers share more than a fifth of their words in sequence."""
    prompts = Counter(sample.content.casefold() for sample in samples())
    assert [prompt for prompt, count in prompts.items() if count > 1] == []

    def shingles(text: str) -> set[tuple[str, ...]]:
        words = WORD.findall(text.casefold())
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    marked = [(sample.content, shingles(sample.response)) for sample in samples()]
    for (one, left), (other, right) in combinations(marked, 2):
        assert len(left & right) <= 0.2 * min(len(left), len(right)), f"{one!r} and {other!r}"


def test_domain_is_the_folder_however_it_is_found() -> None:
    """A record's or container's own domain never contradicts its folder, so labels can name it."""
    for sample in samples():
        own = sample.record.get("domain") or sample.container.get("domain") or sample.container.get("category")
        assert own in (None, sample.domain)


def test_emotions_and_dates_in_samples_are_usable() -> None:
    """An emotion is a catalog name with the catalog's frequency, and each date is one that mcai can read."""
    frequency = {e.name: e.neuroscience_freq or e.metaphysical_freq for e in catalogs.emotions()}
    with_emotion = [sample.record for sample in samples() if "query_emotion" in sample.record]
    turns = [sample.record[side] for sample in samples() for side in ("query", "response")
             if isinstance(sample.record.get(side), dict)]  # fmt: skip
    found = [(r[f"{side}_emotion"], r[f"{side}_frequency"]) for r in with_emotion for side in ("query", "response")]
    found += [(turn["emotion"], turn["frequency"]) for turn in turns]
    assert found
    assert [pair for pair in found if frequency.get(pair[0]) != pair[1]] == []
    dates = [part[key] for s in samples() for part in (s.record, s.container) for key in DATE_KEYS if key in part]
    assert dates
    assert [date for date in dates if times.parse(date) is None] == []


def test_frequencies_in_samples_are_ordered_ranges_or_numbers() -> None:
    """A frequency range has its lower end first; nothing is negative."""
    ranges = [sample.record["frequency_range"] for sample in samples() if "frequency_range" in sample.record]
    numbers = [sample.record["frequency"] for sample in samples() if "frequency" in sample.record]
    assert ranges and numbers
    assert all(len(pair) == 2 and 0 <= pair[0] < pair[1] for pair in ranges)
    assert all(number > 0 for number in numbers)


def test_csv_sample_needs_a_real_csv_reader() -> None:
    """The CSV holds quoted commas and line breaks, so that splitting at commas cannot pass for reading it."""
    answers = [record["answer"] for record in _records(catalogs.sample_dir() / "cooking/kitchen_questions.csv")[0]]
    assert any("," in answer for answer in answers)
    assert any("\n" in answer for answer in answers)


@pytest.mark.parametrize("path", ["programming/everyday_code.txt", "travel/on_the_way.txt"])
def test_txt_samples_follow_the_grammar(path: str) -> None:
    """Each record has one label of each kind at a line start, and answers hold bullets and blank lines."""
    text = (catalogs.sample_dir() / path).read_text(encoding="utf-8")
    labels_found = re.findall(r"^(Prompt|Completion): ", text, re.MULTILINE)
    assert labels_found == ["Prompt", "Completion"] * (len(labels_found) // 2)
    assert "\n- " in text and ".\n\n" in text


def test_python_in_answers_compiles() -> None:
    """Code that we show to others is at least valid Python."""
    blocks = [
        (sample.content, block)
        for sample in samples()
        for block in re.findall(r"^```python\n(.*?)^```$", sample.response, re.MULTILINE | re.DOTALL)
    ]
    assert len(blocks) >= 10
    for content, block in blocks:
        assert ast.parse(block).body, content


def test_brain_waves_and_calm_are_covered() -> None:
    """The question of the quickstart has something to find: alpha waves in prompts about being calm."""
    prompts = [sample.content.casefold() for sample in samples() if sample.domain == "neuroscience"]
    assert sum("alpha" in prompt for prompt in prompts) >= 4
    assert any("alpha" in prompt and "calm" in prompt for prompt in prompts)


def test_labels_point_at_examples() -> None:
    """Each label names an existing example by domain and content, and only once for one query."""
    known = {(sample.domain, sample.content) for sample in samples()}
    assert len(labels()) >= 150
    assert [label for label in labels() if (label["domain"], label["content"]) not in known] == []
    assert {tuple(label) for label in labels()} == {("query", "domain", "content")}
    queries = Counter(label["query"].casefold() for label in labels())
    assert [query for query, count in queries.items() if count > 1] == []


def test_labels_are_searches_and_not_copies() -> None:
    """No query is its own answer: none equals a prompt, and all are trimmed, single-line text."""
    prompts = {re.sub(r"\W+", " ", sample.content.casefold()).strip() for sample in samples()}
    for label in labels():
        query = label["query"]
        assert query == query.strip() and query and "\n" not in query
        assert re.sub(r"\W+", " ", query.casefold()).strip() not in prompts, query


def test_labels_cover_all_domains_and_ways_of_asking() -> None:
    """Weights chosen here are weights for everyone: all domains, short and long, by prompt and by answer text."""
    answers = {(sample.domain, sample.content): sample.response for sample in samples()}
    per_domain = Counter(label["domain"] for label in labels())
    assert set(per_domain) == {sample.domain for sample in samples()}
    assert min(per_domain.values()) >= 10
    lengths = [len(label["query"].split()) for label in labels()]
    assert sum(length <= 2 for length in lengths) >= 20
    assert sum(length >= 8 for length in lengths) >= 20
    through_answer = 0
    for label in labels():
        words = set(WORD.findall(label["query"].casefold()))
        in_answer = words & set(WORD.findall(answers[label["domain"], label["content"]].casefold()))
        through_answer += len(in_answer) > len(words & set(WORD.findall(label["content"].casefold())))
    assert through_answer >= 20
