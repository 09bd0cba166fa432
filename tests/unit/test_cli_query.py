"""`mcai query`: both forms, every format, and what a person sees of hostile or long texts."""

from __future__ import annotations

import csv
import io
import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_fakes import FakeClient, Ran, example, mcai
from mcai_cli.output import clean

EXAMPLE_FIELDS = {
    *("id", "domain", "content", "response", "emotion", "frequency_hz", "created_at", "source", "metadata"),
}


def test_search_document_is_the_contract_s() -> None:
    """`query TEXT --json` prints hits with scores, mode, epochs and time, and nothing else on stdout."""
    ran = mcai("query", "alpha waves", "--json", client=FakeClient([example()]))
    assert ran.code == 0 and ran.stderr == ""
    assert ran.document.keys() == {"hits", "mode", "epoch", "index_epoch", "took_ms"}
    assert ran.document["hits"][0].keys() == EXAMPLE_FIELDS | {"score"}


def test_page_document_is_the_contract_s() -> None:
    """`query --json` prints a page: examples, next_cursor, epoch."""
    ran = mcai("query", "--limit", "1", "--json", client=FakeClient([example(1), example(2)]))
    assert ran.document.keys() == {"examples", "next_cursor", "epoch"}
    assert ran.document["examples"][0].keys() == EXAMPLE_FIELDS and ran.document["next_cursor"] == "1"


def test_explain_is_part_of_each_hit() -> None:
    """--explain adds where a score comes from, in JSON and for people."""
    client = FakeClient([example()])
    assert mcai("query", "x", "--explain", "--json", client=client).document["hits"][0]["explain"]["vector"] == 0.5
    assert "vector 0.5, text (content 0.25)" in mcai("query", "x", "--explain", client=client).stdout


def test_every_option_reaches_the_daemon() -> None:
    """Mode, limit and all filters arrive as they were typed; domains may be several."""
    words = shlex.split("alpha --mode keyword --limit 20 --domain a --domain b --emotion calm --frequency 8..12")
    words += shlex.split("--since 2025-01-01 --until 2026-01-01 --source /data --json")
    [(verb, given_)] = mcai("query", *words).client.calls
    assert verb == "search"
    assert given_ == {
        **{"text": "alpha", "mode": "keyword", "limit": 20, "explain": False, "domain": ["a", "b"], "emotion": "calm"},
        **{"frequency": "8..12", "since": "2025-01-01", "until": "2026-01-01", "source": "/data"},
    }


def test_defaults_are_10_hits_and_100_rows() -> None:
    """Without --limit a search gives 10 hits and a page 100 rows; several words are one text."""
    [(_, searched)] = mcai("query", "sort", "a", "list").client.calls
    [(_, paged)] = mcai("query").client.calls
    assert (searched["text"], searched["limit"], searched["mode"]) == ("sort a list", 10, "hybrid")
    assert (paged["limit"], paged["cursor"]) == (100, None)


def test_an_empty_text_is_a_search_for_nothing() -> None:
    """`mcai query ""` asks the daemon to search, which refuses; it is never taken for a page of everything."""
    [(verb, given_)] = mcai("query", "").client.calls
    assert (verb, given_["text"]) == ("search", "")


def test_jsonl_prints_one_example_a_line() -> None:
    """--format jsonl is a stream, --json or not; the cursor goes to stderr."""
    client = FakeClient([example(1), example(2), example(3)])
    for words in (["--format", "jsonl"], ["--format", "jsonl", "--json"]):
        ran = mcai("query", "--limit", "2", *words, client=client)
        rows = [json.loads(line) for line in ran.stdout.splitlines()]
        assert [row["id"] for row in rows] == [1, 2] and rows[0].keys() == EXAMPLE_FIELDS
        assert "--cursor 2" in ran.stderr


def test_csv_has_a_header_and_metadata_as_json() -> None:
    """--format csv quotes what needs it; metadata is JSON; a null is an empty field; hits end in their score."""
    text = 'a "quoted", text\nof two lines'
    client = FakeClient([example(1, content=text, response=None)])
    [row] = csv.DictReader(io.StringIO(mcai("query", "--format", "csv", client=client).stdout))
    assert list(row) == shlex.split("id domain content response emotion frequency_hz created_at source metadata")
    assert (row["content"], row["response"], row["metadata"]) == (text, "", '{"topic":"waves"}')
    [hit] = csv.DictReader(io.StringIO(mcai("query", "x", "--format", "csv", client=client).stdout))
    assert hit["score"] == "0.9"


def test_json_and_csv_exclude_each_other() -> None:
    """Two wishes for one stdout are refused instead of one being ignored."""
    assert mcai("query", "--json", "--format", "csv").code == 2


def shown(*rows: Any, words: tuple[str, ...] = ("query", "alpha"), tty: bool = False, **attributes: Any) -> Ran:
    client = FakeClient(list(rows))
    vars(client).update(attributes)
    return mcai(*words, client=client, tty=tty)


def test_hits_show_score_place_and_text() -> None:
    """A hit names its score, domain, id and emotion, and shows prompt and answer."""
    text = shown(example(12)).stdout
    assert all(
        part in text for part in ("0.900", "neuroscience", "id 12", "calm", "10 Hz", "alpha waves", "eyes close")
    )
    assert "1 hit, hybrid" in text


def test_long_answers_are_cut_and_say_how_to_see_all() -> None:
    """An answer of many lines takes three, with the command that shows the whole; --full cuts nothing."""
    row = example(5, response="\n".join(f"line {n}" for n in range(50)))
    cut = shown(row).stdout
    assert "line 2" in cut and "line 3" not in cut and "mcai get 5" in cut
    whole = shown(row, words=("query", "alpha", "--full")).stdout
    assert "line 49" in whole and "mcai get 5" not in whole


def test_the_cut_keeps_a_match_in_sight() -> None:
    """A matched word deep inside a long prompt is what the cut shows."""
    assert "the ALPHA rhythm" in shown(example(content="word " * 3000 + "the ALPHA rhythm " + "word " * 3000)).stdout


def test_matched_words_are_marked_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal matches are bold and underlined, which NO_COLOR leaves; no colour code is written then."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    text = shown(example(), tty=True).stdout
    assert "\x1b[1;4malpha\x1b[0m" in text
    assert not any(f"\x1b[{code}" in text or f";{code}m" in text for code in range(30, 38))


def test_colours_are_used_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets colour, a pipe gets none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[36m" in shown(example(), tty=True).stdout
    assert "\x1b" not in shown(example()).stdout


HOSTILE = "[bold]x[/b] [@click=app.quit]y[/] \x1b]0;title\x07\x1b[2J\x9b31m \u202eevil\u2066 :smile: \r over"


@pytest.mark.parametrize("words", [("query", "alpha"), ("query",), ("query", "--full"), ("get", "1"), ("datasets",)])
def test_user_text_is_neither_markup_nor_control(words: tuple[str, ...]) -> None:
    """Brackets are shown as they are, and no escape, bell, C1 or bidi character reaches the terminal."""
    ran = shown(example(1, domain=HOSTILE, content=HOSTILE, response=HOSTILE, source=HOSTILE), words=words)
    assert ran.code == 0 and "[bold]" in ran.stdout
    assert not any(character in ran.stdout for character in "\x1b\x07\x9b\u202e\u2066\r")


@given(st.text())
def test_cleaned_text_has_no_control_characters(text: str) -> None:
    """Whatever is stored, only line feeds and tabs are left of its control characters, and UTF-8 can carry it."""
    safe = clean(text)
    safe.encode()
    assert not [c for c in safe if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0]


@pytest.mark.parametrize(
    "words", [("query", "alpha"), ("query",), ("get", "1"), ("datasets",), ("status",), ("emotions",)]
)
def test_80_columns_are_enough(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wider than the terminal, however long the texts and names are."""
    monkeypatch.setenv("COLUMNS", "80")
    ran = shown(
        example(1, domain="d" * 200, content="c" * 500, response="wide 字 " * 200, source="/p" * 200), words=words
    )
    assert max(map(len, ran.stdout.splitlines())) <= 80


def test_nothing_found_says_what_to_try() -> None:
    """An empty answer is not silence."""
    assert "mcai datasets" in shown(words=("query", "x")).stdout
    assert "--mode semantic" in shown(words=("query", "x", "--mode", "keyword")).stdout
    assert "filters" in shown(words=("query", "x", "--domain", "d")).stdout
    assert "mcai datasets" in shown(words=("query",)).stdout


def test_an_index_that_lags_is_mentioned() -> None:
    """When the index is behind the store, stderr says that the newest rows may be missing."""
    assert "epoch 3 of 7" in shown(example(), index_epoch=3).stderr
    assert shown(example()).stderr == ""
