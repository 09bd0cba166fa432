"""The doctor: it finds each fault that was planted, names cause and remedy, and --fix mends what can be mended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import msgspec
import pytest

from catalog_contract import numbered
from conftest import temporary_home
from helpers import samples, wait_until
from mcai.client import Client, lifecycle
from mcai.paths import Home
from mcai.records import Check, DoctorReport
from mcai.store import backup as folders
from mcai.store import probe
from mcai.store.duck import verify
from mcai.upkeep import bases, doctor
from mcai.upkeep.archive_files import ArchiveFiles
from upkeep_kit import copy_of, digests, flip, opened, silent, state_in


@pytest.fixture(scope="module")
def kept(own_environment: None) -> Iterator[Home]:
    """A home with one of everything, whose daemon was stopped."""
    with temporary_home() as home:
        lifecycle.start(home)
        with Client(home.dir, start=False) as client:
            client.add(samples(30))
            client.rotate(max_rows=20)
            client.backup(home.backups_dir / "mine")
            assert client.search("question 25").hits
            head = client.status().epoch
            wait_until(lambda: (told := client.status().snapshot) and told.epoch == head, "the snapshot is published")
        lifecycle.stop(home)
        with opened(home) as catalog:
            ArchiveFiles(catalog, home.archive_dir).reconcile()
            bases.make(home, catalog)
        yield home


@pytest.fixture
def home(kept: Home, tmp_path: Path) -> Home:
    """A copy of it. Without the index: to open that takes seconds."""
    copy = copy_of(kept, tmp_path / "home")
    shutil.rmtree(copy.vectors_dir)
    return copy


def failed(report: DoctorReport) -> list[str]:
    return [check.name for check in report.checks if not check.ok]


def check_of(report: DoctorReport, name: str) -> Check:
    return next(check for check in report.checks if check.name == name)


def test_sound_home_is_well_and_stays_as_it_is(kept: Home, tmp_path: Path) -> None:
    """With everything in order every check is ok, and looking changes no byte, with --fix neither."""
    home = copy_of(kept, tmp_path / "home")
    before = digests(home.dir)
    report = doctor.examine(home, fix=False, tell=silent)

    assert report.ok and failed(report) == [] and not any(check.fixed for check in report.checks)
    assert doctor.examine(home, fix=True, tell=silent) == report
    assert digests(home.dir) == before


def test_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Looking for a home does not make one."""
    home = Home(tmp_path / "none")
    assert doctor.examine(home, fix=False, tell=silent).ok and not home.dir.exists()


def _sql(home: Home, *statements: str) -> None:
    with duckdb.connect(str(home.catalog_path)) as connection:
        for sql in statements:
            connection.execute(sql)


def _damage_block(path: Path) -> None:
    """Flip a bit in the text of the rows, which lies in no block that is read when the file is opened."""
    flip(path, path.read_bytes().rindex(b"answer 7"))


def _newest_base(home: Home) -> Path:
    return folders.found_in(home.backups_dir, folders.BASE_PREFIX)[0][0]


def _lose_base(home: Home) -> None:
    for folder in (home.journal_dir, _newest_base(home)):
        shutil.rmtree(folder)


def _foreign_journal(home: Home) -> None:
    shutil.rmtree(home.journal_dir)
    other = Home(home.dir.parent / "other")
    with opened(other) as catalog:
        for number in range(5):
            catalog.add(numbered(1, first=number))
    shutil.copytree(other.journal_dir, home.journal_dir)


def _segment(home: Home) -> Path:
    return next(home.journal_dir.glob("*.jsonl"))


def _fail_lately(home: Home) -> None:
    home.failures_path.write_bytes(msgspec.json.encode([{"at_s": time.time(), "reason": "it broke"}]))


PLANTED: dict[str, tuple[str, Callable[[Home], object]]] = {
    "home open to others": ("home", lambda home: home.dir.chmod(0o755)),
    "build of a restore": ("leftovers", lambda home: (home.dir / "restoring-1").mkdir()),
    "half a file": ("leftovers", lambda home: (home.dir / "catalog.duckdb.part").touch()),
    "half a base copy": ("leftovers", lambda home: (home.backups_dir / "making-1").mkdir()),
    "engine failed": ("engine", _fail_lately),
    "failures unreadable": ("engine", lambda home: home.failures_path.write_bytes(b"\xff")),
    "catalog gone": ("catalog", lambda home: home.catalog_path.unlink()),
    "catalog header": ("catalog", lambda home: flip(home.catalog_path, 100)),
    "block of the catalog": ("catalog", lambda home: _damage_block(home.catalog_path)),
    "catalog found damaged before": ("catalog", lambda home: home.suspect_path.write_text("a block is damaged")),
    "id twice": ("rows", lambda home: _sql(home, "INSERT INTO examples SELECT * FROM examples WHERE id = 25")),
    "text twice": (
        "rows",
        lambda home: _sql(home, "INSERT INTO examples SELECT * REPLACE (29 AS id) FROM examples WHERE id = 25"),
    ),
    "metadata no JSON": ("rows", lambda home: _sql(home, "UPDATE examples SET metadata = '{x' WHERE id = 25")),
    "epoch gone": ("rows", lambda home: _sql(home, "DELETE FROM epochs WHERE epoch = 1")),
    "journal damaged": ("journal", lambda home: flip(_segment(home), 400)),
    "journal of another history": ("journal", _foreign_journal),
    "stranger in the journal": ("journal", lambda home: (home.journal_dir / "notes.txt").touch()),
    "base copy damaged": ("base copies", lambda home: flip(_newest_base(home) / folders.CATALOG, 5_000)),
    "no base copy": (
        "base copies",
        _lose_base,
    ),
    "backup damaged": ("backups", lambda home: flip(home.backups_dir / "mine" / folders.CATALOG, 5_000)),
    "snapshot damaged": (
        "snapshot",
        lambda home: flip(max(home.snapshot_dir.glob("*.arrow"), key=lambda path: path.stat().st_size), 2_000),
    ),
    "snapshot's pointer": ("snapshot", lambda home: (home.snapshot_dir / "CURRENT").write_bytes(b"{")),
    "archive file gone": ("archive", lambda home: next(home.archive_dir.glob("*.parquet")).unlink()),
    "archive file damaged": ("archive", lambda home: flip(next(home.archive_dir.glob("*.parquet")), 50)),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_fault_is_found_and_mended(home: Home, fault: str) -> None:
    """The check of that part fails with cause and remedy, --fix mends it, and no row is lost."""
    before = state_in(home)
    name, plant = PLANTED[fault]
    plant(home)
    planted = digests(home.dir)

    found = doctor.examine(home, fix=False, tell=silent)
    assert digests(home.dir) == planted, "looking changes nothing"
    assert name in failed(found) and not found.ok
    assert all(check.cause and check.remedy for check in found.checks if not check.ok)

    fixed = doctor.examine(home, fix=True, tell=silent)
    assert fixed.ok and check_of(fixed, name).fixed, fixed
    assert check_of(fixed, name).cause
    again = doctor.examine(home, fix=False, tell=silent)
    assert again.ok and not any(check.fixed for check in again.checks), again
    assert state_in(home) == before


_ADD_AND_DIE = """
import os, sys
from pathlib import Path
from catalog_contract import numbered
from mcai.paths import Home
from mcai.store.duck import recovery
catalog = recovery.open_catalog(Home(Path(sys.argv[1])), []).catalog
for number in range(5):
    catalog.add(numbered(1, first=600 + number))
os._exit(9)
"""


def test_damaged_log_of_a_killed_daemon_loses_nothing(home: Home) -> None:
    """What only the write-ahead log had comes back from the journal."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", _ADD_AND_DIE, str(home.dir)], env=environment, check=False)
    told = doctor.examine(home, fix=False, tell=silent)
    assert "catalog" not in failed(told), "a log that is not written down yet is no fault"
    flip(home.catalog_path.with_suffix(".duckdb.wal"), 61)
    assert failed(doctor.examine(home, fix=False, tell=silent)) == ["catalog"]

    fixed = doctor.examine(home, fix=True, tell=silent)

    assert fixed.ok and check_of(fixed, "catalog").fixed, fixed
    with opened(home) as catalog:
        assert catalog.count() == 25


def test_rows_that_are_lost_are_told(home: Home) -> None:
    """Where nothing can repair a block, what can be read is kept, and how much is lost is said."""
    with opened(home) as catalog:
        before = verify.facts(catalog.engine)
    shutil.rmtree(home.backups_dir)
    shutil.rmtree(home.journal_dir)
    _damage_block(home.catalog_path)

    fixed = doctor.examine(home, fix=True, tell=silent)

    assert fixed.ok, fixed
    assert "rows could not be read and are lost" in (check_of(fixed, "catalog").cause or "")
    with opened(home) as catalog:
        after = verify.facts(catalog.engine)
        assert (after.epoch, len(catalog.emotions())) == (before.epoch, 34) and 0 < after.rows < before.rows
    assert any(home.damaged_dir.glob("catalog.duckdb-*")), "the damaged file is kept"


def test_unfixable_faults_stay_faults(home: Home) -> None:
    """Settings take a person; a newer catalog takes a newer mcai, and is not touched."""
    home.config_path.write_text("log.lvl = 1\n")
    _sql(home, "UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    raw = home.catalog_path.read_bytes()

    for fix in (False, True):
        report = doctor.examine(home, fix=fix, tell=silent)

        assert failed(report) == ["settings", "catalog"], report
        assert "log.level" in (check_of(report, "settings").remedy or "")
        assert "schema 99" in (check_of(report, "catalog").cause or "")
        assert home.catalog_path.read_bytes() == raw


INDEX: dict[str, Callable[[Home], object]] = {
    "a file cut short": lambda home: os.truncate(
        max(home.vectors_dir.rglob("data/*.lance"), key=lambda path: path.stat().st_size), 100
    ),
    "of another history": lambda home: _sql(home, "UPDATE epochs SET committed_at = committed_at + INTERVAL 1 SECOND"),
    "a row too many": lambda home: _sql(home, "UPDATE examples SET d_epoch = 1 WHERE id = 25"),
}


@pytest.mark.parametrize("fault", INDEX)
def test_wrong_index_is_found_and_removed(kept: Home, tmp_path: Path, fault: str) -> None:
    """The index must be readable and hold the rows of its epoch; else it goes, and the daemon makes it anew."""
    home = copy_of(kept, tmp_path / "home")
    INDEX[fault](home)
    assert "index" in failed(doctor.examine(home, fix=False, tell=silent))
    shutil.rmtree(home.snapshot_dir)  # it shows the same fault

    fixed = doctor.examine(home, fix=True, tell=silent)

    assert check_of(fixed, "index").fixed and probe.tables_in(home.vectors_dir) == []


def test_index_that_cannot_be_opened_is_dropped_before_it_is(kept: Home, tmp_path: Path) -> None:
    """After an unclean stop the daemon looks first: a sound table stays, a damaged one goes."""
    home = copy_of(kept, tmp_path / "home")
    (table,) = probe.tables_in(home.vectors_dir)
    model = table.removeprefix("examples-")
    assert probe.table_name(model) == table
    probe.look(home.vectors_dir, model)
    assert probe.tables_in(home.vectors_dir) == [table]

    INDEX["a file cut short"](home)
    probe.look(home.vectors_dir, model)

    assert probe.tables_in(home.vectors_dir) == []


def test_serving_daemon_examines_itself(fresh_home: Home) -> None:
    """`doctor` works while the daemon serves and writes, and finds what is wrong beside it."""
    lifecycle.start(fresh_home)
    with Client(fresh_home.dir, start=False) as client:
        client.add(samples(10))
        assert client.search("question 3").hits
        report = client.doctor()
        assert report.ok, report
        client.backup(fresh_home.backups_dir / "mine")
        flip(fresh_home.backups_dir / "mine" / folders.CATALOG, 5_000)
        assert failed(client.doctor()) == ["backups"]
