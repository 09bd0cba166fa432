"""Checks of the truth: the catalog, its journal, and the copies that it could be repaired from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

from mcai.errors import DamagedError, NotFoundError, SchemaVersionError, StoreError, StoreUnavailableError
from mcai.files import read_note
from mcai.store import backup, journal
from mcai.store.backup import BASE_PREFIX, MAKING_PREFIX, REWRITING
from mcai.store.duck import verify
from mcai.store.duck.aside import Aside
from mcai.store.duck.connection import SCHEMA_VERSION
from mcai.upkeep import bases
from mcai.upkeep.doctor.model import Patient, Trouble
from mcai.upkeep.swap import REPLACED_PREFIX

LATE = 2
"""A base copy that is so many times as old as it may become was not made when it should have been."""

_NOT_HERE = (BASE_PREFIX, MAKING_PREFIX, REWRITING)


def look_at_catalog(patient: Patient) -> Iterator[Trouble]:
    """The catalog opens, and every value in it can be read."""
    home, source = patient.home, patient.source
    if home.suspect_path.exists():
        yield Trouble(read_note(home.suspect_path))
    if source is None:
        if home.catalog_path.exists():
            yield from _look_at_stranger(home.catalog_path)
        elif home.journal_dir.exists() or any(home.backups_dir.glob(f"{BASE_PREFIX}*")):
            yield Trouble(f"{home.catalog_path} is missing")
        return
    verify.read_blocks(source)


def _look_at_stranger(path: Path) -> Iterator[Trouble]:
    """Say why a catalog is no use: opening it says so itself, or another version of mcai wrote it."""
    with verify.ReadOnly(path) as source:
        have = verify.schema_version(source)
    cause = f"{path} has schema {have}, this mcai {SCHEMA_VERSION}"
    if have < SCHEMA_VERSION:
        yield Trouble(f"{cause}; the daemon's next start brings it up to date", harmless=True)
    else:
        yield Trouble(cause, SchemaVersionError.default_hint)


def look_at_rows(patient: Patient) -> Iterator[Trouble]:
    """The rows are consistent with each other."""
    if patient.source is not None:
        for fault in verify.faults(patient.source):
            yield Trouble(fault)


def look_at_journal(patient: Patient) -> Iterator[Trouble]:
    """The journal is whole, and tells the catalog's history and no other."""
    facts, source, folder = patient.facts, patient.source, patient.home.journal_dir
    if facts is None or source is None or not facts.epoch:
        return
    chains = verify.chains(source, after=0)
    reading = journal.Reading(folder)
    strange = [entry.epoch for entry in reading if chains.get(entry.epoch, entry.chain) != entry.chain]
    told = reading.result()
    if told.timeline not in (None, facts.timeline) or strange:
        yield Trouble(f"the journal in {folder} tells another history than the catalog")
    for foreign in (each.path for each in told.damage if each.foreign):
        yield Trouble(f"{foreign} is no part of the journal", mend=partial(_put_aside, foreign))
    damage = [each for each in told.damage if not each.torn and not each.foreign]
    if damage:
        yield Trouble(f"{damage[0].path} at byte {damage[0].offset_bytes:,}: {damage[0].reason}")
    elif told.gaps:
        yield Trouble(f"epochs {told.gaps[0][0]} to {told.gaps[0][1]} are missing in the journal")
    if told.last_epoch is not None and told.last_epoch != facts.epoch and not strange:
        # A start makes either go on to where the other is; while the daemon serves, only the journal may be ahead.
        is_harmless = not patient.live or told.last_epoch > facts.epoch
        cause = f"the journal ends with epoch {told.last_epoch}, the catalog with {facts.epoch}"
        yield Trouble(cause, harmless=is_harmless)


def look_at_bases(patient: Patient) -> Iterator[Trouble]:
    """The catalog could be repaired if it were damaged now."""
    home, facts = patient.home, patient.facts
    for folder in sorted(home.backups_dir.glob(f"{BASE_PREFIX}*")):
        yield from _look_at_backup(patient, folder)
    if facts is None or not facts.epoch:
        return
    if not bases.look(home, facts.timeline, facts.epoch).repairable:
        yield Trouble(
            "nothing could repair the catalog if it were damaged: the journal needs a base copy", mend=_make_base
        )
    elif patient.live and patient.settings and patient.catalog:
        every = timedelta(hours=patient.settings.number("backup.every_h"))
        if every and bases.is_due(home, patient.catalog, LATE * every):
            yield Trouble(f"the newest base copy is older than {LATE * every}", "See why: mcai daemon logs", _make_base)


def look_at_backups(patient: Patient) -> Iterator[Trouble]:
    """The other backups in the home are whole."""
    folders = [path for path in sorted(patient.home.backups_dir.glob("*/")) if not path.name.startswith(_NOT_HERE)]
    for folder in folders:
        if (folder / backup.MANIFEST).exists():
            yield from _look_at_backup(patient, folder)
        elif folder.name.startswith(REPLACED_PREFIX):
            continue  # what a restore replaced is no backup when it was damaged
        elif any(folder.glob(f"{backup.CATALOG}*")):
            yield from _look_at_backup(patient, folder)
        else:
            yield Trouble(f"{folder} is no backup", harmless=True)


def _look_at_backup(patient: Patient, folder: Path) -> Iterator[Trouble]:
    try:
        backup.check(folder)
    except SchemaVersionError as error:
        yield Trouble(error.message, error.hint, harmless=True)
    except (DamagedError, NotFoundError) as error:
        yield Trouble(error.message, mend=partial(_put_aside, folder))
    except StoreUnavailableError as error:
        yield Trouble(error.message, error.hint)


def _put_aside(folder: Path, patient: Patient) -> None:
    with Aside(patient.home.damaged_dir) as aside:
        aside.take(folder)
        aside.keep()


def _make_base(patient: Patient) -> None:
    if patient.catalog is None:
        raise StoreError("the catalog is not open")
    bases.make(patient.home, patient.catalog)
