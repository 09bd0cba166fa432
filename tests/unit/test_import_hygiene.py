"""What an import costs, and who may import whom: the promises behind a command line that answers at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ENGINES = {"duckdb", "lancedb", "pyarrow", "numpy", "wordllama"}
SERVER = {"starlette", "uvicorn"}
TERMINAL = {"typer", "rich", "textual"}


def modules_after(code: str, home: Path) -> set[str]:
    """Run ``code`` in a fresh interpreter; return the top-level modules that it has then loaded."""
    report = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    environment = {**os.environ, "MCAI_HOME": str(home), "MCAI_NO_START": "1"}
    command = [sys.executable, "-c", f"{code}\n{report}"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=home, env=environment)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import mcai", ENGINES | SERVER | TERMINAL | {"httpx2", "msgspec", "asyncio"}),
        ("from mcai import Client", ENGINES | SERVER | TERMINAL | {"httpx2"}),
        ("from mcai import Example, McaiError", ENGINES | SERVER | TERMINAL | {"httpx2"}),
        ("import mcai_cli.app", ENGINES | SERVER | {"httpx2", "rich", "textual"}),
    ],
)
def test_import_loads_nothing_heavy(code: str, unwanted: set[str], tmp_path: Path) -> None:
    """A process pays only for what it uses: engines, server and terminal libraries load when they are needed."""
    assert modules_after(code, tmp_path) & unwanted == set()


@pytest.mark.parametrize("command", [["status", "--json"], ["query", "calm", "--json"], ["get", "1", "--json"]])
def test_socket_command_loads_no_engine(command: list[str], tmp_path: Path) -> None:
    """A command that only asks the daemon loads no engine on its whole way, here up to finding no daemon (exit 3)."""
    code = f"from mcai_cli.app import run; assert run({command}) == 3"

    assert modules_after(code, tmp_path) & (ENGINES | SERVER | {"httpx2", "textual"}) == set()


FOLDERS = {"mcai": "mcai", "mcai_cli": "cli/mcai_cli", "mcai_daemon": "daemon/mcai_daemon"}

# The package that trespasses, what it imports, and the contract of pyproject.toml that this breaks.
TRESPASSES = [
    ("mcai.wire", "mcai.store", "layers: a package imports only what is below it"),
    ("mcai.store", "mcai.dataset", "layers: a package imports only what is below it"),
    ("mcai_cli", "mcai_daemon", "layers: a package imports only what is below it"),
    ("mcai_cli", "mcai.dataset", "the CLI sees the client and the readers, never the store"),
    ("mcai_cli", "mcai.store", "the CLI sees the client and the readers, never the store"),
    ("mcai.client", "duckdb", "duckdb and lancedb only in mcai.store"),
    ("mcai_daemon", "lancedb", "duckdb and lancedb only in mcai.store"),
    ("mcai.client", "starlette", "starlette and uvicorn only in the daemon"),
    ("mcai.store", "rich", "typer and rich only in the CLI"),
]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What lint-imports says, by contract, of a copy of the packages with all the trespasses in it."""
    copy = tmp_path_factory.mktemp("trespass")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for folder in FOLDERS.values():
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for number, (package, imported, _) in enumerate(TRESPASSES):
        root, *rooms = package.split(".")
        (copy / FOLDERS[root]).joinpath(*rooms, f"trespass{number}.py").write_text(f"import {imported}\n")

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(copy / place) for place in [".", "cli", "daemon"])}
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    run = subprocess.run(lint, cwd=copy, env=environment, capture_output=True, text=True)

    assert "Broken contracts" in run.stdout, run.stdout + run.stderr
    _, *parts = re.split(r"^(.+)\n-{3,}\n", run.stdout, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("number", range(len(TRESPASSES)), ids=lambda n: "{} imports {}".format(*TRESPASSES[n]))
def test_contract_breaks_when_it_is_violated(number: int, verdicts: dict[str, str]) -> None:
    """The import contracts are fences, not decoration: each one names the module that climbs over it."""
    package, imported, contract = TRESPASSES[number]

    assert f"{package}.trespass{number} -> {imported} " in verdicts[contract]
