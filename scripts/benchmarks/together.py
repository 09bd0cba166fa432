"""Child processes that do the same at the same time, step by step. Imports no mcai: those of the peers use it too.

A child is a module that calls `begin` once, then `tell` and `wait`; this end starts them with `Together`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Environment = Mapping[str, str] | None
SCRIPTS_DIR = Path(__file__).resolve().parents[1]


class Together:
    """Runs a module once for each specification; what still runs at the end of the ``with`` block is killed."""

    def __init__(
        self,
        module: str,
        specifications: Sequence[Any],
        python: str | Path = sys.executable,
        *,
        env: Environment = None,
    ) -> None:
        """Start them.

        Args:
            module: run with ``python -m``, from the folder of the scripts.
            specifications: JSON, one for each process.
            python: whose venv they run in.
            env: their environment; None for this process's own.
        """
        self._module = module
        self._processes = [
            subprocess.Popen(
                [python, "-m", module],
                cwd=SCRIPTS_DIR,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in specifications
        ]
        for process, specification in zip(self._processes, specifications, strict=True):
            self._write(process, json.dumps(specification))

    def hear(self) -> list[Any]:
        """Return what each of them tells next.

        Raises:
            RuntimeError: one ended instead; the message has its last words.
        """
        return [self._hear(process) for process in self._processes]

    def go(self) -> None:
        """Let those that wait go on.

        Raises:
            RuntimeError: one has ended; the message has its last words.
        """
        for process in self._processes:
            self._write(process, "")

    def _hear(self, process: subprocess.Popen[str]) -> Any:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise self._ended(process)
        return json.loads(line)

    def _write(self, process: subprocess.Popen[str], line: str) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended(process) from error

    def _ended(self, process: subprocess.Popen[str]) -> RuntimeError:
        assert process.stderr is not None
        last_words = process.stderr.read().strip()[-500:]
        return RuntimeError(f"{self._module} ended with {process.wait()}: {last_words}")

    def __enter__(self) -> Together:
        return self

    def __exit__(self, *exc: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


def run_together(
    module: str, specifications: Sequence[Any], python: str | Path = sys.executable, *, env: Environment = None
) -> list[Any]:
    """Run a module that calls `wait_for_go`, all processes at once; return what they found. See `Together`."""
    with Together(module, specifications, python, env=env) as processes:
        processes.hear()
        processes.go()
        return processes.hear()


def begin() -> Any:
    """Return this process's specification (in a child)."""
    return json.loads(sys.stdin.readline())


def tell(value: Any) -> None:
    """Tell the parent something (in a child)."""
    print(json.dumps(value), flush=True)


def wait() -> None:
    """Wait until the parent lets all go on (in a child)."""
    sys.stdin.readline()


def wait_for_go() -> Any:
    """Return this process's specification once all are ready (in a child of `run_together`)."""
    specification = begin()
    tell("ready")
    wait()
    return specification
