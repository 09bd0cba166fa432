"""The values of `mcai sql` as JSON: every type has one form, and no digit is lost."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcai.store.sandbox.protocol import Limits
from sandbox_kit import Ask, asking, rows_of

VALUES: list[tuple[str, Any]] = [
    ("NULL", None),
    ("true", True),
    ("9223372036854775807", 2**63 - 1),
    ("18446744073709551615::UBIGINT", 2**64 - 1),
    ("42::HUGEINT", 42),
    ("18446744073709551616::HUGEINT", "18446744073709551616"),
    ("-9223372036854775809::HUGEINT", "-9223372036854775809"),
    ("340282366920938463463374607431768211455::UHUGEINT", str(2**128 - 1)),
    ("1.5", 1.5),
    ("-0.001", -0.001),
    ("123456789012345.0::DECIMAL(16,1)", "123456789012345.0"),
    ("12345678901234.5::DECIMAL(15,1)", 12345678901234.5),
    ("0.1::FLOAT", 0.1),
    ("'nan'::FLOAT", None),
    ("'nan'::DOUBLE", None),
    ("'-inf'::DOUBLE", None),
    ("1e300", 1e300),
    ("'a\"\\ä\n' || chr(0) || '😀'", 'a"\\ä\n\0😀'),
    ("'\\x00\\xFF'::BLOB", "AP8="),
    ("'101'::BIT", "101"),
    ("'6d3d2541-44a5-4d4c-8d3b-0d9c46ef7a52'::UUID", "6d3d2541-44a5-4d4c-8d3b-0d9c46ef7a52"),
    ("'b'::ENUM('a', 'b')", "b"),
    ("DATE '2020-01-02'", "2020-01-02"),
    ("'infinity'::DATE", "infinity"),
    ("TIME '01:02:03.5'", "01:02:03.5"),
    ("'01:02:03+02'::TIMETZ", "01:02:03+02"),
    ("TIMESTAMP '2025-10-17 00:39:20'", "2025-10-17T00:39:20Z"),
    ("TIMESTAMP '2025-10-17 00:39:20.06318'", "2025-10-17T00:39:20.063180Z"),
    ("TIMESTAMP_NS '2025-10-17 00:39:20.123456789'", "2025-10-17T00:39:20.123456789Z"),
    ("TIMESTAMPTZ '2025-10-17 02:39:20+02'", "2025-10-17T00:39:20Z"),
    ("TIMESTAMP '12025-10-17 00:00:00'", "12025-10-17T00:00:00Z"),
    ("TIMESTAMP '0044-03-15 (BC) 00:00:00'", "0044-03-15 (BC) 00:00:00"),
    ("'-infinity'::TIMESTAMP", "-infinity"),
    ("INTERVAL '1 month 2 days 3.5 seconds'", "1 month 2 days 00:00:03.5"),
    ("[1, NULL, 3]", [1, None, 3]),
    ("[[1.5], []]", [[1.5], []]),
    ("array_value(INTERVAL 1 DAY, NULL)", ["1 day", None]),
    ("{'a': 1, 'b \"c': {'d': DATE '2020-01-02'}}", {"a": 1, 'b "c': {"d": "2020-01-02"}}),
    ("MAP {'k': ['\\xFF'::BLOB]}", {"k": ["/w=="]}),
    ("MAP {DATE '2020-01-02': 1}", {"2020-01-02": 1}),
    ("MAP {[1, 2]: 'x'}", {"[1, 2]": "x"}),
    ("row(1, INTERVAL 1 DAY)", [1, "1 day"]),
    ("union_value(num := 2)", "2"),
    ("{'a': [1, 2.5]}::VARIANT", {"a": [1.0, 2.5]}),
    ('\'{"a": [1, {"b": null}]}\'::JSON', {"a": [1, {"b": None}]}),
    ("['1'::JSON, NULL]", [1, None]),
    ("'nan'::DOUBLE::VARIANT", "NaN"),
    ("'POINT(1 2)'::GEOMETRY", "POINT (1 2)"),
]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Runs a query under the usual limits, with little time."""
    with asking(tmp_path_factory.mktemp("engine"), Limits(time_s=2.0)) as ask:
        yield ask


@pytest.mark.parametrize(("expression", "value"), VALUES, ids=[expression for expression, _ in VALUES])
def test_value_as_json(ask: Ask, expression: str, value: Any) -> None:
    """Every type has one form in JSON: a number where no digit is lost, else text; nothing that JSON does not know."""
    assert rows_of(ask(f"SELECT {expression}")) == [[value]]


@given(number=st.decimals(min_value=-(10**17), max_value=10**17, places=5))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_decimal_loses_no_digit(ask: Ask, number: Decimal) -> None:
    """A decimal is a number only where the reader gets back exactly the same."""
    [[told]] = rows_of(ask(f"SELECT '{number}'::DECIMAL(38, 5)"))

    assert Decimal(str(told)) == number
    assert isinstance(told, float) == (len(str(abs(int(number.scaleb(5))))) <= 15)


def test_json_too_deep_to_read_is_text(ask: Ask) -> None:
    """What would break the reader of the answer comes as the text that it is."""
    deep = "[" * 2_000 + "]" * 2_000

    assert rows_of(ask("SELECT (repeat('[', 2000) || repeat(']', 2000))::JSON")) == [[deep]]
