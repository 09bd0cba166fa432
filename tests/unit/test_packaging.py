"""What is built, installed and committed: whole, nothing too much, and reproducible from the lock alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = [ROOT / "mcai", ROOT / "cli" / "mcai_cli", ROOT / "daemon" / "mcai_daemon"]
FOLDERS_WITHOUT_IMPORT_NAME = ["cli", "daemon", "data", "scripts", "tests"]

# In pieces, so that this file does not name what it looks for.
UNNAMEABLE = [
    "".join(pieces)
    for pieces in [
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("deb.", "debian.org"),
        ("registry.", "npmjs"),
        ("hugging", "face.co/"),
        ("--index", "-url "),
        ("--extra-index", "-url "),
        ("--find", "-links "),
        ("/opt/", "wheels"),
        ("/opt/", "pypi"),
        ("/work/", "shared"),
        ("/work/", "main"),
        (".lib", "rary/"),
    ]
]


def committed_files() -> list[Path]:
    """Return the files that are, or would be, committed."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as it would be released, built offline."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def files_below(folder: Path, as_folder: str) -> set[str]:
    """Return the committed files below ``folder`` under the names that the wheel gives them."""
    inside = (path.relative_to(folder) for path in committed_files() if folder in path.parents)
    return {f"{as_folder}/{path.as_posix()}" for path in inside}


def test_wheel_holds_every_file_of_the_packages_and_the_data(wheel: zipfile.ZipFile) -> None:
    """Code, type marker, SQL, catalogs, samples: the wheel has what is committed in the packages and data/, no more."""
    expected = files_below(ROOT / "data", "mcai_data")
    for package in PACKAGES:
        expected |= files_below(package, package.name)

    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert inside == expected
    assert {"mcai/py.typed", "mcai_data/emotions.json"} <= inside
    assert any(name.startswith("mcai_data/sample/") for name in inside)
    assert any(name.startswith("mcai/store/") and name.endswith(".sql") for name in inside)


def test_wheel_installs_both_commands(wheel: zipfile.ZipFile) -> None:
    """`mcai` and `mcaid` lead to functions that exist."""
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    commands = dict(re.findall(r"^(\w+) = (\S+)$", wheel.read(name).decode(), flags=re.MULTILINE))

    assert set(commands) == {"mcai", "mcaid"}
    for target in commands.values():
        module, function = target.split(":")
        tree = ast.parse(wheel.read(f"{module.replace('.', '/')}.py"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_checkout_folders_are_not_import_names(tmp_path: Path) -> None:
    """Elsewhere, the editable install offers `import mcai`, but not this checkout's `cli`, `daemon` and so on."""
    code = """if True:
        import importlib.util, sys
        import mcai, mcai_cli, mcai_daemon
        for name in sys.argv[1:]:
            spec = importlib.util.find_spec(name)
            if spec is not None:
                print(name, spec.origin, *spec.submodule_search_locations or [])
    """
    command = [sys.executable, "-I", "-c", code, *FOLDERS_WITHOUT_IMPORT_NAME]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert found.returncode == 0, f"mcai is not installed here, run scripts/setup:\n{found.stderr}"
    assert str(ROOT) not in found.stdout


@pytest.mark.parametrize("folder", FOLDERS_WITHOUT_IMPORT_NAME)
def test_checkout_folders_are_no_packages(folder: str) -> None:
    """An `__init__.py` there would shadow other distributions' packages of that name from the project's root."""
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_committed_file_names_a_download_host_or_a_machine() -> None:
    """Where packages come from is the business of each machine's own configuration."""
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in committed_files()
        for text in UNNAMEABLE
        if text.encode() in path.read_bytes()
    ]

    assert found == []


def locked() -> dict[str, list[tuple[Requirement, int]]]:
    """Return the lock: by package name, its pins (one for each range of Pythons) and their numbers of hashes."""
    entries: dict[str, list[tuple[Requirement, int]]] = {}
    text = (ROOT / "requirements.lock").read_text()
    for entry in re.findall(r"^[^\s#].*(?:\n    --hash.*)*", text, flags=re.MULTILINE):
        requirement = Requirement(entry.partition("\\")[0])
        entries.setdefault(canonicalize_name(requirement.name), []).append((requirement, entry.count("--hash=sha256:")))
    return entries


def test_lock_pins_and_hashes_every_package() -> None:
    """Every line of the lock is one exact version with at least one hash."""
    for pins in locked().values():
        for pin, hashes in pins:
            assert re.fullmatch(r"==[^*]+", str(pin.specifier)), pin
            assert hashes, pin


@pytest.mark.parametrize(
    "requirement",
    [Requirement(text) for text in PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]],
    ids=lambda requirement: requirement.name,
)
def test_lock_satisfies_the_declared_dependencies(requirement: Requirement) -> None:
    """Each dependency of pyproject.toml is in the lock at a version that it allows; after a change: scripts/lock."""
    pins = locked()[canonicalize_name(requirement.name)]

    for pin, _ in pins:
        assert requirement.specifier.contains(str(pin.specifier).removeprefix("=="))


@pytest.mark.parametrize("name", ["duckdb", "lancedb", "msgspec", "numpy", "pyarrow", "uvloop", "wordllama"])
def test_lock_serves_every_platform(name: str) -> None:
    """Compiled packages carry the hashes of all their builds; made from one machine's files, a lock would have one."""
    assert all(hashes >= 4 for _, hashes in locked()[name])


@pytest.mark.parametrize("text", PYPROJECT["project"]["dependencies"])
def test_dependencies_have_tested_upper_bounds(text: str) -> None:
    """A plain `pip install .` ignores the lock, so no dependency may float to a version that nobody tried."""
    assert any(bound.operator in ("<", "<=", "==", "~=") for bound in Requirement(text).specifier)


def imported_names(path: Path) -> Iterator[str]:
    """Yield the top-level name of everything that a module imports."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_nothing_unpickles() -> None:
    """Data can never run as code: no module of the packages imports a serializer that executes what it reads."""
    executing = {"cloudpickle", "cPickle", "dill", "joblib", "marshal", "pickle", "shelve"}
    sources = [path for package in PACKAGES for path in package.rglob("*.py")]
    found = {path: executing.intersection(imported_names(path)) for path in sources}

    assert sources
    assert {path: names for path, names in found.items() if names} == {}


def test_installed_packages_agree() -> None:
    """The locked versions satisfy each other's requirements (the install itself does not look: it trusts the lock)."""
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)

    assert check.returncode == 0, check.stdout
