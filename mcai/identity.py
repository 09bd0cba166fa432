"""What makes two examples the same one: (domain, content, response), judged on the text as it was read.

Text repair must not change identity (a repaired record still meets its unrepaired twin), so a repaired record carries
the text as read in ``metadata["text_as_read"]`` and its identity is taken from there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

TEXT_AS_READ = "text_as_read"
"""The metadata key under which a repaired record keeps ``{"content": ..., "response": ...}`` as they were read."""

DIGEST_BYTES = 16


def clean_name(name: str) -> str:
    """Return a domain's or an emotion's name as it is stored: NFC, outer blanks removed, case kept."""
    return unicodedata.normalize("NFC", name).strip()


def identity(domain: str, content: str, response: str | None, metadata: Mapping[str, Any]) -> bytes:
    """Return the 16 bytes that stand for an example's identity.

    Args:
        domain: as stored (see `clean_name`).
        content: the prompt.
        response: the answer; None and "" are two different answers.
        metadata: looked at only for ``text_as_read``.

    Returns:
        BLAKE2b over the length-prefixed fields, so that no joining of fields can collide.
    """
    as_read = metadata.get(TEXT_AS_READ)
    if isinstance(as_read, Mapping):
        content = as_read["content"] if isinstance(as_read.get("content"), str) else content
        response = as_read["response"] if isinstance(as_read.get("response"), str) else response
    digest = blake2b(digest_size=DIGEST_BYTES)
    for field in (domain, content, response):
        raw = b"" if field is None else field.encode("utf-8", "surrogatepass")
        digest.update(b"-" if field is None else b"%d:" % len(raw))
        digest.update(raw)
    return digest.digest()
