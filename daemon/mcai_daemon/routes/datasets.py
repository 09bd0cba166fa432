"""The domains and their live counts."""

from __future__ import annotations

import asyncio
import difflib

from mcai.errors import NotFoundError
from mcai.identity import clean_name
from mcai.records import Dataset, Datasets
from mcai_daemon.operations import Call, Operation


async def list_datasets(call: Call) -> Datasets:
    found = await asyncio.to_thread(call.services.knowledge.catalog.datasets)
    return Datasets(found, sum(each.examples for each in found))


async def show_dataset(call: Call) -> Dataset:
    wanted = clean_name(call.path["domain"])
    found = await asyncio.to_thread(call.services.knowledge.catalog.datasets)
    by_name = {each.domain: each for each in found}
    if wanted not in by_name:
        near = difflib.get_close_matches(wanted, by_name, n=1)
        raise NotFoundError(
            f"there is no dataset {wanted[:80]!r}", hint=f"Did you mean {near[0]}?" if near else "See: mcai datasets"
        )
    return by_name[wanted]


OPERATIONS = (
    Operation("GET", "/v1/datasets", "All domains, by name", list_datasets, Datasets),
    Operation("GET", "/v1/datasets/{domain:path}", "One domain", show_dataset, Dataset, errors=(NotFoundError,)),
)
