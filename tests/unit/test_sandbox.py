"""`mcai sql` from the daemon's side: answers, copies that are as new as the catalog and leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from catalog_contract import numbered
from mcai.errors import SqlError, StoreFullError
from mcai.store.sandbox.host import MAX_QUERY_BYTES
from sandbox_kit import ROWS, Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("sandbox"))
    yield bench
    bench.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Bench]:
    """A bench that no other test uses."""
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_query_is_answered(bench: Bench) -> None:
    """Columns with name and type, rows as JSON, and how long it took."""
    result = bench.run("SELECT domain, count(*) AS n, min(created_at) AS first FROM examples GROUP BY domain")

    assert [(column.name, column.type) for column in result.columns] == [
        ("domain", "VARCHAR"),
        ("n", "BIGINT"),
        ("first", "TIMESTAMP"),
    ]
    assert msgspec.json.decode(msgspec.json.encode(result))["rows"] == [["physics", ROWS, None]]
    assert not result.truncated and result.took_ms > 0


def test_big_answer_is_truncated(bench: Bench) -> None:
    """At most 10,000 rows, and at most 8 MiB."""
    many = bench.run("SELECT a.id FROM examples a, examples b")
    wide = bench.run("SELECT repeat('x', 100_000) FROM examples")

    assert many.truncated and len(msgspec.json.decode(cast("msgspec.Raw", many.rows))) == 10_000
    assert wide.truncated and 7 << 20 < len(bytes(cast("msgspec.Raw", wide.rows))) <= 8 << 20


def test_copy_is_made_once_an_epoch(own: Bench) -> None:
    """A query sees what was written before it; without a write the copy is used again."""
    count = "SELECT count(*) FROM examples"

    assert (own.rows(count), own.rows(count), own.copies) == ([[ROWS]], [[ROWS]], 1)
    own.catalog.add(numbered(5, first=10_000))
    assert (own.rows(count), own.copies) == ([[ROWS + 5]], 2)


def test_copy_has_no_name(own: Bench) -> None:
    """Nothing lies about that could be found, left behind after a crash, or hold a forgotten row after `discard`."""
    own.run("SELECT 1")
    assert [each for each in own.temp_dir.rglob("*") if not each.is_dir()] == []
    assert len(nameless_copies(own)) == 1

    own.sandbox.discard()

    assert nameless_copies(own) == []
    assert own.rows("SELECT 1") == [[1]] and own.copies == 2


def nameless_copies(bench: Bench) -> list[str]:
    """Return the deleted files of the temp folder that this process still has open."""
    targets = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return [target for target in targets if target.startswith(str(bench.temp_dir)) and target.endswith("(deleted)")]


def test_failed_copy_fails_the_query_alone(own: Bench) -> None:
    """A full disk is told as such, half a copy is removed, and the next query works."""
    own.disk_is_full = True
    with pytest.raises(StoreFullError):
        own.run("SELECT 1")
    assert list(own.temp_dir.glob("*.duckdb*")) == []

    own.disk_is_full = False
    assert own.rows("SELECT 1") == [[1]]


@pytest.mark.parametrize("query", ["SELECT '\ud800'", "SELECT '" + "x" * MAX_QUERY_BYTES + "'"])
def test_unusable_text_is_refused_here(bench: Bench, query: str) -> None:
    """What cannot be sent, or is absurdly long, costs no child."""
    copies = bench.copies
    with pytest.raises(SqlError):
        bench.run(query)
    assert bench.copies == copies


def test_failure_carries_message_and_hint(bench: Bench) -> None:
    """The child's words arrive as the error of the contract."""
    with pytest.raises(SqlError) as caught:
        bench.run("FROM exampels")
    assert caught.value.hint == 'Did you mean "examples"?'

    with pytest.raises(SqlError, match="only a query can be run"):
        bench.run("COPY examples TO '/tmp/stolen.csv'")
