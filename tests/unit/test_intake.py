"""Records on their way in: what is stored, and why the rest is not."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcai import times
from mcai.dataset.intake import MAX_METADATA_DEPTH, MAX_NAME_CHARACTERS, check, edited, read_rows
from mcai.errors import InvalidRequestError
from mcai.records import MAX_RECORD_BYTES, NewExample
from mcai.store.base import NewRow, Rejection


def _read(raw: bytes) -> NewRow | Rejection:
    [row] = read_rows([msgspec.Raw(raw)])
    return row


def _example(**fields: Any) -> bytes:
    return msgspec.json.encode({"content": "c", **fields})


def nested(depth: int) -> dict[str, Any]:
    """Return an object of objects, ``depth`` levels in all."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"k": value}
    return value


def test_bare_content_is_enough() -> None:
    """Everything but content may be left out; the domain is then general."""
    row = _read(b'{"content": "c"}')

    assert isinstance(row, NewRow)
    assert (row.domain, row.response, row.emotion, row.frequency_hz, row.created_at, row.source) == (
        "general",
        *[None] * 5,
    )
    assert row.metadata_json == "{}"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no valid JSON"),
        (b"{", "no valid JSON"),
        (b'{"content": "\xff"}', "no valid JSON"),
        (b'{"content": "\\ud800"}', "no valid JSON"),
        (b'{"content": NaN}', "no valid JSON"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b"{}", "missing required field `content`"),
        (b'{"content": 5}', r"Expected `str`, got `int` - at `\$.content`"),
        (b'{"content": null}', r"at `\$.content`"),
        (_example(response=["a"]), r"at `\$.response`"),
        (_example(domain=None), r"at `\$.domain`"),
        (_example(frequency_hz="432"), r"at `\$.frequency_hz`"),
        (_example(frequency_hz=True), r"at `\$.frequency_hz`"),
        (_example(frequency_hz=-0.1), "frequency_hz"),
        (_example(metadata=[]), r"at `\$.metadata`"),
        (_example(metadata=None), r"at `\$.metadata`"),
        (_example(extra=1), "unknown field `extra`"),
        (_example(content=""), "content is blank"),
        (_example(content=" \n\u00a0\t"), "content is blank"),
        (_example(domain="  "), "domain is blank"),
        (_example(domain="a\nb"), "domain has control characters"),
        (_example(domain="x" * (MAX_NAME_CHARACTERS + 1)), "domain is longer than"),
        (_example(emotion=" "), "emotion is blank"),
        (_example(emotion="a\x7fb"), "emotion has control characters"),
        (_example(created_at="yesterday"), "created_at 'yesterday' is no ISO 8601 date"),
        (_example(created_at=1760661560), r"at `\$.created_at`"),
        (_example(content="a\0b"), "NUL"),
        (_example(response="a\0b"), "NUL"),
        (_example(source="a\0b"), "NUL"),
        (_example(metadata={"k": ["a\0b"]}), "NUL"),
        (_example(metadata={"a\0b": 1}), "NUL"),
        (_example(metadata={"k": "\\\0"}), "NUL"),
        (_example(content="x" * (MAX_RECORD_BYTES + 1)), "1,048,579 bytes, 1,048,576 are allowed"),
        (_example(response="ä" * (MAX_RECORD_BYTES // 2)), "are allowed"),
        (_example(metadata={"k": "x" * MAX_RECORD_BYTES}), "are allowed"),
        (b'{"content": "c", "metadata": {"k": ' + b"[" * 5_000 + b"]" * 5_000 + b"}}", "nested too deeply"),
        (_example(metadata=nested(MAX_METADATA_DEPTH + 1)), f"nested more than {MAX_METADATA_DEPTH} deep"),
        (b'{"content": "c", "metadata": {"n": 1' + b"0" * 5_000 + b"}}", "out of range"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_unusable_record_is_rejected_with_its_reason(raw: bytes, reason: str) -> None:
    """Each fault has a reason that names the field; none raises."""
    rejection = _read(raw)

    assert isinstance(rejection, Rejection)
    assert re.search(reason, rejection.reason), rejection.reason


def test_bad_record_leaves_its_neighbours_alone() -> None:
    """Good records around a bad one are taken, at their own places."""
    rows = read_rows([msgspec.Raw(raw) for raw in (_example(content="a"), b"{", _example(content="b"))])

    assert [type(row) for row in rows] == [NewRow, Rejection, NewRow]


@pytest.mark.parametrize(
    "raw",
    [
        _example(content="x" * (MAX_RECORD_BYTES - 2)),
        _example(response=""),
        _example(domain="x" * MAX_NAME_CHARACTERS),
        _example(frequency_hz=0),
        _example(frequency_hz=1e308),
        _example(metadata={"k": "\\u0000 written out"}),
        _example(content="\u2028\u202e\ufeff\x01 \U0001f44b"),
        _example(id=5),
        _example(metadata=nested(MAX_METADATA_DEPTH)),
        _example(metadata={"n": 10**30, "frequency_range": [10**30, 0]}),
    ],
    ids=lambda raw: raw[:40].decode(),
)
def test_usable_record_is_taken(raw: bytes) -> None:
    """Limits are inclusive, and nothing is refused only because it is unusual."""
    assert isinstance(_read(raw), NewRow)


def test_text_is_kept_as_it_is_and_names_are_trimmed() -> None:
    """Content and response are never touched; domain and emotion lose outer blanks, the domain becomes NFC."""
    row = check(NewExample(content=" c\r\n", response="\t", domain=" cafe\u0301 ", emotion=" Calm "))

    assert (row.content, row.response, row.domain, row.emotion) == (" c\r\n", "\t", "caf\u00e9", "Calm")


@pytest.mark.parametrize(
    ("given_range", "ends"),
    [
        ([4, 8], (4.0, 8.0)),
        ([8, 4.5], (4.5, 8.0)),
        ([7, 7], (7.0, 7.0)),
        ([4], None),
        ([4, 8, 9], None),
        (["4", "8"], None),
        ([True, 8], None),
        ([None, 8], None),
        ("4-8", None),
        ({"lo": 4}, None),
        ([10**400, 8], None),
    ],
)
def test_frequency_range_of_metadata_is_for_the_filter(given_range: Any, ends: tuple[float, float] | None) -> None:
    """Two finite numbers, in either order, are a range; anything else is metadata and nothing more."""
    row = check(NewExample(content="c", metadata={"frequency_range": given_range}))

    assert row.frequency_range_hz == ends


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -1e-9])
def test_frequency_is_finite_and_not_negative(number: float) -> None:
    """What JSON cannot carry is refused from Python too."""
    with pytest.raises(InvalidRequestError, match="frequency_hz"):
        check(NewExample(content="c", frequency_hz=number))


BEFORE: dict[str, Any] = {
    "id": 7,
    "domain": "d",
    "content": "grün",
    "response": "höher",
    "emotion": "calm",
    "frequency_hz": 10.0,
    "created_at": "2025-01-01T00:00:00Z",
    "source": "/a#1",
    "metadata": {"text_as_read": {"content": "grÃ¼n", "response": "hÃ¶her"}, "k": 1},
}


def test_edit_without_changes_gives_the_same_row() -> None:
    """Nothing changed is nothing changed, identity included."""
    stored = {name: value for name, value in BEFORE.items() if name != "id"}

    assert edited(BEFORE, {}) == check(NewExample(**stored))


def test_new_metadata_leave_the_identity() -> None:
    """A repaired text is known by its original, whatever becomes of the metadata beside it."""
    before = edited(BEFORE, {}).identity

    assert edited(BEFORE, {"metadata": {}}).identity == before
    assert edited(BEFORE, {"metadata": {"text_as_read": {"content": "forged"}}}).identity == before


def test_text_that_is_typed_anew_is_its_own_original() -> None:
    """Editing one repaired text drops what was read of it and keeps the other's; the identity follows."""
    row = edited(BEFORE, {"content": "blau"})

    assert msgspec.json.decode(row.metadata_json) == {"text_as_read": {"response": "hÃ¶her"}, "k": 1}
    both = edited(BEFORE, {"content": "blau", "response": None})
    assert msgspec.json.decode(both.metadata_json) == {"k": 1}
    assert both.identity == check(NewExample(content="blau", domain="d")).identity


def test_original_cannot_be_taken_away_or_made_up() -> None:
    """New metadata leave a text's original where it is, and give none to a text that has none."""
    kept = edited(BEFORE, {"metadata": {"new": 1}})
    assert msgspec.json.decode(kept.metadata_json) == {"new": 1, "text_as_read": BEFORE["metadata"]["text_as_read"]}

    plain = {**BEFORE, "metadata": {}}
    made_up = edited(plain, {"metadata": {"text_as_read": {"content": "something else"}}})
    assert made_up.metadata_json == "{}" and made_up.identity == edited(plain, {}).identity


def test_metadata_that_only_look_like_an_original_stay() -> None:
    """A field of that name that is no object is metadata like any other."""
    row = edited({**BEFORE, "metadata": {"text_as_read": "yes"}}, {"content": "blau"})

    assert row.metadata_json == '{"text_as_read":"yes"}'


@pytest.mark.parametrize(
    ("field", "value"), [("response", None), ("emotion", None), ("frequency_hz", None), ("created_at", None)]
)
def test_none_clears_a_field(field: str, value: None) -> None:
    """None is not "leave it": it empties what may be empty."""
    row = edited(BEFORE, {field: value})

    assert getattr(row, field) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"content": " "},
        {"content": None},
        {"domain": ""},
        {"unknown": 1},
        {"id": 8},
        {"metadata": None},
        {"metadata": "text"},
        {"frequency_hz": "fast"},
        {"created_at": "soon"},
        {"response": "a\0"},
    ],
    ids=str,
)
def test_unusable_change_is_refused(changes: dict[str, Any]) -> None:
    """An edit is checked like a new record."""
    with pytest.raises(InvalidRequestError):
        edited(BEFORE, changes)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"content": json_values},
        optional={name: json_values for name in NewExample.__struct_fields__ if name != "content"} | {"x": json_values},
    )
)
def test_whatever_comes_is_taken_or_rejected(fields: dict[str, Any]) -> None:
    """A record of any JSON values ends as a row that keeps its texts, or as a rejection with a reason."""
    try:
        raw = msgspec.json.encode(fields)
    except UnicodeEncodeError:
        return  # lone surrogates cannot be written as JSON by us
    row = _read(raw)

    if isinstance(row, Rejection):
        assert row.reason
    else:
        assert (row.content, row.response) == (fields["content"], fields.get("response"))
        assert row.created_at is None or times.parse(fields["created_at"]) == row.created_at
        assert msgspec.json.decode(row.metadata_json) == fields.get("metadata", {})


@given(st.binary(max_size=60))
def test_any_bytes_are_taken_or_rejected(raw: bytes) -> None:
    """Bytes that are no JSON at all are rejected, never a crash."""
    assert isinstance(_read(raw), NewRow | Rejection)
