"""The default embedder: wordllama's static token vectors, from the files inside its wheel. Works offline.

A text's vector is the mean of its tokens' vectors. wordllama pads each batch to its longest text, which for one long
text among short ones costs gigabytes; here each text is summed by itself, while its tokens' vectors are in the
processor's cache. The result is the same to 1e-6, at four times the rate and in bounded memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcai.embed import Vectors

BATCH_TEXTS = 1024
BATCH_CHARACTERS = 1 << 20
"""Texts are tokenized together up to these bounds: their tokens are Python objects until they are summed."""
GATHER_TOKENS = 1_024
"""Token vectors held at once: 1 MiB."""
QUICK_CHARACTERS = 1_000
"""Take about 0.1 ms."""
MAX_CHARACTERS = 32_768
"""What counts of one text. A mean over more tokens hardly moves, and tokenizing a megabyte takes seconds."""


class WordLlamaEmbedder:
    """256-dimensional means of token vectors (l2_supercat), about 10,000 short texts a second on one core."""

    model = "wordllama/l2_supercat_256"
    dim = 256

    def __init__(self) -> None:
        self._loaded: tuple[Any, Any] | None = None
        self._load_lock = threading.Lock()

    @property
    def quick_characters(self) -> int:
        return QUICK_CHARACTERS if self._loaded is not None else 0

    def _load(self) -> tuple[Any, Any]:
        """Return the tokenizer and the (vocabulary, dim) float32 matrix, loaded on first use."""
        with self._load_lock:
            if self._loaded is None:
                root = logging.getLogger()
                before = list(root.handlers), root.level
                import wordllama

                # It calls logging.basicConfig(INFO) on import: the daemon's log is not its own to configure.
                root.handlers[:], root.level = before
                # Given its own folder it finds its files there; otherwise it would look for them on the network.
                files = Path(wordllama.__file__).parent
                model = wordllama.WordLlama.load(cache_dir=files, disable_download=True)
                model.tokenizer.no_padding()
                self._loaded = model.tokenizer, model.embedding
            return self._loaded

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts; see `Embedder.embed`."""
        import numpy as np

        tokenizer, matrix = self._load()
        vectors = np.zeros((len(texts), self.dim), np.float32)
        done = 0
        for batch in _batches(texts):
            encoded = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for at, each in enumerate(encoded, done):
                _add_sum(matrix, each.ids, vectors[at])
            done += len(batch)
        # Unit vectors instead of means, and zero where there was no token.
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        if len(batch) == BATCH_TEXTS or characters > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
        batch.append(text[:MAX_CHARACTERS] if text.strip() else "")
        characters += len(batch[-1])
    if batch:
        yield batch


def _add_sum(matrix: Any, tokens: Sequence[int], vector: Any) -> None:
    """Add the vectors of a text's tokens to ``vector``; a token beyond the matrix counts as its last."""
    for begin in range(0, len(tokens), GATHER_TOKENS):
        vector += matrix.take(tokens[begin : begin + GATHER_TOKENS], axis=0, mode="clip").sum(axis=0)
