"""The documents say what is so: a script, a version or a file that they name exists, and nothing is left out."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import mcai

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if path.is_file() and path.suffix != ".md")
DOCUMENTS = sorted(path for folder in [".", "docs", "scripts", "data"] for path in (ROOT / folder).glob("*.md"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def interpreter(script: Path) -> str:
    return read(script).partition("\n")[0]


def fenced_lines(markdown: str) -> Iterator[str]:
    """Yield the lines inside the code fences of a document."""
    inside = False
    for line in markdown.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif inside:
            yield line


def test_scripts_readme_lists_exactly_the_scripts() -> None:
    """scripts/README.md has one row for every script, and none for a script that is gone."""
    rows = re.findall(r"^\| `([^`]+)` \|", read(ROOT / "scripts" / "README.md"), flags=re.MULTILINE)

    assert sorted(rows) == [path.name for path in SCRIPTS]


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_scripts_can_be_run_and_parsed(script: Path) -> None:
    """Every script is executable, and a shell one has no syntax error."""
    assert script.stat().st_mode & 0o111 == 0o111

    if "bash" in interpreter(script):
        subprocess.run(["bash", "-n", script], check=True, capture_output=True)


def test_python_scripts_are_linted() -> None:
    """A Python script without suffix is invisible to ruff unless pyproject.toml names it."""
    python_scripts = {f"scripts/{path.name}" for path in SCRIPTS if "python" in interpreter(path) and not path.suffix}

    assert python_scripts == set(PYPROJECT["tool"]["ruff"].get("extend-include", []))


def test_version_is_the_same_everywhere() -> None:
    """pyproject.toml, mcai.__version__ and the changelog's newest release agree; what is unreleased stands on top."""
    headings = re.findall(r"^## \[([^\]]+)\]", read(ROOT / "CHANGELOG.md"), flags=re.MULTILINE)

    assert PYPROJECT["project"]["version"] == mcai.__version__
    assert headings[0] == "Unreleased"
    assert headings[1:2] in ([], [mcai.__version__])


def test_readme_opens_with_the_two_commands() -> None:
    """Who opens README.md finds first how to see it work, then how to check it."""
    lines = fenced_lines(read(ROOT / "README.md"))
    commands = [line.removeprefix("$ ").split()[0] for line in lines if re.match(r"(\$ )?scripts/", line)]

    assert commands[:2] == ["scripts/quickstart", "scripts/check"]


def test_architecture_stays_short() -> None:
    """docs/architecture.md can be read in one sitting: at most 150 lines."""
    lines = read(ROOT / "docs" / "architecture.md").splitlines()

    assert len(lines) <= 150


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document names a file that exists."""
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", read(document))

    assert [target for target in targets if not (document.parent / target).exists()] == []
