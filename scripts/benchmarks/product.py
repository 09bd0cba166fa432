"""mcai as a user has it: installed from a wheel, its daemon in a temporary home."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.http_raw import Connection, message
from benchmarks.venv_entry import ROOT
from mcai.errors import McaiError
from mcai.paths import find_home

START_TIMEOUT_S = 60.0
POLL_S = 0.002
IDLE_SHARE = 0.05
"""A process that uses less of a core than this has nothing under way."""


def clean_environment() -> dict[str, str]:
    """Return the environment without what would change mcai's behaviour or its modules."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith("MCAI_") and name not in dropped}


def run(arguments: list[str | Path], **options: Any) -> str:
    """Run a command to its end; return its output.

    Raises:
        RuntimeError: it failed; the message has its last words.
    """
    options = {"env": clean_environment(), **options}
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [str(each) for each in arguments], capture_output=True, text=True, **options
    )
    if done.returncode:
        last_words = (done.stderr.strip() or done.stdout.strip() or "without a word").splitlines()[-1]
        command = " ".join(map(str, [Path(arguments[0]).name, *arguments[1:4]]))
        raise RuntimeError(f"`{command}` ended with {done.returncode}: {last_words}")
    return done.stdout


class Product:
    """One installed mcai."""

    def __init__(self, bin_dir: Path) -> None:
        self.python = bin_dir / "python"
        self.mcai = bin_dir / "mcai"

    @classmethod
    def install(cls, folder: Path) -> Product:
        """Build the wheel and install it into a new venv; the locked packages are those of this process's own venv."""
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        run([*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, ROOT])
        wheel = next(folder.glob("mcai-*.whl"))
        venv.create(folder / "venv", symlinks=True)
        product = cls(folder / "venv" / "bin")
        run([*pip, "--python", product.python, "install", "-q", "--no-deps", "--no-index", wheel])
        packages = run([product.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
        # Read after the venv's own packages, and .pth files inside it are not followed: the wheel's mcai is the one.
        Path(packages, "locked-packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
        return product

    def command(self, home_dir: Path, *arguments: str) -> str:
        """Run an mcai command against a home; return what it prints."""
        environment = {**clean_environment(), "MCAI_HOME": str(home_dir), "MCAI_NO_START": "1"}
        return run([self.mcai, *arguments], env=environment)


class Daemon:
    """A daemon that this process started; ends with the ``with`` block."""

    def __init__(self, product: Product, home_dir: Path) -> None:
        home_dir.mkdir(mode=0o700, exist_ok=True)
        self.home_dir = home_dir
        self.socket_path = str(find_home(home_dir).socket_path)
        self.spawned_at = time.perf_counter()
        with (home_dir / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                [product.python, "-P", "-m", "mcai_daemon", "--home", str(home_dir)],
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid

    def connect(self) -> Connection:
        """Return a connection as soon as the daemon listens.

        Raises:
            RuntimeError: it ended, or does not listen in time.
        """
        return connect_when_up(self._process, self.home_dir / "daemon.log", lambda: Connection(self.socket_path))

    def wait_until_loaded(self) -> None:
        """Wait until search is loaded too.

        Raises:
            RuntimeError: it is not in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        connection = self.connect()
        while not connection.succeeds(message("/v1/health/startup")):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the daemon has not loaded everything after {START_TIMEOUT_S:g} s")
            time.sleep(POLL_S)
        connection.close()

    def stop(self) -> None:
        """Stop it and wait for its end."""
        self._process.terminate()
        self._process.wait(timeout=60)

    def kill(self) -> None:
        """End it with ``kill -9``: it notices nothing."""
        self._process.kill()
        self._process.wait(timeout=60)

    def __enter__(self) -> Daemon:
        self.connect().close()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def connect_when_up(process: subprocess.Popen[Any], log_path: Path, connect: Callable[[], Connection]) -> Connection:
    """Return a connection to a server that is starting.

    Raises:
        RuntimeError: it ended, or does not listen in time; the message has the last words of its log.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return connect()
        except OSError as error:
            if process.poll() is None and time.monotonic() < deadline:
                time.sleep(POLL_S)
                continue
            state = f"ended with {process.returncode}" if process.returncode is not None else "does not listen"
            last_words = (log_path.read_text(errors="replace").strip() or "without a word").splitlines()[-1]
            name = " ".join(map(str, process.args[:4]))  # type: ignore[index]  # always started with a list
            raise RuntimeError(f"`{name}` {state}: {last_words}") from error


def wait_until_idle(pid: int, quiet_s: float = 2.0, timeout_s: float = 900.0) -> None:
    """Wait until a process does nothing in the background any more (it trains an index after an import).

    Raises:
        RuntimeError: it never rests.
    """
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    deadline = time.monotonic() + timeout_s
    before = _cpu_ticks(pid)
    while time.monotonic() < deadline:
        time.sleep(quiet_s)
        now = _cpu_ticks(pid)
        if now - before < IDLE_SHARE * quiet_s * ticks_per_s:
            return
        before = now
    raise RuntimeError(f"process {pid} is still busy after {timeout_s:g} s")


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


FAILURES = (McaiError, OSError, RuntimeError, subprocess.SubprocessError)
"""What can go wrong with servers: reported as not measured, never hidden."""
