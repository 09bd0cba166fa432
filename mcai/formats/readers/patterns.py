"""A repetition that gives nothing back, on every Python that mcai runs on."""

import sys

_POSSESSIVE_GROUPS_ARE_SOUND = sys.version_info >= (3, 11, 5)
"""Before, ``(?:...)*+`` keeps what its last, failed try has consumed (python/cpython#106052)."""


def any_number_of(inner: bytes) -> bytes:
    """Return the pattern of as many ``inner`` as there are, none given back.

    The atomic group means the same and is right everywhere, but takes three times the time and, while it matches,
    some 100 bytes for each time ``inner`` did.
    """
    if _POSSESSIVE_GROUPS_ARE_SOUND:
        return b"(?:" + inner + b")*+"
    return b"(?>(?:" + inner + b")*)"
