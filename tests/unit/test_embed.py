"""Embedding: unit vectors or none, without the network, and clear words when an endpoint does not answer."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import python
from mcai import settings
from mcai.embed import Embedder, make_embedder
from mcai.embed.openai import BATCH_TEXTS, OpenAIEmbedder
from mcai.embed.static import WordLlamaEmbedder
from mcai.errors import InvalidValueError, StoreUnavailableError
from mcai.paths import Home

Respond = Callable[[dict[str, Any]], tuple[int, Any]]


@pytest.fixture(scope="module")
def wordllama() -> Embedder:
    return WordLlamaEmbedder()


def test_texts_become_unit_vectors(wordllama: Embedder) -> None:
    """One row a text, float32, of length 1, in the order of the texts; long texts and batches too."""
    texts = ["calm", "alpha waves", "Grüße 👋", "word " * 5_000, *(f"text {number}" for number in range(300))]

    vectors = wordllama.embed(texts)

    assert vectors.shape == (len(texts), wordllama.dim) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)
    assert vectors[7] == pytest.approx(wordllama.embed([texts[7]])[0], abs=1e-6)


def test_likeness_means_something(wordllama: Embedder) -> None:
    """A paraphrase is nearer than another subject."""
    asked, near, far = wordllama.embed(["How do I relax?", "ways to calm down", "the boiling point of water"])

    assert asked @ near > asked @ far


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b", "!?", "👋"])
def test_text_without_words_does_no_harm(wordllama: Embedder, text: str) -> None:
    """A vector of length 1 or none at all, never NaN, and its neighbours are not touched."""
    before, vector, after = wordllama.embed(["calm", text, "calm"])

    assert np.linalg.norm(vector) == pytest.approx(1 if vector.any() else 0, abs=1e-5)
    assert np.array_equal(before, after) and np.linalg.norm(before) == pytest.approx(1, abs=1e-5)


def test_empty_text_has_no_vector(wordllama: Embedder) -> None:
    """All zeros: there is nothing to compare."""
    assert not wordllama.embed([""]).any()


def test_long_text_among_short_ones_costs_little(tmp_path: Path) -> None:
    """A batch is padded to its longest text: a record of 1 MiB must not make gigabytes of its neighbours."""
    code = """if True:
        import resource
        from mcai.embed.static import WordLlamaEmbedder
        embedder = WordLlamaEmbedder()
        embedder.embed(["warm up"])
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        vectors = embedder.embed(["short"] * 500 + ["word " * 200_000, "calm " * 5_000])
        assert (vectors[0] == vectors[1]).all() and vectors[500].any()
        grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) // 1024
        assert grown_mb < 250, f"{grown_mb} MB"
    """

    ended = python(code, cwd=tmp_path)

    assert ended.returncode == 0, ended.stderr


def test_no_texts_are_no_vectors(wordllama: Embedder) -> None:
    """An epoch that only deletes embeds nothing."""
    assert wordllama.embed([]).shape == (0, 256)


def test_default_model_loads_without_network_and_leaves_the_log_alone(tmp_path: Path) -> None:
    """The weights are inside the wheel: no address is looked up, no handler is put on the root logger."""
    code = """if True:
        import logging, socket
        def refuse(*args, **options):
            raise SystemExit(f"went to the network: {args}")
        socket.socket.connect = socket.getaddrinfo = refuse
        from mcai.embed.static import WordLlamaEmbedder
        embedder = WordLlamaEmbedder()
        import sys
        assert "wordllama" not in sys.modules, "loaded before its first use"
        assert embedder.embed(["calm"]).any()
        assert logging.getLogger().handlers == [] and logging.getLogger().level == logging.WARNING
    """

    ended = python(code, cwd=tmp_path)

    assert ended.returncode == 0, ended.stderr


def test_many_threads_load_it_once(wordllama: Embedder) -> None:
    """The first texts may come from several threads at once."""
    fresh, found = WordLlamaEmbedder(), []
    threads = [threading.Thread(target=lambda: found.append(fresh.embed(["calm"])[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    expected = wordllama.embed(["calm"])[0]
    assert len(found) == 4 and all(np.array_equal(vector, expected) for vector in found)


def test_setting_chooses_the_provider(tmp_path: Path) -> None:
    """wordllama by default; an endpoint needs its address and model, and says how they are set."""
    home = Home(tmp_path)
    chosen = {"MCAI_EMBED__PROVIDER": "openai", "MCAI_EMBED__URL": "http://127.0.0.1:9/v1", "MCAI_EMBED__DIM": "3"}

    assert make_embedder(settings.load(home, {})).model == "wordllama/l2_supercat_256"
    with pytest.raises(InvalidValueError, match=r"embed\.model") as caught:
        make_embedder(settings.load(home, chosen))
    assert "MCAI_EMBED__MODEL" in caught.value.hint
    made = make_embedder(settings.load(home, chosen | {"MCAI_EMBED__MODEL": "m"}))
    assert (made.model, made.dim) == ("openai/m/3", 3)


@contextmanager
def _endpoint(respond: Respond, seen: list[tuple[str, dict[str, Any], str | None]] | None = None) -> Iterator[str]:
    """Serve embeddings on this machine; yield the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if seen is not None:
                seen.append((self.path, body, self.headers["Authorization"]))
            status, told = respond(body)
            raw = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            logging.getLogger("endpoint").debug(format, *args)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()


def _embedder(url: str, api_key: str = "") -> OpenAIEmbedder:
    return OpenAIEmbedder(url=url, model="m", api_key=api_key, dim=2, timeout_s=5)


def _lengths(body: dict[str, Any]) -> tuple[int, Any]:
    """Answer [length of the text, 1], the last text first."""
    items = [{"index": at, "embedding": [len(text), 1]} for at, text in enumerate(body["input"])]
    return 200, {"data": items[::-1], "model": "m", "usage": {}}


def test_endpoint_s_vectors_are_put_in_order_and_to_length_1() -> None:
    """Items may come in any order and any length; more texts than a batch are asked for in several."""
    texts = ["x" * (1 + number % 5) for number in range(BATCH_TEXTS + 3)]
    seen: list[tuple[str, dict[str, Any], str | None]] = []

    with _endpoint(_lengths, seen) as url:
        vectors = _embedder(url + "/", api_key="s3cret").embed(texts)

    assert [path for path, _, _ in seen] == ["/v1/embeddings"] * 2
    assert [len(body["input"]) for _, body, _ in seen] == [BATCH_TEXTS, 3] and seen[0][1]["model"] == "m"
    assert seen[0][2] == "Bearer s3cret"
    assert vectors[:, 0] / vectors[:, 1] == pytest.approx([len(text) for text in texts], rel=1e-5)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)


def test_blank_text_has_no_vector_whatever_the_endpoint_says() -> None:
    """Endpoints refuse an empty text: something else is sent in its place, and no vector is kept."""
    seen: list[tuple[str, dict[str, Any], str | None]] = []

    with _endpoint(_lengths, seen) as url:
        vectors = _embedder(url).embed(["", "ab", "\n"])

    assert all(seen[0][1]["input"])
    assert [bool(row.any()) for row in vectors] == [False, True, False]


@pytest.mark.parametrize(
    "answer",
    [
        (500, {"error": "overloaded"}),
        (404, b"not here"),
        (200, b"<html>"),
        (200, {"data": []}),
        (200, {"data": [{"index": 0, "embedding": [1, 2, 3]}]}),
        (200, {"data": [{"index": 0, "embedding": "AAAA"}]}),
        (200, {"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [1]}]}),
        (200, {"vectors": []}),
    ],
    ids=str,
)
def test_unusable_answer_is_told_as_such(answer: tuple[int, Any]) -> None:
    """Whatever the endpoint does wrong ends as one error with a way out."""
    with (
        _endpoint(lambda body: answer) as url,
        pytest.raises(StoreUnavailableError, match=r"embedding endpoint|gave vectors") as caught,
    ):
        _embedder(url).embed(["text"])

    assert caught.value.hint


def test_absent_endpoint_is_told_as_such() -> None:
    """Nobody listens: the error names the address and the setting."""
    with _endpoint(_lengths) as url:
        pass

    with pytest.raises(StoreUnavailableError, match=url) as caught:
        _embedder(url).embed(["text"])

    assert "embed.url" in caught.value.hint
