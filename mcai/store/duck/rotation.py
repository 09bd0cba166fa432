"""Which examples a rotation takes, and how rows move between the live examples and the archive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import duckdb

from mcai.filters import Filters
from mcai.store.base import RotationPolicy
from mcai.store.duck.effects import Table
from mcai.store.duck.transaction import Transaction
from mcai.store.duck.where import predicate

Version = tuple[int, int]

_RANKED = """
    WITH undated AS (SELECT id FROM examples WHERE d_epoch IS NULL AND created_at IS NULL),
         came AS (SELECT id, min(c_epoch) AS epoch
                  FROM (SELECT id, c_epoch FROM examples UNION ALL SELECT id, c_epoch FROM examples_archive)
                  SEMI JOIN undated USING (id) GROUP BY id),
         dated AS (SELECT e.id, e.c_epoch, e.dataset_id, coalesce(e.created_at, p.committed_at) AS born
                   FROM examples e LEFT JOIN came USING (id) LEFT JOIN epochs p ON p.epoch = came.epoch
                   WHERE e.d_epoch IS NULL),
         verdicts AS (SELECT try_cast(target AS BIGINT) AS id,
                             count(*) FILTER (verdict = 'dislike') - count(*) FILTER (verdict = 'like') AS dislikes
                      FROM feedback WHERE d_epoch IS NULL AND regexp_full_match(target, '[1-9][0-9]{0,17}')
                      GROUP BY target),
         judged AS (SELECT dated.*,
                           coalesce(born < ?::TIMESTAMP, false) OR coalesce(dislikes >= ?::BIGINT, false) AS goes
                    FROM dated LEFT JOIN verdicts USING (id)),
         ranked AS (SELECT *, row_number() OVER (PARTITION BY dataset_id, goes ORDER BY born DESC, id DESC) AS rank
                    FROM judged)
    SELECT dataset_id, id, c_epoch FROM ranked WHERE goes OR rank > ?::BIGINT ORDER BY dataset_id, born, id
"""
"""An example is as old as its own date; without one, as the epoch that it first came with: an edit makes it no younger.
Rank 1 is the newest of those that stay for age and feedback: the cap counts these alone, so no run goes below it.
Feedback may also be about an answer, whose id is no whole number."""


def candidates(
    cursor: duckdb.DuckDBPyConnection, policy: RotationPolicy, now: datetime
) -> dict[int, tuple[int, list[Version]]]:
    """Return what a policy takes.

    Args:
        cursor: on the catalog.
        policy: what age or feedback takes goes, whatever the size of its domain; of the rest so many stay.
        now: naive UTC.

    Returns:
        dataset id -> (live examples before, (id, c_epoch) of those that go, oldest first), for every dataset with live
        examples; empty when the policy is.
    """
    if policy.max_rows is None and not policy.max_age_days and not policy.dislikes:
        return {}
    older_than = now - timedelta(days=policy.max_age_days) if policy.max_age_days else None
    sql = "SELECT dataset_id, count(*) FROM examples WHERE d_epoch IS NULL GROUP BY dataset_id"
    before = dict(cursor.execute(sql).fetchall())
    taken: dict[int, list[Version]] = {}
    values = [older_than, policy.dislikes or None, policy.max_rows]
    for dataset_id, example_id, c_epoch in cursor.execute(_RANKED, values).fetchall():
        taken.setdefault(dataset_id, []).append((example_id, c_epoch))
    return {dataset_id: (rows, taken.get(dataset_id, [])) for dataset_id, rows in before.items()}


def archived(
    cursor: duckdb.DuckDBPyConnection,
    ids: Sequence[int] | None,
    filters: Filters,
    dataset_ids: Sequence[int] | None,
) -> list[Version]:
    """Return (id, c_epoch) of the archived examples that are meant; None for ``ids`` means all that match."""
    condition, values = predicate(filters, dataset_ids)
    named = "AND id IN (SELECT unnest(?::BIGINT[]))" if ids is not None else ""
    sql = f"SELECT id, c_epoch FROM examples_archive WHERE d_epoch IS NULL {named}{condition} ORDER BY id"
    return cursor.execute(sql, [*([list(ids)] if ids is not None else []), *values]).fetchall()


def move(transaction: Transaction, source: Table, target: Table, versions: Sequence[Version]) -> int:
    """Move live versions from one table to the other, in one epoch; their ids stay."""
    transaction.end(source, [example_id for example_id, _ in versions])
    return transaction.copy(source, target, versions)
