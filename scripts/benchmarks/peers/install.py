"""The peers' own venv: their packages never meet mcai's."""

from __future__ import annotations

import sys
import tomllib
import venv
from pathlib import Path

from benchmarks.product import run
from benchmarks.venv_entry import ROOT

GROUP = "bench"
VENV_DIR = ROOT / ".venv" / "peers"


def install() -> Path:
    """Make the venv from the dependency group, or find it made; return its folder of commands.

    Raises:
        RuntimeError: pip failed; the message has its last words.
    """
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"][GROUP]
    stamp_path, bin_dir = VENV_DIR / "installed", VENV_DIR / "bin"
    stamp = "\n".join([sys.version, *wanted])
    if not stamp_path.is_file() or stamp_path.read_text("utf-8") != stamp:
        print(f"bench: installing the peers into {VENV_DIR}: one to three minutes the first time", flush=True)
        venv.create(VENV_DIR, clear=True, symlinks=True)
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        run([*pip, "--python", bin_dir / "python", "install", "-q", "--only-binary", ":all:", *wanted])
        stamp_path.write_text(stamp, "utf-8")
    return bin_dir
