"""What runs and how far it is."""

from __future__ import annotations

import asyncio
import os

from mcai import __version__
from mcai.records import DaemonInfo, IndexInfo, Status
from mcai_daemon.operations import Call, Operation
from mcai_daemon.services import bytes_on_disk


async def status(call: Call) -> Status:
    services, knowledge = call.services, call.services.knowledge
    catalog, indexer = knowledge.catalog, knowledge.indexer
    datasets = await asyncio.to_thread(catalog.datasets)
    index = IndexInfo(
        state=indexer.state,
        model=knowledge.embedder.model,
        dim=knowledge.embedder.dim,
        rows=indexer.indexed_rows,
        pending=await asyncio.to_thread(catalog.pending, indexer.applied_epoch),
        error=indexer.error,
        bytes=await asyncio.to_thread(bytes_on_disk, services.home.vectors_dir),
        **await indexer.upkeep_facts(),
    )
    ready = services.failure.error is None
    return Status(
        daemon=DaemonInfo(os.getpid(), __version__, services.uptime_s, str(services.home.socket_path), ready),
        examples=sum(each.examples for each in datasets),
        datasets=len(datasets),
        epoch=catalog.epoch,
        index_epoch=indexer.applied_epoch,
        index=index,
        home=str(services.home.dir),
        settings=services.settings.shown(),
        bytes_on_disk=await asyncio.to_thread(bytes_on_disk, services.home.dir),
        timeline=catalog.timeline,
        snapshot=knowledge.publisher.info(),
        recovery=services.recovery,
    )


OPERATIONS = (Operation("GET", "/v1/status", "What runs and how far it is", status, Status),)
