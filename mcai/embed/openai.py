"""Vectors from any OpenAI-compatible endpoint (``POST {url}/embeddings``): Ollama, llama.cpp, vLLM, hosted ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mcai.errors import InvalidValueError, StoreUnavailableError

if TYPE_CHECKING:
    from mcai.embed import Vectors

BATCH_TEXTS = 128
MAX_CHARACTERS = 8_192
"""What counts of one text: endpoints refuse what is longer than their model's context, most of which are 8k tokens."""


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Reply(msgspec.Struct):
    data: list[_Item]


_decode_reply = msgspec.json.Decoder(_Reply).decode  # made once, before there are threads: see mcai.records


class OpenAIEmbedder:
    """One endpoint, one model."""

    quick_characters = 0

    def __init__(self, *, url: str, model: str, api_key: str, dim: int, timeout_s: float) -> None:
        if not url or not model:
            raise InvalidValueError(
                "embed.provider = openai needs embed.url and embed.model",
                hint="For example MCAI_EMBED__URL=http://127.0.0.1:11434/v1 MCAI_EMBED__MODEL=nomic-embed-text",
            )
        self.model = f"openai/{model}/{dim}"
        self.dim = dim
        self._url = url.rstrip("/") + "/embeddings"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout_s = timeout_s
        self._client: Any = None
        self._client_lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts; see `Embedder.embed`."""
        import numpy as np

        rows = [self._embed_batch(texts[at : at + BATCH_TEXTS]) for at in range(0, len(texts), BATCH_TEXTS)]
        vectors = np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
        return unit

    def _embed_batch(self, texts: Sequence[str]) -> Vectors:
        import httpx2
        import numpy as np

        with self._client_lock:
            if self._client is None:
                self._client = httpx2.Client(timeout=self._timeout_s, headers=self._headers, trust_env=False)
        # Endpoints refuse empty input; a blank stands for it and its vector is dropped again.
        cut = [text[:MAX_CHARACTERS] if text.strip() else " " for text in texts]
        body = {"model": self._model, "input": cut}
        try:
            answer = self._client.post(self._url, json=body)
            answer.raise_for_status()
            items = sorted(_decode_reply(answer.content).data, key=lambda item: item.index)
            vectors = np.asarray([item.embedding for item in items], np.float32)
        except (httpx2.HTTPError, httpx2.InvalidURL, msgspec.DecodeError, ValueError) as error:
            raise StoreUnavailableError(
                f"the embedding endpoint {self._url} did not answer usably: {error}", hint="Check embed.url."
            ) from error
        if vectors.shape != (len(texts), self.dim):
            raise StoreUnavailableError(
                f"{self._model} gave vectors of shape {vectors.shape}, expected ({len(texts)}, {self.dim})",
                hint="Set embed.dim to the model's own length.",
            )
        vectors[[not text.strip() for text in texts]] = 0
        return vectors
