"""Where tests live: homes of their own, no settings of the person who runs them, no network.

Homes lie in short folders of the temp folder, because the path of a unix socket ends at about 107 bytes.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from helpers import PATIENCE_S, kill, log_of
from mcai.client import Client, lifecycle
from mcai.paths import Home, find_home

hypothesis.settings.register_profile("mcai", deadline=None, print_blob=True)  # two shared cores: no test on time
hypothesis.settings.load_profile("mcai")

_LOG_TAIL_CHARACTERS = 6_000


@pytest.fixture(scope="session", autouse=True)
def own_environment() -> Iterator[None]:
    """Forget the settings of the person who runs the tests, and refuse to leave this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("MCAI_", "XDG_"))]:
            patch.delenv(name)
        patch.setattr(socket.socket, "connect", _only_local(socket.socket.connect))
        yield
    for child in lifecycle._children:
        child.wait(PATIENCE_S)  # no daemon outlives the tests


def _only_local(connect: Any) -> Any:
    def connect_locally(self: socket.socket, address: Any) -> Any:
        is_remote = self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost")
        assert not is_remote, f"a test tried to reach {address}"
        return connect(self, address)

    return connect_locally


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the user's folders at the test's own."""
    for name, folder in {
        "HOME": "user",
        "XDG_CONFIG_HOME": "user/config",
        "XDG_DATA_HOME": "user/data",
        "XDG_STATE_HOME": "user/state",
        "XDG_CACHE_HOME": "user/cache",
    }.items():
        monkeypatch.setenv(name, str(tmp_path / folder))


@contextmanager
def temporary_home() -> Iterator[Home]:
    """Yield a home that does not exist yet; the daemon that it has at the end is killed, the folder removed."""
    outer = Path(tempfile.mkdtemp(prefix="mcai-"))
    home = find_home(outer / "home")
    try:
        yield home
    finally:
        if lifecycle.running(home):
            kill(home)
        shutil.rmtree(outer, ignore_errors=True)


@pytest.fixture
def fresh_home() -> Iterator[Home]:
    """A home without a daemon, the test's own."""
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="module")
def daemon_home(own_environment: None) -> Iterator[Home]:
    """A home with a real daemon, shared by one test file."""
    with temporary_home() as home:
        lifecycle.start(home)
        yield home


@pytest.fixture
def client(daemon_home: Home) -> Iterator[Client]:
    """A client of the file's daemon; it never starts another."""
    with Client(daemon_home.dir, start=False) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the daemon's log beneath a failure."""
    report = yield
    homes = [each for each in getattr(item, "funcargs", {}).values() if isinstance(each, Home)]
    for home in homes if report.failed else ():
        report.sections.append((f"daemon log of {home.dir}", log_of(home)[-_LOG_TAIL_CHARACTERS:]))
    return report
