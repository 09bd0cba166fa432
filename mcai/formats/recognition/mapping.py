"""What ``--map content=KEY,response=KEY`` means for an object, and which ``--map`` would take one that fits nothing."""

from __future__ import annotations

import re
import shlex
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

_MAPPABLE = re.compile(r"[^,=]+")


def take(obj: Json, path: str) -> tuple[bool, Any]:
    """Remove what a path names from an object.

    Args:
        obj: changed in place; nested objects on the way are replaced by copies, or left out when they get empty.
        path: a key, or keys joined by dots. The key as it stands comes first: ``query.text`` may be one key.

    Returns:
        Whether there is such a thing, and the value.
    """
    if path in obj:
        return True, obj.pop(path)
    parent, dot, leaf = path.partition(".")
    while dot:
        inner = obj.get(parent)
        if type(inner) is dict:
            inner = inner.copy()
            is_found, value = take(inner, leaf)
            if is_found:
                if inner:
                    obj[parent] = inner
                else:
                    del obj[parent]
                return True, value
        step, dot, leaf = leaf.partition(".")
        parent = f"{parent}.{step}"
    return False, None


def hint(obj: Json, response_key: str | None) -> str | None:
    """Return the option that takes an object: its first text as the content, the next one as the response.

    Args:
        obj: without the keys that are known to be something else.
        response_key: the key that is known to hold the response, if any.
    """
    texts = _texts({key: value for key, value in obj.items() if key != response_key})
    if not texts:
        return None
    named = [f"content={texts[0]}"]
    if response_key is not None or len(texts) > 1:
        named.append(f"response={response_key or texts[1]}")
    return f"--map {shlex.quote(','.join(named))}"


def _texts(obj: Json) -> list[str]:
    found = [key for key, value in obj.items() if type(value) is str and value.strip()]
    nested = [
        f"{key}.{inner}"
        for key, value in obj.items()
        if type(value) is dict
        for inner, text in value.items()
        if type(text) is str and text.strip()
    ]
    return [path for path in found if _MAPPABLE.fullmatch(path)] or [
        path for path in nested if _MAPPABLE.fullmatch(path)
    ]
