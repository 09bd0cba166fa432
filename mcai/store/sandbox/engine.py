"""Runs one query in the child: opens the copy, locks the engine down, judges the text, caps the answer.

The settings keep honest mistakes and known tricks out. What holds when they fail is that the process has nothing to
lose (`child`).
"""

from __future__ import annotations

import re

import duckdb
import msgspec

from mcai.records import SqlColumn
from mcai.store.sandbox.protocol import Answer, Failure, Limits, Reply
from mcai.store.sandbox.values import Shape, shape_of

_NAME = "mcai"
"""The copy's name inside the engine."""
_ENGINE_SHARE = 0.6
"""Of the child's memory: the engine gives up at this limit with a clear error, before the system has to refuse."""
_MAX_EXPRESSION_DEPTH = 250
_FETCHED_ROWS = 512
_FEWER = 100
"""Wide rows may not fit into memory by the thousand; the query is then asked again for so many times fewer."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # One thread in all: nothing has to be spawned, no thread's arena eats address space.
    "threads": 1,
    "async_threads": 0,
    "temp_directory": "",  # cannot be changed any more once outside access is off
}
_ONLY_QUERIES = (
    "only a query can be run: SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE, or EXPLAIN of one of these"
)
# Options in the order in which DuckDB takes them. What this does not see through is no query, and so refused.
_EXPLAIN = re.compile(r"\s*EXPLAIN\b(\s*\(\s*(ANALYZE|FORMAT)\b[^()]*\)|\s+ANALYZE\b)?", re.IGNORECASE)
_HELPFUL = ("Did you mean", "Candidate bindings")


class NoQueryError(Exception):
    """The text is no single query; its message says why."""


def open_copy(fd: int, limits: Limits) -> duckdb.DuckDBPyConnection:
    """Open the copy behind a descriptor, read-only, and close every door of the engine behind it."""
    connection = duckdb.connect(":memory:", config=_CONFIG)
    connection.execute(f"ATTACH '/dev/fd/{fd}' AS {_NAME} (READ_ONLY)")
    connection.execute(f"USE {_NAME}")
    for name, value in (
        ("enable_external_access", False),
        ("autoload_known_extensions", False),
        ("autoinstall_known_extensions", False),
        ("allow_community_extensions", False),
        ("allow_persistent_secrets", False),
        ("python_enable_replacements", False),
        ("secret_directory", ""),
        ("max_execution_time", int(limits.time_s * 1000)),
        ("memory_limit", f"{int(limits.memory_bytes * _ENGINE_SHARE)}B"),
        ("max_temp_directory_size", "0B"),
        ("max_expression_depth", _MAX_EXPRESSION_DEPTH),
        ("TimeZone", "UTC"),
        ("lock_configuration", True),
    ):
        literal = f"'{value}'" if isinstance(value, str) else value
        connection.execute(f"SET GLOBAL {name} = {literal}")
    return connection


def answer(connection: duckdb.DuckDBPyConnection, text: str, limits: Limits) -> Reply:
    """Run one query.

    Args:
        connection: from `open_copy`.
        text: what the person wrote.
        limits: how much of the answer is shown.

    Returns:
        The first rows of the answer, or in one line why there is none.
    """
    try:
        query = only_query(connection, text)
        try:
            return _run(connection, query, limits, limits.rows)
        except duckdb.OutOfMemoryException:
            return _run(connection, query, limits, limits.rows // _FEWER)
    except NoQueryError as error:
        return Failure(str(error), hint="See what there is: mcai sql 'SHOW TABLES'")
    except (duckdb.OutOfMemoryException, MemoryError):
        return limits.too_big
    except duckdb.InterruptException:
        return limits.too_slow
    except RecursionError:
        return Failure("the answer is nested too deeply")
    except duckdb.Error as error:
        return _failure(error)


def only_query(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """Return the one query of a text, without what ends it.

    Raises:
        NoQueryError: there is none, there are several, or it is another statement.
        duckdb.Error: it cannot be parsed.
    """
    statements = connection.extract_statements(text)
    if not statements:
        raise NoQueryError("there is no query")
    if len(statements) > 1:
        raise NoQueryError("only one query can be run at a time")
    statement = statements[0]
    if statement.type == duckdb.StatementType.MULTI:
        raise NoQueryError("PIVOT has to name its values here: PIVOT ... ON column IN ('one', 'two')")
    is_query = statement.type == duckdb.StatementType.SELECT
    if not is_query and not _explains_query(connection, statement):
        raise NoQueryError(_ONLY_QUERIES)
    return _without_end(statement.query)


def _explains_query(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> bool:
    prefix = _EXPLAIN.match(statement.query)
    try:
        explained = connection.extract_statements(statement.query[prefix.end() :]) if prefix else []
    except duckdb.ParserException:
        return False
    return [each.type for each in explained] == [duckdb.StatementType.SELECT]


def _without_end(query: str) -> str:
    """Cut the semicolon and the comments after it: the query becomes a part of a larger one."""
    encoded = query.encode()  # the tokenizer counts bytes
    for start, kind in duckdb.tokenize(query):
        if kind == duckdb.token_type.operator and encoded[start : start + 1] == b";":
            return encoded[:start].decode()
    return query


def _run(connection: duckdb.DuckDBPyConnection, query: str, limits: Limits, limit_rows: int) -> Answer:
    relation = connection.sql(query)
    shapes = [shape_of(kind) for kind in relation.types]
    columns = [SqlColumn(name, str(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)]
    casts = ", ".join(f"CAST(#{number} AS {shape.sql})" for number, shape in enumerate(shapes, 1))
    rows = relation.project(casts).limit(limit_rows + 1)
    parts: list[bytes] = []
    size_bytes = 0
    for row in rows.iter_rows(_FETCHED_ROWS):
        part = msgspec.json.encode(list(map(Shape.json, shapes, row)))
        size_bytes += len(part) + 1
        if len(parts) == limit_rows or size_bytes > limits.bytes:
            return _answer(columns, parts, truncated=True)
        parts.append(part)
    return _answer(columns, parts, truncated=False)


def _answer(columns: list[SqlColumn], parts: list[bytes], *, truncated: bool) -> Answer:
    return Answer(columns, msgspec.Raw(b"[" + b",".join(parts) + b"]"), truncated)


def _failure(error: duckdb.Error) -> Failure:
    """DuckDB's first line, and its suggestion where it has one."""
    first, *others = str(error).splitlines() or [type(error).__name__]
    return Failure(first, hint=next((line for line in others if line.startswith(_HELPFUL)), ""))
