"""The verbs on versions: the log of epochs, how two differ, and the way back."""

from __future__ import annotations

from mcai.records import EpochDiff, EpochLog, RollbackResult
from mcai.wire import Flow, Request, decode
from mcai.wire.calls.parameters import optional_text, paging, segment, to_json, whole_number

CHANGE_TIMEOUT_S = 600.0
"""A change of every row of a large home takes minutes."""


def log(domain: str | None = None, *, limit: int = 100, cursor: str | None = None) -> Flow[EpochLog]:
    """Return what each epoch did, newest first.

    Args:
        domain: only the epochs that touched it.
        limit: 1 to 1,000.
        cursor: the previous answer's ``next_cursor``, with the same domain.

    Raises:
        NotFoundError: there is no such domain.
        InvalidCursorError: the cursor was made with another domain.
    """
    query = {"domain": optional_text(domain, "domain"), **paging(limit, cursor)}
    return decode((yield Request("GET", "/v1/epochs", query)), EpochLog)


def diff(from_epoch: int, to_epoch: int, domain: str | None = None) -> Flow[EpochDiff]:
    """Tell how the live examples of two epochs differ, domain by domain.

    Raises:
        NotFoundError: there is no such epoch or domain.
    """
    query = {"from": whole_number(from_epoch), "to": whole_number(to_epoch), "domain": optional_text(domain, "domain")}
    return decode((yield Request("GET", "/v1/epochs/diff", query, timeout_s=CHANGE_TIMEOUT_S)), EpochDiff)


def rollback(epoch: int, domain: str | None = None, *, dry_run: bool = False) -> Flow[RollbackResult]:
    """Make examples and archive equal to what they were right after an epoch; that is a new epoch.

    Args:
        epoch: 0 is the empty beginning.
        domain: that domain alone.
        dry_run: tell what would happen and change nothing.

    Raises:
        NotFoundError: there is no such epoch or domain.
        ConflictError: a domain alone cannot go back, because another example has a row's place by now.
    """
    body = to_json({"domain": domain, "dry_run": dry_run})
    path = f"/v1/epochs/{whole_number(epoch)}/rollback"
    return decode((yield Request("POST", path, body=body, timeout_s=CHANGE_TIMEOUT_S)), RollbackResult)


def drop_dataset(domain: str, *, dry_run: bool = False) -> Flow[RollbackResult]:
    """Delete all examples of a domain, its archived ones too.

    Raises:
        NotFoundError: there is no such domain.
    """
    query = {"dry_run": "true" if dry_run else None}
    request = Request("DELETE", f"/v1/datasets/{segment(domain, 'domain')}", query, timeout_s=CHANGE_TIMEOUT_S)
    return decode((yield request), RollbackResult)
