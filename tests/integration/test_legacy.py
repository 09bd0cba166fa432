"""The old application's calls: its shapes, without its faults."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import mcai.legacy
from helpers import samples
from mcai.client import Client
from mcai.embed.static import WordLlamaEmbedder
from mcai.errors import DimensionMismatchError, InvalidRequestError
from mcai.legacy import DatasetBankV2, KnowledgeService
from mcai.paths import Home

COUNT = 25


@pytest.fixture
def domain(client: Client, request: pytest.FixtureRequest) -> str:
    """A domain of 25 rows of the test's own."""
    name = f"legacy {request.node.name}"
    rows = [{**each, "metadata": {"number": number}} for number, each in enumerate(samples(COUNT, domain=name))]
    client.add(rows)
    return name


@pytest.fixture
def service(client: Client) -> Iterator[KnowledgeService]:
    yield KnowledgeService(client=client)


def test_query_gives_rows_of_three(service: KnowledgeService, domain: str) -> None:
    """(content, response, metadata), by position and by name, in id order."""
    [(content, response, metadata), second] = service.query(domain, limit=2, offset=3)

    assert (content, response, metadata) == ("question 3", "answer 3", {"number": 3})
    assert (second.content, second.response, second.metadata) == ("question 4", "answer 4", {"number": 4})


@pytest.mark.parametrize("limit", [1, 4, 7, 25, 100])
def test_offsets_cut_the_rows_without_gap_or_overlap(service: KnowledgeService, domain: str, limit: int) -> None:
    """Page after page by offset shows each row once, in whatever order the pages are asked for."""
    pages = {offset: service.query(domain, limit, offset) for offset in (*range(0, COUNT, limit), 0, limit)}

    assert [row.metadata["number"] for offset in sorted(pages) for row in pages[offset]] == list(range(COUNT))


def test_far_offset_is_answered_without_walking_there_twice(service: KnowledgeService, domain: str) -> None:
    """Where a page ended is remembered; pages that come in any order agree with each other."""
    backwards = [service.query(domain, 5, offset) for offset in (20, 15, 10, 5, 0)]
    forwards = [service.query(domain, 5, offset) for offset in (0, 5, 10, 15, 20)]

    assert forwards == backwards[::-1]
    assert [row.metadata["number"] for page in forwards for row in page] == list(range(COUNT))


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (0, 5), (10, 25), (10, 10_000)])
def test_beyond_the_end_there_are_no_rows(service: KnowledgeService, domain: str, limit: int, offset: int) -> None:
    """No rows is an empty list, never an error."""
    assert service.query(domain, limit, offset) == []


@pytest.mark.parametrize(("limit", "offset"), [(-1, 0), (1, -1)])
def test_negative_numbers_are_refused(service: KnowledgeService, limit: int, offset: int) -> None:
    """A negative limit or offset is the caller's mistake."""
    with pytest.raises(InvalidRequestError, match="negative"):
        service.query("any", limit, offset)


def test_no_domain_means_all(service: KnowledgeService, domain: str) -> None:
    """Without a domain rows of every one come, more than a page of the daemon too."""
    rows = service.query(limit=10_000)

    assert {row.content for row in rows} >= {f"question {number}" for number in range(COUNT)}


def test_get_dataset_gives_all_rows(service: KnowledgeService, domain: str) -> None:
    """The whole domain, cached or not; an unknown one is empty."""
    assert [row.metadata["number"] for row in service.get_dataset(domain)] == list(range(COUNT))
    assert service.get_dataset(domain, cache=False) == service.get_dataset(domain)
    assert service.get_dataset("nowhere") == []


def test_more_rows_than_a_page(service: KnowledgeService, client: Client) -> None:
    """Limits beyond a thousand are put together from several pages."""
    client.add(samples(1_200, domain="long"))

    assert len(service.get_dataset("long")) == len(service.query("long", limit=5_000)) == 1_200
    assert [row.content for row in service.query("long", limit=2, offset=1_100)] == ["question 1100", "question 1101"]


def test_semantic_search_gives_the_nearest_first(service: KnowledgeService, client: Client) -> None:
    """(content, response, distance), ascending; the row itself is at distance 0."""
    client.add([{"content": "the lighthouse blinks at night", "response": "r", "domain": "near"}])
    vector = WordLlamaEmbedder().embed(["the lighthouse blinks at night"])[0]

    rows = service.semantic_search(vector, top_k=5)

    assert (rows[0].content, rows[0].response) == ("the lighthouse blinks at night", "r")
    assert rows[0].distance == pytest.approx(0, abs=1e-3)
    assert [row.distance for row in rows] == sorted(row.distance for row in rows) and len(rows) <= 5
    with pytest.raises(DimensionMismatchError):
        service.semantic_search([1.0, 2.0])


def test_threads_share_one_service(service: KnowledgeService, domain: str, impatient_threads: None) -> None:
    """Many threads page through one object at once: each sees every row in order."""

    def page(_: int) -> list[int]:
        return [row.metadata["number"] for at in range(0, COUNT, 2) for row in service.query(domain, 2, at)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(page, range(16))) == [list(range(COUNT))] * 16


@pytest.fixture
def impatient_threads() -> Iterator[None]:
    """Let threads take turns after every few instructions: races that are rare become common."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_bookmarks_do_not_pile_up(service: KnowledgeService, domain: str) -> None:
    """What is remembered of offsets is bounded, and forgetting it changes no answer."""
    for limit in range(1, COUNT):
        for offset in range(0, COUNT, limit):
            rows = service.query(domain, limit, offset)
            assert [row.metadata["number"] for row in rows] == list(range(offset, min(COUNT, offset + limit)))

    assert len(service._bookmarks) <= 256


def test_old_names_are_there(daemon_home: Home, monkeypatch: pytest.MonkeyPatch, domain: str) -> None:
    """An app moves by changing an import: both old names, and the ready-made object for MCAI_HOME."""
    monkeypatch.setenv("MCAI_HOME", str(daemon_home.dir))
    mcai.legacy._shared.cache_clear()

    assert DatasetBankV2 is KnowledgeService
    assert mcai.legacy.knowledge_service is mcai.legacy.knowledge_service
    assert len(mcai.legacy.knowledge_service.get_dataset(domain)) == COUNT
    mcai.legacy._shared.cache_clear()
