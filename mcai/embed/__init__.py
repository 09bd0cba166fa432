"""Text to vectors: one small seam, two providers.

The model's name and dimension belong to the index that was built with it, so an `Embedder` names both; changing the
model means another index, never a mixed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from mcai.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors. May be called from any thread."""

    @property
    def model(self) -> str:
        """What the vectors were made with; two equal names give comparable vectors."""

    @property
    def dim(self) -> int:
        """Length of each vector."""

    @property
    def quick_characters(self) -> int:
        """Up to this length one text takes less time than handing it to a thread; 0 where an answer may take long."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts.

        Returns:
            (n, dim) float32, each row of unit length, or all zero where a text carries no meaning for the model
            (blank, or nothing but symbols that it does not know).

        Raises:
            StoreUnavailableError: the provider cannot answer.
        """


def make_embedder(settings: Settings) -> Embedder:
    """Return the configured embedder. Nothing heavy is loaded before its first `embed`."""
    if settings.text("embed.provider") == "openai":
        from mcai.embed.openai import OpenAIEmbedder

        return OpenAIEmbedder(
            url=settings.text("embed.url"),
            model=settings.text("embed.model"),
            api_key=settings.text("embed.api_key"),
            dim=int(settings.number("embed.dim")),
            timeout_s=settings.number("embed.timeout_s"),
        )
    from mcai.embed.static import WordLlamaEmbedder

    return WordLlamaEmbedder()
