"""``mcaid``: reads its flags and runs the server. Exit codes: 70 engine failed, 75 another daemon owns the home."""

from __future__ import annotations

import argparse
import signal
import sys

import msgspec

from mcai import __version__, paths
from mcai.client.lifecycle import EXIT_ALREADY_OWNED
from mcai.engine_failures import EXIT_FATAL
from mcai.errors import ConfigError, DaemonAlreadyRunningError, FatalStoreError, McaiError
from mcai_daemon import STOP_SIGNALS

EXIT_FAILED = 1
EXIT_CONFIG = 2


def main(arguments: list[str] | None = None) -> int:
    """Serve one home until stopped, or do one verb of maintenance; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="mcaid",
        description="Serve one mcai home on its unix socket. `mcai daemon start` runs it in the background.",
    )
    parser.add_argument(
        "--home", help="the folder that holds everything (default: MCAI_HOME, else the user's data folder)"
    )
    parser.add_argument(
        "--maintenance",
        nargs=argparse.REMAINDER,
        metavar="VERB",
        help="what mcai restore and mcai doctor run while no daemon serves: check-backup, restore or doctor",
    )
    parser.add_argument("--version", action="version", version=f"mcaid {__version__}")
    flags = parser.parse_args(arguments)
    home = paths.find_home(flags.home)
    if flags.maintenance is not None:
        from mcai_daemon import maintenance

        failed = maintenance.run(home, flags.maintenance)
        return _code_of(failed) if failed else 0
    # Signals wait until the server listens to them. Blocked before the imports: one goes to any thread that does not
    # block it, and some libraries make threads while they are imported.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    from mcai_daemon.server import run  # after the flags: --help and --version must not wait for the engines

    try:
        return run(home)
    except OSError as error:
        return _last_words(
            McaiError(f"{error.filename or home.dir}: {error.strerror or error}", hint="See: mcai status")
        )
    except McaiError as error:
        return _last_words(error)


def _last_words(error: McaiError) -> int:
    """Write the error as one JSON line, which whoever started this process reads from the log; return the exit code."""
    sys.stderr.write(msgspec.json.encode(error.as_wire()).decode() + "\n")
    return _code_of(error)


def _code_of(error: McaiError) -> int:
    if isinstance(error, DaemonAlreadyRunningError):
        return EXIT_ALREADY_OWNED
    if isinstance(error, FatalStoreError):
        return EXIT_FATAL
    return EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
