"""PostgreSQL with pgvector, through psycopg: both live in the peers' venv, so a process there does it all."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.corpus import at_random
from benchmarks.figures import Figure, Results
from benchmarks.peers.shared import PAGES_P50, PAGES_PER_S, RECALL, SEARCHES_PER_S, SEMANTIC_P50, Task
from benchmarks.product import run

NAME = "PostgreSQL"
SCRIPTS_DIR = Path(__file__).resolve().parents[2]
TIMEOUT_S = 1_800


def measure(task: Task, results: Results, recall_wanted: float) -> None:
    """Measure pages, and semantic search at the first setting of pgvector that reaches a recall.

    Raises:
        RuntimeError: the server or its driver failed.
    """
    with (task.folder / "rows.jsonl").open("w") as file:
        for each in task.examples:
            file.write(json.dumps([getattr(each, name) for name in each.__struct_fields__]) + "\n")
    task.nearest.save(task.folder / "nearest.npz")
    specification = {
        "folder": str(task.folder),
        "recall": recall_wanted,
        "starts": [start.after_id for start in at_random(task.starts)],
        "domain_starts": [(start.domain, start.after_id) for start in at_random(task.domain_starts)],
    }
    command: list[str | Path] = [task.bin_dir / "python", "-m", "benchmarks.peers.postgres_server"]
    found = json.loads(run(command, cwd=SCRIPTS_DIR, input=json.dumps(specification), timeout=TIMEOUT_S))
    pages, domain_pages, searches = found["pages"], found["domain_pages"], found["searches"]

    def figure(part: str, what: str, value: float, unit: str, rounds: list[float] | None = None) -> Figure:
        return Figure(part, task.rows, what, value, unit, peer=NAME, rounds=rounds or ())

    results.add(
        figure("P1", PAGES_P50, pages["p50_ms"], "ms", pages["round_p50s_ms"]),
        figure("P1", "page of 100 of a domain, p50", domain_pages["p50_ms"], "ms", domain_pages["round_p50s_ms"]),
        figure("P1", PAGES_PER_S, found["pages_per_s"], "/s"),
        figure("P2", f"hnsw.ef_search for recall >= {recall_wanted:g}", found["ef_search"], ""),
        figure("P2", SEMANTIC_P50, searches["p50_ms"], "ms", searches["round_p50s_ms"]),
        figure("P2", RECALL, found["recall"], ""),
        figure("P2", SEARCHES_PER_S, found["searches_per_s"], "/s"),
    )
