"""The verbs on the home as a whole: back it up, forget for good, examine it, ask it in SQL."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Unpack

from mcai.errors import InvalidRequestError, shown
from mcai.records import BackupResult, Backups, DoctorReport, ForgetResult, SqlResult
from mcai.wire import Flow, Request, decode
from mcai.wire.calls.parameters import Filtering, selection, to_json

UPKEEP_TIMEOUT_S = 3_600.0
"""These read or rewrite every file of a home."""
SQL_TIMEOUT_S = 120.0
"""The query may take ten seconds; the copy that it runs on is made before."""


def backup(dest: str | os.PathLike[str], *, everything: bool = False) -> Flow[BackupResult]:
    """Write a backup while the daemon goes on serving.

    Args:
        dest: the folder to make; a relative path is taken from this process's own folder.
        everything: jobs, artifacts and cache too, not the catalog and its journal alone.

    Raises:
        InvalidRequestError: its name is not UTF-8.
        ConflictError: there is something at ``dest`` already.
        StoreFullError: its disk has no room.
    """
    path = str(Path(dest).absolute())
    if path != shown(path):
        raise InvalidRequestError(f"the name {shown(path)} is not UTF-8", hint="Name another folder.")
    body = to_json({"dest": path, "all": everything})
    return decode((yield Request("POST", "/v1/backups", body=body, timeout_s=UPKEEP_TIMEOUT_S)), BackupResult)


def backups() -> Flow[Backups]:
    """List the backups that lie in the home."""
    return decode((yield Request("GET", "/v1/backups")), Backups)


def forget(
    ids: Iterable[int] | None = None, *, dry_run: bool = False, **chosen: Unpack[Filtering]
) -> Flow[ForgetResult]:
    """Remove examples from every place where mcai keeps them, the history and the backups in the home too.

    Args:
        ids: these examples; or the filters name them. One of the two is needed.
        dry_run: tell where they are and change nothing.

    Raises:
        InvalidRequestError: neither ids nor filters, or both.
    """
    body = to_json({**selection(ids, chosen), "dry_run": dry_run})
    return decode((yield Request("POST", "/v1/forget", body=body, timeout_s=UPKEEP_TIMEOUT_S)), ForgetResult)


def doctor() -> Flow[DoctorReport]:
    """Examine everything in the home; nothing is changed."""
    return decode((yield Request("GET", "/v1/doctor", timeout_s=UPKEEP_TIMEOUT_S)), DoctorReport)


def sql(query: str) -> Flow[SqlResult]:
    """Run one read-only query on a copy of the catalog, in a process of its own with limits.

    Raises:
        SqlError: it is no single query, fails, takes too long or needs too much memory.
    """
    request = Request("POST", "/v1/sql", body=to_json({"query": query}), timeout_s=SQL_TIMEOUT_S)
    return decode((yield request), SqlResult)
