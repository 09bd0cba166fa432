"""Takes a script into the project's own venv, which is made first where there is none. Standard library only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV_DIR = ROOT / ".venv"


def enter(script: str) -> None:
    """Return in the project's venv, as the same script with the same arguments."""
    if Path(sys.prefix) != VENV_DIR:
        subprocess.run([ROOT / "scripts" / "setup"], check=True)
        python = VENV_DIR / "bin" / "python"
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        os.execve(python, [str(python), script, *sys.argv[1:]], environment)
    # Ended from outside, a script still stops its servers and removes its homes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
