"""Which row versions something holds, in a form small enough to compare it with what another thing holds."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt
from msgspec import Struct

_DIGEST_BYTES = 16


class Versions(Struct, frozen=True):
    """How many versions there are, and a digest of which ones."""

    rows: int
    digest: str


def versions_of(ids: npt.NDArray[np.int64], c_epochs: npt.NDArray[np.int64]) -> Versions:
    """Sum up versions.

    Args:
        ids: (n,) int64, in any order.
        c_epochs: (n,) int64, the epoch of each.
    """
    order = np.lexsort((c_epochs, ids))
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for column in (ids, c_epochs):
        digest.update(column[order].astype("<i8").tobytes())
    return Versions(len(ids), digest.hexdigest())
