"""All rows that filters pick, as one stream, as they were at one epoch."""

from __future__ import annotations

import asyncio

from starlette.responses import StreamingResponse

from mcai.dataset.export import jsonl, parquet
from mcai.errors import InvalidRequestError
from mcai.wire import EPOCH_HEADER, ROWS_HEADER
from mcai_daemon.operations import FILTERS, Call, Operation, Parameter

_FORMAT = Parameter("format", "string", "jsonl (default) or parquet.", choices=("jsonl", "parquet"))


async def export(call: Call) -> StreamingResponse:
    catalog = call.services.knowledge.catalog
    epoch, filters = catalog.epoch, call.filters
    rows = await asyncio.to_thread(catalog.count_matching, filters, epoch=epoch)
    as_parquet = call.query.get("format") == "parquet"
    chunks = parquet(catalog, filters, epoch, call.services.home.dir) if as_parquet else jsonl(catalog, filters, epoch)
    media_type = "application/vnd.apache.parquet" if as_parquet else "application/jsonl"
    return StreamingResponse(chunks, headers={EPOCH_HEADER: str(epoch), ROWS_HEADER: str(rows)}, media_type=media_type)


OPERATIONS = (
    Operation(
        "GET",
        "/v1/export",
        "Every row that the filters pick, streamed; one JSON object a line, or a Parquet file",
        export,
        None,
        query=(*FILTERS, _FORMAT),
        media_type="application/jsonl",
        errors=(InvalidRequestError,),
    ),
)
