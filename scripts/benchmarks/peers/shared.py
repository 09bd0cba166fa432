"""What every peer is given, and what is asked of its figures."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.corpus import PageStart
from benchmarks.nearest import Nearest
from benchmarks.product import clean_environment
from mcai.records import Example

PAGES_P50 = "page of 100, p50"
PAGES_PER_S = "pages/s, 16 clients"
SEMANTIC_P50 = "semantic search, p50"
SEARCHES_PER_S = "semantic searches/s, 16 clients"
RECALL = "semantic recall@10"
SERVER_LOG = "server.log"


@dataclass(frozen=True)
class Task:
    """One corpus, as a peer takes it in."""

    folder: Path
    """Everything of the peer lies there."""
    examples: Sequence[Example]
    nearest: Nearest
    starts: Sequence[PageStart]
    domain_starts: Sequence[PageStart]
    bin_dir: Path = Path()
    """Of the venv that has the peers."""

    @property
    def rows(self) -> int:
        return len(self.examples)

    def for_peer(self, name: str, bin_dir: Path) -> Task:
        """Return the same task in a new folder of its own."""
        folder = self.folder / name.lower()
        folder.mkdir(parents=True)
        return replace(self, folder=folder, bin_dir=bin_dir)


@contextmanager
def server(folder: Path, arguments: Sequence[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server of our own while the block lasts; its output goes to a log in ``folder``."""
    environment = clean_environment() | {"ANONYMIZED_TELEMETRY": "False", "HOME": str(folder)}
    with (folder / SERVER_LOG).open("ab") as log:
        process = subprocess.Popen([os.fspath(each) for each in arguments], env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
