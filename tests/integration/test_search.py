"""Searching: three ways of asking, the same filters, and never a row that is not there."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from helpers import ask, samples
from mcai.client import Client
from mcai.embed.static import WordLlamaEmbedder
from mcai.errors import DimensionMismatchError, InvalidRequestError, McaiError
from mcai.paths import Home

MODES = ("hybrid", "semantic", "keyword")
ROWS: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "neuroscience",
        "What are alpha waves?",
        "Rhythms of a calm, wakeful brain.",
        {"emotion": "calm", "frequency_hz": 10.0},
    ),
    ("neuroscience", "What are gamma waves?", "Fast rhythms of attention.", {"frequency_hz": 40.0}),
    ("cooking", "How do I boil an egg?", "Seven minutes in simmering water.", {"source": "/data/kitchen/eggs.json#1"}),
    ("cooking", "How long does rice take?", "Twelve minutes with the lid on.", {"created_at": "2025-06-01"}),
    ("astronomy", "Why does the moon shine?", "It reflects the sunlight.", {"metadata": {"frequency_range": [1, 5]}}),
    ("astronomy", "What is a comet?", "A ball of ice and dust with a tail.", {"emotion": "Awe"}),
    ("music", "What makes a chord minor?", "A third of three semitones. Zymurgy is not music.", {}),
]


@pytest.fixture(scope="module", autouse=True)
def rows(daemon_home: Home) -> None:
    """A small store of different subjects, in the background a crowd that is like none of them."""
    crowd = [{**each, "domain": "crowd"} for each in samples(40)]
    subjects = [
        {"domain": domain, "content": content, "response": answer, **more} for domain, content, answer, more in ROWS
    ]
    with Client(daemon_home.dir, start=False) as client:
        client.add([*crowd, *subjects])


def _found(client: Client, asked: Any, **options: Any) -> list[str]:
    return [hit.content for hit in client.search(asked, **options).hits]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_finds_the_obvious(client: Client, mode: Any) -> None:
    """Words and meaning of a row find it first; scores are 0..1 and fall, ties go by id."""
    found = client.search("alpha waves calm brain", mode, limit=20)

    assert found.hits[0].content == "What are alpha waves?" and found.mode == mode
    assert all(0 <= hit.score <= 1 for hit in found.hits)
    order = [(-hit.score, hit.id) for hit in found.hits]
    assert order == sorted(order) and len({hit.id for hit in found.hits}) == len(found.hits)
    assert found.took_ms > 0 and found.index_epoch == found.epoch


def test_semantic_finds_what_shares_no_word(client: Client) -> None:
    """Meaning is enough; words are not needed."""
    assert "How do I boil an egg?" in _found(client, "cooking breakfast", mode="semantic", limit=3)


def test_keyword_finds_a_rare_word_of_the_response(client: Client) -> None:
    """Full text looks into responses too, whatever the case; nothing else has that word."""
    assert _found(client, "ZYMURGY", mode="keyword") == ["What makes a chord minor?"]


def test_keyword_finds_nothing_without_a_common_word(client: Client) -> None:
    """A word that no row has is no hit in keyword mode, and no error."""
    assert _found(client, "xylophonist", mode="keyword") == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"domain": "cooking"}, ["How do I boil an egg?", "How long does rice take?"]),
        ({"domain": ["cooking", "music"], "source": "/data/kitchen"}, ["How do I boil an egg?"]),
        ({"emotion": "AWE"}, ["What is a comet?"]),
        ({"frequency": "8..13"}, ["What are alpha waves?"]),
        ({"frequency": (None, 10), "domain": "astronomy"}, ["Why does the moon shine?"]),
        ({"since": "2025-06-01", "until": "2025-06-02"}, ["How long does rice take?"]),
        ({"domain": "nowhere"}, []),
        ({"source": "/data/kit"}, []),
    ],
    ids=str,
)
def test_filters_narrow_every_mode(client: Client, mode: Any, filters: dict[str, Any], expected: list[str]) -> None:
    """A search shows only what its filters pick, and all of that when it is alike at all."""
    asked = "what how why does the egg rice moon comet waves take"

    assert set(_found(client, asked, mode=mode, limit=50, **filters)) == set(expected)


def test_explanation_is_only_given_when_asked_for(client: Client) -> None:
    """`explain` tells sides, weights and matched words; without it there is none."""
    [hit] = client.search("alpha waves", limit=1, explain=True).hits

    assert isinstance(hit.explain, dict) and set(hit.explain) >= {"semantic", "keyword", "matched_words"}
    assert hit.explain["matched_words"] == ["alpha", "waves"]
    assert not isinstance(client.search("alpha waves", limit=1).hits[0].explain, dict)


def test_vector_finds_what_its_text_finds(client: Client) -> None:
    """A vector of the same model is the same question; lists and arrays are taken alike."""
    vector = WordLlamaEmbedder().embed(["ways to cook"])[0]
    by_text = client.search("ways to cook", "semantic", limit=20)

    for asked in (vector, vector.tolist()):
        by_vector = client.search(asked, limit=20)
        assert by_vector.mode == "semantic"
        assert [hit.id for hit in by_vector.hits] == [hit.id for hit in by_text.hits]
        assert [hit.score for hit in by_vector.hits] == pytest.approx([hit.score for hit in by_text.hits], abs=1e-4)


@pytest.mark.parametrize("length", [0, 1, 255, 257, 1536])
def test_vector_of_another_length_is_refused(client: Client, length: int) -> None:
    """The error names both lengths; nothing is cut or filled up."""
    with pytest.raises(DimensionMismatchError, match=rf"{length} numbers, the snapshot"):
        client.search([0.5] * length)


def test_vector_of_no_direction_finds_nothing(client: Client) -> None:
    """All zeros are like nothing."""
    assert _found(client, [0.0] * 256) == []


@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
def test_vector_has_no_words(client: Client, mode: Any) -> None:
    """A vector searches by likeness alone; asking for more is an error."""
    with pytest.raises(InvalidRequestError, match="needs a text"):
        client.search([0.5] * 256, mode)


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_blank_query_is_refused(client: Client, text: str) -> None:
    """A blank text asks for nothing; the hint says how to page."""
    with pytest.raises(InvalidRequestError, match="blank") as caught:
        client.search(text)

    assert "Leave it out" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "!!! ??? ---",
        "'; DROP TABLE examples; --",
        '"unclosed phrase',
        "+must -not field:value^2 ~1 (a OR b",
        "*",
        "👋",
        "\x00",
        "\u202e",
        "the",
        "a" * 10_000,
        "alpha " * 5_000,
    ],
    ids=lambda text: repr(text)[:30],
)
@pytest.mark.parametrize("mode", MODES)
def test_any_text_is_only_text(client: Client, mode: Any, text: str) -> None:
    """Symbols, query syntax of some engine, very long texts: all are words to look for, none is an error."""
    found = client.search(text, mode)

    assert len(found.hits) <= 10 and all(0 <= hit.score <= 1 for hit in found.hits)


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_limit_beyond_1_to_1000_is_refused(client: Client, limit: int) -> None:
    """As with pages."""
    with pytest.raises(InvalidRequestError, match="1 to 1,000"):
        client.search("calm", limit=limit)


def test_limit_counts_hits(client: Client) -> None:
    """As many hits as asked for, as long as there are rows alike; 1,000 is allowed."""
    assert len(client.search("question", limit=1).hits) == 1
    assert len(client.search("question", limit=1_000, domain="crowd").hits) == 40


def test_added_row_is_found_at_once(client: Client) -> None:
    """Read your writes: a search right after the acknowledgement finds the row, again and again."""
    for number in range(5):
        content = f"the heron of pond {number} stands still"
        client.add([{"content": content, "domain": "fresh"}])
        assert content in _found(client, content, limit=3)


def test_other_client_finds_it_too(client: Client, daemon_home: Home) -> None:
    """A small backlog is waited for, also by a client that wrote nothing."""
    client.add([{"content": "the kingfisher dives into the brook", "domain": "fresh"}])

    with Client(daemon_home.dir, start=False) as other:
        assert _found(other, "kingfisher brook", mode="keyword") == ["the kingfisher dives into the brook"]


def test_edited_row_is_found_by_its_new_text_alone(client: Client) -> None:
    """After an edit the old text finds nothing, the new one does; the hit shows the new row."""
    [item] = client.add([{"content": "quixotic windmills", "domain": "edited"}]).results
    client.edit(int(str(item.id)), content="serendipitous lighthouses", emotion="joy")

    assert _found(client, "quixotic", mode="keyword") == []
    [hit] = client.search("serendipitous", "keyword").hits
    assert (hit.id, hit.content, hit.emotion) == (item.id, "serendipitous lighthouses", "joy")
    assert "quixotic windmills" not in _found(client, "quixotic windmills", limit=100)


def test_deleted_row_never_surfaces(client: Client, daemon_home: Home) -> None:
    """While rows come and go, no search shows one that was deleted before it was asked (I5)."""
    stop, failures = threading.Event(), []

    def search() -> None:
        with Client(daemon_home.dir, start=False) as reader:
            while not stop.is_set():
                before = frozenset(gone)
                hits = {hit.id for hit in reader.search("ephemeral mayfly", limit=50, domain="fleeting").hits}
                if hits & before:
                    failures.append(hits & before)

    gone: list[int] = []
    thread = threading.Thread(target=search)
    thread.start()
    for number in range(12):
        rows = [{"content": f"ephemeral mayfly {number}/{each}", "domain": "fleeting"} for each in range(5)]
        ids = [int(str(item.id)) for item in client.add(rows).results]
        client.delete(ids)
        gone.extend(ids)
    stop.set()
    thread.join()

    assert failures == [] and _found(client, "ephemeral mayfly", domain="fleeting") == []


def test_epoch_that_is_to_come_is_refused_for_now(client: Client, daemon_home: Home) -> None:
    """A search that names an epoch the store has not reached gets a 503 at once."""
    ahead = client.status().epoch + 1

    reply = ask(daemon_home, "POST", f"/v1/search?min_epoch={ahead}", {"text": "calm"})

    assert (reply.status, reply.code) == (503, "epoch_not_reached") and "retry-after" in reply.headers


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": None},
        {"text": "calm", "vector": [1.0]},
        {"text": 5},
        {"text": "calm", "mode": "psychic"},
        {"text": "calm", "limit": "ten"},
        {"text": "calm", "unknown": 1},
        {"text": "calm", "domain": 5},
        {"text": "calm", "domain": [5]},
        {"text": "calm", "frequency": "high"},
        {"text": "calm", "since": "soon"},
        {"vector": ["a"]},
        [],
    ],
    ids=str,
)
def test_unusable_question_is_refused(daemon_home: Home, body: Any) -> None:
    """Each fault of a request is a 400 that says what does not fit."""
    reply = ask(daemon_home, "POST", "/v1/search", body)

    assert (reply.status, reply.code) == (400, "invalid_request")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_vector_of_no_numbers_is_refused(daemon_home: Home, number: str) -> None:
    """What JSON has no number for is no vector."""
    reply = ask(daemon_home, "POST", "/v1/search", f'{{"vector": [{number}]}}'.encode())

    assert (reply.status, reply.code) == (400, "invalid_request")


def test_vector_of_huge_numbers_does_no_harm(client: Client) -> None:
    """Numbers beyond float32 give an error or no hits, never a broken daemon."""
    try:
        assert all(0 <= hit.score <= 1 for hit in client.search([1e300] * 256).hits)
    except McaiError as error:
        assert error.code != "internal"
    assert client.status().index.state in ("ready", "catching_up")
