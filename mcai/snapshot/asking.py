"""What a reader searches for, as a vector: its words are embedded in its own process, as the home's settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mcai.errors import IndexUnavailableError, InvalidRequestError
from mcai.paths import Home

if TYPE_CHECKING:
    from mcai.embed import Embedder


class Asking:
    """Makes vectors of words; the model is loaded with the first of them."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._embedder: Embedder | None = None

    def vector(self, asked: str | list[float], model: str) -> npt.NDArray[Any]:
        """Return the vector to search with.

        Args:
            asked: words, or the numbers of a vector.
            model: what the rows' vectors were made with.

        Returns:
            (dim,), of any length.

        Raises:
            InvalidRequestError: a blank text.
            IndexUnavailableError: the settings name another model.
        """
        if not isinstance(asked, str):
            return np.asarray(asked)
        if not asked.strip():
            raise InvalidRequestError("the query is blank", hint="Leave it out to page through examples.")
        if self._embedder is None:
            from mcai import settings
            from mcai.embed import make_embedder

            self._embedder = make_embedder(settings.load(self._home))
        if self._embedder.model != model:
            raise IndexUnavailableError(
                f"the snapshot's vectors were made with {model}, the settings name {self._embedder.model}",
                hint="Compare them with those of the daemon: mcai config show",
            )
        return np.asarray(self._embedder.embed([asked])[0])
