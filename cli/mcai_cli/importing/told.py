"""What a container says of its dataset, cut to what a dataset's metadata can keep."""

from __future__ import annotations

from typing import Any

import msgspec

from mcai.formats import Container
from mcai.records import MAX_TOLD_BYTES

LEFT_OUT = "left_out"
"""The metadata key that names the fields that were too long."""
_ROOM_FOR_NAMES_BYTES = 2_048


def told_of(container: Container) -> Container:
    """Return the container with as many of its fields, in order, as fit; the others are named, not kept.

    The original file keeps everything: this is a description of a dataset, not a record.
    """
    kept: dict[str, Any] = {}
    left_out: list[str] = []
    room_bytes = MAX_TOLD_BYTES - _ROOM_FOR_NAMES_BYTES
    for name, value in container.metadata.items():
        size_bytes = len(msgspec.json.encode({name: value}))
        if size_bytes > room_bytes:
            left_out.append(name[:40])
        else:
            kept[name] = value
            room_bytes -= size_bytes
    if left_out:
        kept[LEFT_OUT] = left_out[:20]
    return Container(source=container.source, domain=container.domain, metadata=kept)
