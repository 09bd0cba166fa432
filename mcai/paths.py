"""Where things lie. Functions here return paths and never create anything: the daemon's `prepare` does that."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mcai.errors import ConfigError, shown

RUNTIME_DIR = Path("/tmp")
"""Where the runtime folder of a long-named home lies. Not taken from the environment: cron and a login shell must find
the same socket. The daemon makes the folder 0700 and refuses another user's; a client checks whose process listens."""

MAX_SOCKET_PATH_BYTES = 100
"""``sun_path`` ends at 104 to 108 bytes, depending on the system; a longer path moves to a runtime folder."""


@dataclass(frozen=True)
class Home:
    """The one folder that holds everything of one mcai."""

    dir: Path

    @property
    def catalog_path(self) -> Path:
        """The DuckDB file: only the daemon may open it, and nobody may open() it beside DuckDB (the lock would go)."""
        return self.dir / "catalog.duckdb"

    @property
    def vectors_dir(self) -> Path:
        """The Lance tables: derived, may be deleted while the daemon is stopped."""
        return self.dir / "vectors"

    @property
    def journal_dir(self) -> Path:
        """Every epoch once more, as text with checksums: what a damaged catalog is repaired from."""
        return self.dir / "journal"

    @property
    def snapshot_dir(self) -> Path:
        """The memory-mapped snapshot: derived, any process may read it."""
        return self.dir / "snapshot"

    @property
    def archive_dir(self) -> Path:
        """One Parquet file for each rotation; the truth about archived rows lies in the catalog."""
        return self.dir / "archive"

    @property
    def backups_dir(self) -> Path:
        """The daily base copies, and what a restore replaced."""
        return self.dir / "backups"

    @property
    def damaged_dir(self) -> Path:
        """Where damaged files are put aside; nothing reads them."""
        return self.dir / "damaged"

    @property
    def failures_path(self) -> Path:
        """The engine's recent fatal errors."""
        return self.dir / "failures.json"

    @property
    def suspect_path(self) -> Path:
        """There when a part of the catalog was found damaged while it served; says what."""
        return self.dir / "suspect"

    @property
    def restoring_path(self) -> Path:
        """There while a restore is put in place; says how whoever opens the home next finishes it."""
        return self.dir / "restoring.json"

    @property
    def forgetting_path(self) -> Path:
        """There while something is being forgotten; says what was asked for in words, until all of it is done."""
        return self.dir / "forgetting.note"

    @property
    def stopped_path(self) -> Path:
        """There while no daemon runs and the last one ended in order."""
        return self.dir / "stopped"

    @property
    def temp_dir(self) -> Path:
        """Emptied at every start of the daemon."""
        return self.dir / "tmp"

    @property
    def quarantine_dir(self) -> Path:
        """Where `migrate` puts the records that it could not take."""
        return self.dir / "quarantine"

    @property
    def config_path(self) -> Path:
        return self.dir / "config.toml"

    @property
    def log_path(self) -> Path:
        return self.dir / "daemon.log"

    @property
    def lock_path(self) -> Path:
        """Held (flock) by the daemon for as long as it lives; its text names the owner."""
        return self.dir / "daemon.lock"

    @property
    def start_lock_path(self) -> Path:
        """Held (flock) by whoever is starting the daemon, so that fifty starts at once start one."""
        return self.dir / "start.lock"

    @property
    def socket_path(self) -> Path:
        """The unix socket, in a short runtime folder when the home's own path is too long for one."""
        direct = self.dir / "mcaid.sock"
        if len(os.fsencode(direct)) <= MAX_SOCKET_PATH_BYTES:
            return direct
        from hashlib import sha256  # most homes do without, and every command imports this

        name = sha256(os.fsencode(self.dir)).hexdigest()[:16]
        return RUNTIME_DIR / f"mcai-{os.getuid()}-{name}" / "mcaid.sock"


def find_home(home: str | os.PathLike[str] | None = None) -> Home:
    """Return the home to use: the argument, else ``MCAI_HOME`` as it is now, else the user's data folder.

    The path is made absolute, symbolic links are resolved: two spellings of one folder are one home.

    Raises:
        ConfigError: its name is not UTF-8, and neither engine could open a file in it.
    """
    chosen = os.fspath(home) if home is not None else os.environ.get("MCAI_HOME", "")
    if not chosen:
        from platformdirs import user_data_path  # only here: most calls name a home

        chosen = str(user_data_path("mcai", appauthor=False))
    found = Path(chosen).expanduser().resolve()
    if str(found) != shown(str(found)):
        raise ConfigError(f"the name of the home {found} is not UTF-8", hint="Set MCAI_HOME to another folder.")
    return Home(found)


def wal_path(path: Path) -> Path:
    """Return where DuckDB keeps the write-ahead log of a file."""
    return path.with_name(f"{path.name}.wal")
