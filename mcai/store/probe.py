"""Looks at a Lance table from a process of its own: a damaged file of it can end the process that opens it.

    python -m mcai.store.probe VECTORS_DIR TABLE

opens the table, reads all of it, asks each index once, and prints what it holds as one JSON object.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from mcai.errors import NO_JSON, DamagedError
from mcai.store.versions import Versions, versions_of

log = structlog.get_logger("probe")

TIMEOUT_S = 600.0
_SUFFIX = ".lance"
LANCE_ERRORS = (OSError, RuntimeError, ValueError)
_PANICS = ("RustPanic", "PanicException")


class Probed(Struct, frozen=True):
    """What a table holds."""

    epoch: int
    """That of its sentinel; 0 without one."""
    committed_at_us: int | None
    """When the catalog committed that epoch, in microseconds since 1970."""
    versions: Versions


@contextmanager
def lance_errors() -> Iterator[None]:
    """Make every error of Lance a RuntimeError, an OSError or a ValueError.

    A panic in its Rust code is of a class that no module offers, and not always an Exception.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ not in _PANICS:
            raise
        raise RuntimeError(f"a panic: {error}") from error


def table_name(model: str) -> str:
    """Return the name of an embedding model's table."""
    return "examples-" + re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")


def tables_in(vectors_dir: Path) -> list[str]:
    """Return the names of the tables in a folder."""
    return sorted(path.name.removesuffix(_SUFFIX) for path in vectors_dir.glob(f"*{_SUFFIX}"))


def remove(vectors_dir: Path, table: str) -> None:
    """Remove a table; the daemon makes it anew from the catalog."""
    shutil.rmtree(vectors_dir / f"{table}{_SUFFIX}", ignore_errors=True)


def look(vectors_dir: Path, model: str) -> None:
    """Make sure that the table of a model can be opened: one that cannot be read is removed."""
    table = table_name(model)
    if table not in tables_in(vectors_dir):
        return
    try:
        probe(vectors_dir, table)
    except DamagedError as error:
        log.warning("index dropped", table=table, reason=error.message)
        remove(vectors_dir, table)


def probe(vectors_dir: Path, table: str) -> Probed:
    """Read all of a table in a child.

    Raises:
        DamagedError: saying what the child found, or how it ended.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-m", "mcai.store.probe", str(vectors_dir), table],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DamagedError(f"the search index {table} could not be read within {TIMEOUT_S:g} s") from None
    if child.returncode < 0:
        raise DamagedError(f"reading the search index {table} ended in signal {-child.returncode}")
    try:
        return msgspec.json.decode(child.stdout, type=Probed)
    except NO_JSON:
        words = child.stderr.decode(errors="replace").strip().rsplit("\n", 1)[-1]
        raise DamagedError(f"the search index {table} cannot be read: {words[:200]}") from None


async def read(vectors_dir: str, name: str) -> Probed:
    """Read all of a table in this process; `lance_errors` for what that may end in, short of the process's own end."""
    import lancedb
    import numpy as np
    import pyarrow.compute as pc
    from lancedb.query import MatchQuery

    database = await lancedb.connect_async(vectors_dir)
    table = await database.open_table(name)
    ids, c_epochs = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    sentinel: tuple[int, int | None] = (0, None)
    dim = (await table.schema()).field("vector").type.list_size
    async for batch in await table.query().to_batches():
        batch.validate(full=True)
        vectors = batch["vector"].drop_null().flatten().to_numpy(zero_copy_only=False)
        if not np.isfinite(vectors).all():
            raise ValueError("a vector is not finite")
        batch_ids, epochs = (batch[name].to_numpy(zero_copy_only=False) for name in ("id", "c_epoch"))
        is_row = batch_ids >= 0  # the sentinel lies below
        ids.append(batch_ids[is_row])
        c_epochs.append(epochs[is_row])
        told = batch.filter(pc.less(batch["id"], 0))
        told_at_us = told["created_at"].cast("int64").to_pylist()
        for each in zip(told["c_epoch"].to_pylist(), told_at_us, strict=True):
            sentinel = max(sentinel, each, key=lambda told: told[0])
    await table.query().nearest_to(np.ones(dim, np.float32)).limit(10).to_arrow()
    for index in await table.list_indices():
        if index.index_type == "FTS":
            await table.query().nearest_to_text(MatchQuery("the", index.columns[0])).limit(10).to_arrow()
    return Probed(sentinel[0], sentinel[1], versions_of(np.concatenate(ids), np.concatenate(c_epochs)))


def main(arguments: list[str]) -> int:
    """Read one table and print what it holds; what the child runs."""
    vectors_dir, table = arguments
    try:
        with lance_errors():
            told = asyncio.run(read(vectors_dir, table))
    except LANCE_ERRORS as error:
        sys.stderr.write(f"{type(error).__name__}: {error}".split("\n", 1)[0] + "\n")
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
