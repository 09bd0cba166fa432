"""The domains and their live counts."""

from __future__ import annotations

import asyncio

from mcai.errors import NotFoundError, StoreFullError
from mcai.identity import clean_name
from mcai.records import Dataset, Datasets, RollbackResult
from mcai.suggest import did_you_mean
from mcai.words import quoted
from mcai_daemon.operations import DRY_RUN, Call, Operation


async def list_datasets(call: Call) -> Datasets:
    found = await asyncio.to_thread(call.services.knowledge.catalog.datasets)
    return Datasets(found, sum(each.examples for each in found))


async def show_dataset(call: Call) -> Dataset:
    wanted = clean_name(call.path["domain"])
    found = await asyncio.to_thread(call.services.knowledge.catalog.datasets)
    by_name = {each.domain: each for each in found}
    if wanted not in by_name:
        raise NotFoundError(
            f"there is no dataset {quoted(wanted)}", hint=did_you_mean(wanted, by_name, "See: mcai datasets")
        )
    return by_name[wanted]


async def drop_dataset(call: Call) -> RollbackResult:
    domain = clean_name(call.path["domain"])
    return await call.services.knowledge.drop_dataset(domain, dry_run=call.query.get("dry_run", False))


_ONE = "/v1/datasets/{domain:name}"

OPERATIONS = (
    Operation("GET", "/v1/datasets", "All domains, by name", list_datasets, Datasets),
    Operation("GET", _ONE, "One domain", show_dataset, Dataset, errors=(NotFoundError,)),
    Operation(
        "DELETE",
        _ONE,
        "Delete all examples of a domain, its archived ones too",
        drop_dataset,
        RollbackResult,
        query=(DRY_RUN,),
        errors=(NotFoundError, StoreFullError),
    ),
)
