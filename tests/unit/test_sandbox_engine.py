"""The engine of `mcai sql`, in this process: what is a query, what it may reach, how much of it is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcai.store.sandbox import engine
from mcai.store.sandbox.protocol import Answer, Failure, Limits
from sandbox_kit import COPIED_ROWS, Ask, asking, opened, refusal, rows_of


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Runs a query under the usual limits, with little time."""
    with asking(tmp_path_factory.mktemp("engine"), Limits(time_s=2.0)) as ask:
        yield ask


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM examples",
        "  select 1 ;",
        "select 1; -- and that is all; really",
        "select 1 /* ; */ ;;",
        "-- first\nselect ';' ;",
        "select 'ä€😀;' as \"ü;\" ; -- é;",
        "select $$;$$",
        "WITH a AS (SELECT 1) FROM a",
        "FROM examples LIMIT 1",
        "VALUES (1), (2)",
        "(SELECT 1)",
        "TABLE examples",
        "SHOW TABLES",
        "DESCRIBE examples",
        "DESCRIBE SELECT 1 AS one",
        "SUMMARIZE examples",
        "EXPLAIN SELECT * FROM examples",
        "/* why */ explain analyze select 1; -- so",
        "EXPLAIN (FORMAT JSON, ANALYZE) SELECT 1",
        "EXPLAIN (SELECT 1)",
        "PIVOT (VALUES ('a', 1), ('b', 2)) t(k, v) ON k IN ('a', 'b') USING sum(v)",
    ],
)
def test_query_is_answered(ask: Ask, query: str) -> None:
    """Whatever only reads is a query, however it begins and ends."""
    assert rows_of(ask(query))


@pytest.mark.parametrize("query", ["", " \n", "-- nothing", "/* ; */", ";;"])
def test_no_query_is_refused(ask: Ask, query: str) -> None:
    """A text without a statement is told so."""
    assert refusal(ask(query)) == "there is no query"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE examples",
        "SELECT 1 /* ; */ ; /* x */ DROP TABLE examples --",
        "SET threads = 4; SELECT 1",
    ],
)
def test_second_statement_is_refused(ask: Ask, query: str) -> None:
    """One text is one statement, whatever comments hide."""
    assert refusal(ask(query)) == "only one query can be run at a time"


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "COPY examples FROM '/etc/passwd'",
        "COPY examples TO '/dev/stdout'",
        "EXPORT DATABASE '/tmp/stolen'",
        "IMPORT DATABASE '/tmp/stolen'",
        "ATTACH '/tmp/other.duckdb'",
        "ATTACH ':memory:' AS other",
        "DETACH mcai",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '/tmp/evil.duckdb_extension'",
        "SET memory_limit = '10GB'",
        "SET GLOBAL lock_configuration = false",
        "RESET memory_limit",
        "USE memory",
        "PRAGMA database_list",
        "PRAGMA enable_profiling",
        "CALL pragma_version()",
        "CHECKPOINT",
        "VACUUM",
        "INSERT INTO examples VALUES (1, 'x')",
        "UPDATE examples SET id = 1",
        "DELETE FROM examples",
        "DROP TABLE examples",
        "CREATE TABLE more AS SELECT 1",
        "CREATE TEMP TABLE more AS SELECT 1",
        "CREATE TABLE memory.more AS SELECT 1",
        "CREATE MACRO f() AS 1",
        "CREATE SECRET (TYPE http)",
        "/*/**/*/ DROP TABLE examples",
        "BEGIN",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "EXPLAIN DROP TABLE examples",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "EXPLAIN (ANALYZE) CREATE TEMP TABLE more AS SELECT 1",
        "EXPLAIN/**/ANALYZE CREATE TEMP TABLE more AS SELECT 1",
        "EXPLAIN ANALYZE SET threads = 4",
    ],
)
def test_other_statement_is_refused(ask: Ask, query: str) -> None:
    """Whatever is not a query is refused by its kind, before the engine has looked at what it would do."""
    assert refusal(ask(query)).startswith("only a query can be run")


def test_pivot_that_must_look_first_is_refused(ask: Ask) -> None:
    """A PIVOT without values is two statements; the person is told how to make it one."""
    assert "IN ('one', 'two')" in refusal(ask("PIVOT (VALUES ('a', 1)) t(k, v) ON k USING sum(v)"))


@pytest.mark.parametrize(
    "query",
    [
        "FROM read_csv('{}')",
        "FROM read_text('{}')",
        "FROM read_blob('{}')",
        "FROM read_parquet('{}')",
        "FROM read_json('{}')",
        "FROM sniff_csv('{}')",
        "FROM parquet_metadata('{}')",
        "FROM glob('{}')",
        "FROM '{}'",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{}''')",
        "SELECT * FROM query('SELECT 1; SELECT 2')",
        "FROM 'https://127.0.0.1:9/stolen.parquet'",
        "FROM read_text('https://127.0.0.1:9/stolen')",
        "FROM duckdb_extensions()",
        "SELECT getenv('HOME')",
        "FROM sqlite_scan('{}', 't')",
        "FROM rows",
        "FROM Limits",
        "SELECT * FROM secret",
    ],
)
def test_world_outside_is_out_of_reach(ask: Ask, query: str, tmp_path: Path) -> None:
    """No file, no network, no environment, no variable of this process: only the copy."""
    secret = tmp_path / "secret.csv"
    secret.write_text("id\nplanted-marker\n")

    reply = ask(query.format(secret))

    assert isinstance(reply, Failure), reply
    assert "planted-marker" not in reply.message + reply.hint


def test_settings_tell_nothing_of_the_host(ask: Ask, tmp_path: Path) -> None:
    """The copy has no name; the folders of the user and of the home stand in no setting and no list of databases."""
    told = str(rows_of(ask("SELECT list(s) FROM duckdb_settings() s")) + rows_of(ask("FROM duckdb_databases()")))

    assert "lock_configuration" in told
    for private in (Path.home(), tmp_path.parent, os.environ["HOME"], "duckdb/stored_secrets"):
        assert str(private) not in told


def test_configuration_is_locked(tmp_path: Path) -> None:
    """Not even who gets past the judge of statements changes a limit, writes to the copy or reads a file."""
    with opened(tmp_path, Limits()) as connection:
        for statement in (
            "SET memory_limit = '10GB'",
            "SET GLOBAL enable_external_access = true",
            "SET python_enable_replacements = true",
            "RESET max_execution_time",
        ):
            with pytest.raises(duckdb.InvalidInputException, match="locked"):
                connection.execute(statement)
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            connection.execute("DROP TABLE mcai.examples")
        with pytest.raises(duckdb.PermissionException):
            connection.execute("COPY (SELECT 1) TO '/tmp/stolen.csv'")


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("selec 1", 'Parser Error: syntax error at or near "selec"', ""),
        ("FROM exampels", "Catalog Error: Table with name exampels does not exist!", 'Did you mean "examples"?'),
        (
            "SELECT conten FROM examples",
            'Binder Error: Referenced column "conten" not found in FROM clause!',
            'Candidate bindings: "content"',
        ),
    ],
)
def test_mistake_is_told_in_one_line(ask: Ask, query: str, message: str, hint: str) -> None:
    """What the person got wrong, and what they may have meant."""
    assert ask(query) == Failure(message, hint)


TOKENS = [
    "select",
    "from",
    "explain",
    "examples",
    "(",
    ")",
    ";",
    "--",
    "\n",
    "/*",
    "*/",
    "'",
    "$$",
    "1",
    "*",
    ",",
    "\0",
]


@given(text=st.text(max_size=60) | st.lists(st.sampled_from(TOKENS)).map(" ".join))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_gets_a_reply(ask: Ask, text: str) -> None:
    """No text makes the engine raise; the reply is always one that can be sent."""
    assert msgspec.json.encode(ask(text))


def test_columns_keep_name_and_type(ask: Ask) -> None:
    """Names as the person wrote them, twice the same name too; types as DuckDB calls them."""
    reply = ask("SELECT 1 AS a, 2.5 AS a, 'x' AS \"A b\", [DATE '2020-01-02'] AS d")

    assert isinstance(reply, Answer)
    told = [(column.name, column.type) for column in reply.columns]
    assert told == [("a", "INTEGER"), ("a", "DECIMAL(2,1)"), ("A b", "VARCHAR"), ("d", "DATE[]")]


def test_rows_keep_their_order(ask: Ask) -> None:
    """ORDER BY holds for what is shown."""
    rows = rows_of(ask("SELECT id FROM examples ORDER BY id % 7, id DESC"))

    assert rows == [[number] for number in sorted(range(COPIED_ROWS), key=lambda number: (number % 7, -number))]


@pytest.mark.parametrize(("asked", "truncated"), [(9, False), (10, False), (11, True)])
def test_rows_are_capped(tmp_path: Path, asked: int, truncated: bool) -> None:
    """The cap itself is no truncation; one row more is."""
    limits = Limits(rows=10)
    with opened(tmp_path, limits) as connection:
        reply = engine.answer(connection, f"FROM examples LIMIT {asked}", limits)

    assert isinstance(reply, Answer) and reply.truncated is truncated
    assert len(rows_of(reply)) == min(asked, 10)


def test_bytes_are_capped(tmp_path: Path) -> None:
    """Whole rows are shown up to the cap."""
    limits = Limits(bytes=10_000)
    with opened(tmp_path, limits) as connection:
        reply = engine.answer(connection, "SELECT repeat('x', 996) FROM examples", limits)

    assert isinstance(reply, Answer) and reply.truncated
    assert len(rows_of(reply)) == 9 and len(bytes(reply.rows)) <= 10_000


def test_wide_rows_are_cut_not_refused(tmp_path: Path) -> None:
    """Rows that do not fit into memory by the thousand are asked for by the hundred."""
    limits = Limits(memory_bytes=40 << 20, bytes=1_000)
    with opened(tmp_path, limits) as connection:
        reply = engine.answer(connection, "SELECT repeat('x', 100_000) AS wide FROM examples", limits)

    assert isinstance(reply, Answer) and reply.truncated


def test_memory_that_runs_out_is_told(tmp_path: Path) -> None:
    """The engine's own limit gives a plain message."""
    limits = Limits(memory_bytes=100 << 20)
    with opened(tmp_path, limits) as connection:
        reply = engine.answer(connection, "SELECT list(i) FROM range(100_000_000) t(i)", limits)

    assert reply == limits.too_big


def test_time_that_runs_out_is_told(tmp_path: Path) -> None:
    """The engine's own clock gives the same message as the daemon's."""
    limits = Limits(time_s=0.1)
    with opened(tmp_path, limits) as connection:
        reply = engine.answer(connection, "SELECT count(*) FROM range(1_000_000) a, range(1_000_000) b", limits)

    assert reply == limits.too_slow and "longer than 0.1 s" in limits.too_slow.message
