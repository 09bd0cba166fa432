"""What a command may load: the CLI has to start in about the time of an import of typer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    *("duckdb", "lancedb", "pyarrow", "numpy", "textual", "starlette", "uvicorn", "httpx2", "wordllama", "ftfy"),
    *("pydantic", "rich", "mcai_daemon"),
}

_PROBE = """
import json, sys
from mcai_cli import app
sys.stdout = sys.stderr
code = app.run(sys.argv[1:])
json.dump({"code": code, "modules": sorted(sys.modules)}, sys.__stdout__)
"""


def probe(home: Path, *words: str) -> tuple[int, set[str]]:
    """Run a command in a fresh interpreter with no daemon to talk to; return its exit code and what it loaded."""
    env = {**os.environ, "MCAI_HOME": str(home), "MCAI_NO_START": "1"}
    ran = subprocess.run([sys.executable, "-c", _PROBE, *words], env=env, capture_output=True, text=True, check=True)
    told = json.loads(ran.stdout)
    return told["code"], set(told["modules"])


@pytest.mark.parametrize(
    "words",
    [["query", "calm", "--json"], ["get", "1"], ["add", "--content", "x"], ["status"], ["export"]],
    ids=" ".join,
)
def test_a_socket_command_loads_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    """Up to the daemon's answer a command loads no database, no array library, no rich and no pydantic."""
    code, modules = probe(tmp_path, *words)
    assert code == 3
    assert not HEAVY & modules


def test_a_command_loads_no_other_command(tmp_path: Path) -> None:
    """`mcai query` does not pay for `mcai migrate`."""
    _, modules = probe(tmp_path, "query", "calm")
    assert {name for name in modules if name.startswith("mcai_cli.commands.")} == {"mcai_cli.commands.query"}
    assert not any(name.startswith(("mcai.formats", "mcai_cli.importing")) for name in modules)


_MIGRATE = """
import json, sys
from cli_fakes import mcai
ran = mcai("migrate", sys.argv[1], "--json")
print(json.dumps({"imported": ran.document["totals"]["imported"], "modules": sorted(sys.modules)}))
"""


def test_migrate_reads_json_without_array_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole import of JSON needs no pyarrow and no rich: only a Parquet file and a terminal do."""
    (tmp_path / "a.json").write_text('[{"prompt": "a", "completion": "b"}]')
    env = {**os.environ, "MCAI_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _MIGRATE, str(tmp_path / "a.json")]
    told = json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    assert told["imported"] == 1
    assert not HEAVY & set(told["modules"])
