"""Paths: which folder is the home, and where its socket lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcai import paths
from mcai.paths import MAX_SOCKET_PATH_BYTES, Home, find_home


def test_argument_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`home=` is stronger than MCAI_HOME, which is read at the call."""
    monkeypatch.setenv("MCAI_HOME", str(tmp_path / "one"))
    assert find_home().dir == tmp_path / "one"
    monkeypatch.setenv("MCAI_HOME", str(tmp_path / "two"))
    assert find_home().dir == tmp_path / "two"

    assert find_home(tmp_path / "three").dir == tmp_path / "three"


@pytest.mark.parametrize("value", [None, ""])
def test_default_home_is_the_user_s_data_folder(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without MCAI_HOME, or with an empty one, the data folder of the platform is used."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if value is None:
        monkeypatch.delenv("MCAI_HOME", raising=False)
    else:
        monkeypatch.setenv("MCAI_HOME", value)

    assert find_home().dir == tmp_path / "mcai"


def test_spellings_of_one_folder_are_one_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths, dots, ~ and symbolic links lead to the same home."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    spellings: list[str | Path] = ["real", "./real/../real", tmp_path / "real", "link", "~/real"]

    assert {find_home(each) for each in spellings} == {Home(tmp_path / "real")}


def test_asking_for_paths_creates_nothing(tmp_path: Path) -> None:
    """Path functions only tell where things would lie."""
    home = find_home(tmp_path / "home")
    names = [name for name, value in vars(Home).items() if isinstance(value, property)]

    assert names and all(isinstance(getattr(home, name), Path) for name in names)
    assert list(tmp_path.iterdir()) == []


def test_everything_lies_in_the_home(tmp_path: Path) -> None:
    """One folder holds it all (the socket alone may have to leave it)."""
    home = Home(tmp_path)
    inside = [getattr(home, name) for name, value in vars(Home).items() if isinstance(value, property)]

    assert len(set(inside)) == len(inside)
    assert all(each.parent == tmp_path for each in inside if each != home.socket_path)


@pytest.mark.parametrize(("length", "is_direct"), [(MAX_SOCKET_PATH_BYTES, True), (MAX_SOCKET_PATH_BYTES + 1, False)])
def test_socket_stays_in_the_home_while_its_path_fits(length: int, is_direct: bool) -> None:
    """Up to 100 bytes the socket lies in the home, beyond in a runtime folder."""
    home = Home(Path("/" + "h" * (length - len("/" + "/mcaid.sock"))))

    assert (home.socket_path == home.dir / "mcaid.sock") is is_direct


def test_bytes_count_not_characters() -> None:
    """A path of few characters may have many bytes."""
    home = Home(Path("/" + "ä" * 50))

    assert home.socket_path.parent != home.dir


def test_long_homes_have_sockets_of_their_own() -> None:
    """The runtime folder is named by the home's hash and the user, so neither homes nor users meet."""
    one, other = (Home(Path("/" + letter * 200)) for letter in "ab")

    assert one.socket_path != other.socket_path and one.socket_path == Home(one.dir).socket_path
    assert one.socket_path.parent.parent == paths.RUNTIME_DIR and f"-{os.getuid()}-" in one.socket_path.parent.name
    assert len(os.fsencode(one.socket_path)) <= MAX_SOCKET_PATH_BYTES


@pytest.mark.parametrize("name", ["XDG_RUNTIME_DIR", "TMPDIR"])
def test_socket_does_not_move_with_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cron and a login shell find the same socket."""
    home = Home(Path("/" + "h" * 200))
    before = home.socket_path

    monkeypatch.setenv(name, "/elsewhere")

    assert home.socket_path == before
