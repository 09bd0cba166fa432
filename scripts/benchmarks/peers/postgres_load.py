"""Half of the 16 clients of PostgreSQL: a thread and a connection each (psycopg waits without the GIL)."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.load import WARM_UP_S
from benchmarks.peers.postgres_server import connect
from benchmarks.together import tell, wait_for_go


def _parameters(specification: Any) -> list[Any]:
    if specification["ef_search"] is None:
        return list(specification["parameters"])
    vectors = np.asarray(specification["parameters"], np.float32)
    return [(vector, vector) for vector in vectors]


def _serve(specification: Any, parameters: list[Any], number: int) -> int:
    """Be one client; return how many answers it had."""
    mine = itertools.cycle(parameters[number * len(parameters) // specification["clients"] :])
    answers = 0
    with connect(specification["uri"], specification["ef_search"]) as connection:
        warm_at = time.perf_counter() + WARM_UP_S
        while time.perf_counter() < warm_at:
            connection.execute(specification["sql"], next(mine)).fetchall()
        end_at = warm_at + specification["duration_s"]
        while time.perf_counter() < end_at:
            connection.execute(specification["sql"], next(mine)).fetchall()
            answers += 1
    return answers


def main() -> None:
    """Run the clients of one specification."""
    specification = wait_for_go()
    parameters = _parameters(specification)
    with ThreadPoolExecutor(specification["clients"]) as pool:
        answers = sum(
            pool.map(lambda number: _serve(specification, parameters, number), range(specification["clients"]))
        )
    tell({"answers": answers, "elapsed_s": specification["duration_s"]})


if __name__ == "__main__":
    main()
