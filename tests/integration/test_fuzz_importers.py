"""Fault 25 of the fault matrix: native parsers on damaged files. A reader may die, the daemon never."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "scripts" / "fuzz"
SECONDS = float(os.environ.get("FUZZ_SECONDS", "15"))
"""CI gives it five minutes."""


@pytest.mark.timeout(SECONDS + 300)
def test_damaged_files_break_no_reader_and_no_daemon() -> None:
    """Whatever is in a file: no exception, every record accounted for, and the import's daemon lives."""
    run = subprocess.run([sys.executable, FUZZ, "--seconds", str(SECONDS)], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr
    assert "no fault" in run.stdout
