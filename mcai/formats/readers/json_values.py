"""Turns the bytes of one JSON value into a Python value, strictly, and says what is wrong with it otherwise.

The fast path is one call of msgspec and one count. Everything that msgspec would let pass (a key twice, NUL, integers
that no column or other program can hold) is looked for by a cheap sign first and proved only where the sign shows.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

from mcai.formats.model import MAX_DEPTH, MAX_KEYS
from mcai.formats.readers.patterns import any_number_of

_decode = msgspec.json.Decoder().decode
_skim = msgspec.json.Decoder(msgspec.Raw).decode

# Every key is followed by a colon, so this counts the keys and, seldom, a quotation inside a text as well.
_KEY_SIGN = re.compile(rb'"[ \t\r\n]*:')
_NUL_SIGN = b"\\u0000"
_NUMBER_BYTES = b"-+.eE0123456789"
# A text is matched only to be stepped over; its closing quote may be missing, so that no byte is looked at twice.
_TEXT_OR_BRACKET = re.compile(rb'"[^"\\]*+' + any_number_of(rb'\\.[^"\\]*+') + rb'"?|([\[{])|[\]}]', re.DOTALL)
_INT64_MIN, _UINT64_MAX = -(1 << 63), (1 << 64) - 1

TOO_DEEP = f"nested more than {MAX_DEPTH} deep"


class FaultError(Exception):
    """A value that cannot be taken.

    Attributes:
        reason: what is wrong with it, in words.
        offset: the byte within the value where it goes wrong, when there is one such place.
        is_syntax: the bytes are no JSON at all, so where the value ends is uncertain too.
    """

    def __init__(self, reason: str, offset: int | None = None, *, is_syntax: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.is_syntax = is_syntax


def decode(raw: bytes) -> Any:
    """Read one JSON value.

    Raises:
        FaultError: it is no JSON, no UTF-8 or holds what JSON cannot say (NaN, lone surrogates, numbers out of range).
    """
    try:
        return _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _explain(raw, str(error))


def check(raw: bytes, record: dict[str, Any]) -> None:
    """Look for what `decode` lets pass.

    Args:
        raw: the bytes that ``record`` was decoded from.
        record: a JSON object.

    Raises:
        FaultError: a key stands twice, there is a NUL, it is nested too deep, has too many keys or an integer beyond 64
            bits.
    """
    keys = survey(record)
    if len(_KEY_SIGN.findall(raw)) != keys:
        _refuse_double_keys(raw)
    if _NUL_SIGN in raw and _holds_nul(record):
        raise FaultError("it holds a NUL character (\\u0000)")


def decode_record(raw: bytes) -> Any:
    """Read one JSON value and `check` it when it is an object.

    Raises:
        FaultError: as `decode` and `check`.
    """
    value = decode(raw)
    if type(value) is dict:
        check(raw, value)
    return value


def is_sound(raw: bytes) -> bool:
    """Tell whether `decode` finds nothing wrong."""
    try:
        decode(raw)
    except FaultError:
        return False
    return True


def is_beginning(raw: bytes) -> bool:
    """Tell whether the bytes are the beginning of a JSON value that goes on, rather than broken JSON."""
    try:
        _skim(raw.rstrip(_NUMBER_BYTES))  # a number that is cut off may look broken
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except RecursionError:
        return False
    return False


def survey(value: Any) -> int:
    """Count the keys of a value, nested ones included, and measure it against the limits.

    Raises:
        FaultError: it is nested too deep, has too many keys or an integer beyond 64 bits.
    """
    keys = _survey(value, 1)
    if keys > MAX_KEYS:
        raise FaultError(f"it has {keys:,} keys; a record may have {MAX_KEYS:,}")
    return keys


def examine(value: Any) -> None:
    """Look, in a value that did not come from JSON text, for what no record may hold.

    Raises:
        FaultError: there is a NUL, it is nested too deep, has too many keys or an integer beyond 64 bits.
    """
    survey(value)
    if _holds_nul(value):
        raise FaultError("it holds a NUL character")


def is_clean(value: Any) -> bool:
    """Tell whether `examine` finds nothing."""
    try:
        examine(value)
    except FaultError:
        return False
    return True


def _survey(value: Any, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise FaultError(TOO_DEEP)
    keys, members = (len(value), value.values()) if type(value) is dict else (0, value)
    for member in members:
        kind = type(member)
        if kind is str:
            continue
        if kind is dict or kind is list:
            keys += _survey(member, depth + 1)
        elif kind is int and not _INT64_MIN <= member <= _UINT64_MAX:
            raise FaultError(f"number out of range: {member} does not fit into 64 bits")
    return keys


def _holds_nul(value: Any) -> bool:
    if type(value) is str:
        return "\0" in value
    if type(value) is dict:
        return any("\0" in key or _holds_nul(member) for key, member in value.items())
    return type(value) is list and any(_holds_nul(member) for member in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for at, name in enumerate(names) if name in names[:at])
        raise FaultError(f"the key {double!r} stands twice in one object")
    return found


def _refuse_double_keys(raw: bytes) -> None:
    json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)


def _refuse_constant(name: str) -> NoReturn:
    raise FaultError(f"{name} is no JSON value")


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for found in _TEXT_OR_BRACKET.finditer(raw):
        if found[1]:
            depth += 1
            deepest = max(deepest, depth)
        elif found[0] in b"]}":
            depth -= 1
    return deepest


def _explain(raw: bytes, complaint: str) -> NoReturn:
    """Find out, slowly, why a value was refused."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        is_syntax = not _parses(raw.decode("utf-8", "replace"))
        raise FaultError("invalid UTF-8", error.start, is_syntax=is_syntax) from None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        message = error.msg[0].lower() + error.msg[1:]
        raise FaultError(f"invalid JSON: {message}", len(text[: error.pos].encode()), is_syntax=True) from None
    except ValueError:
        raise FaultError("number out of range") from None
    except RecursionError:
        raise FaultError(TOO_DEEP) from None
    if _depth(raw) > MAX_DEPTH:
        raise FaultError(TOO_DEEP) from None
    if _holds_surrogate(value):
        raise FaultError("half a character: a lone surrogate (\\ud800 to \\udfff)") from None
    if "range" in complaint:
        raise FaultError("number out of range") from None
    raise FaultError(f"invalid JSON: {complaint}", is_syntax=True) from None


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _holds_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def object_or_text(text: str) -> Any:
    """Return the object that a text spells as JSON, or the text itself when it spells none that can be taken."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return decode_record(text.encode("utf-8"))
    except FaultError:
        return text
