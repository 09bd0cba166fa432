"""Restores a home from a backup: checked first, built beside what is there, verified, and only then put in its place.

Runs in a process that owns the home and in which nothing of it is open.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import structlog

from mcai import times
from mcai.errors import DamagedError, InvalidRequestError, McaiError, StoreError
from mcai.files import write_errors
from mcai.paths import Home
from mcai.records import RestoreResult
from mcai.store import backup, journal
from mcai.store.backup import Manifest
from mcai.store.base import CopyFacts
from mcai.store.copies import copy_file
from mcai.store.duck import effects, verify
from mcai.store.duck.connection import own_engine
from mcai.store.duck.engine import Engine
from mcai.store.duck.rewind import rewind
from mcai.upkeep import bases
from mcai.upkeep.backup import OTHERS, check_room
from mcai.upkeep.reach import Reach
from mcai.upkeep.swap import OTHERS as BUILT_OTHERS
from mcai.upkeep.swap import finish_interrupted, new_build, swap

log = structlog.get_logger("restore")

Tell: TypeAlias = Callable[[str], None]
"""Told what is being done now."""

TOLD_EVERY_EPOCHS = 1_000
IDS_LEFT_OUT = 10_000_000
"""Above the highest known id when nobody can tell which were given out: none may come to mean another example."""


def restore(
    home: Home, source: Path, *, to_epoch: int | None = None, to_time: str | None = None, tell: Tell
) -> RestoreResult:
    """Replace what a home holds by what a backup holds.

    Args:
        home: owned by this process; it may hold nothing yet.
        source: the backup's folder.
        to_epoch: the epoch to restore; the backup's own. An earlier one is had by dropping what came after it, a later
            one by the backup's journal and then the home's.
        to_time: instead, the last epoch at this moment (ISO 8601).
        tell: told what is being done.

    Raises:
        NotFoundError: there is no such backup, or the epoch cannot be had from it.
        BackupDamagedError: the backup is damaged.
        SchemaVersionError: a newer mcai made it.
        StoreFullError: there is no room for it.
        DamagedError: what was built does not hold what it must.
        In each case nothing was changed.
    """
    try:
        finish_interrupted(home)
    except DamagedError as error:
        # How far that one had come does not matter: all that it was about is replaced, its marker too.
        log.warning("a restore that was cut off cannot be finished", reason=error.message)
    tell("checking the backup")
    manifest = backup.check(source)
    reach = Reach(source, manifest, (source / backup.JOURNAL, home.journal_dir))
    epoch = _epoch_asked(reach, to_epoch, to_time)
    check_room(home.dir, 2 * sum(each.bytes for each in manifest.files))
    with write_errors(home.dir):
        build = new_build(home)
        try:
            facts = _build(home, reach, epoch, build, tell)
        except BaseException:
            shutil.rmtree(build, ignore_errors=True)
            raise
        tell("putting it in place")
        replaced = swap(home, build)
    _make_base(home, facts)
    log.info("restored", source=str(source), epoch=facts.epoch, rows=facts.rows, timeline=facts.timeline)
    return RestoreResult(str(home.dir), facts.epoch, facts.rows, facts.timeline, str(replaced) if replaced else None)


def _epoch_asked(reach: Reach, to_epoch: int | None, to_time: str | None) -> int:
    if to_time is not None:
        moment = times.parse(to_time)
        if moment is None:
            raise InvalidRequestError(f"{to_time[:40]!r} is no ISO 8601 date")
        return reach.epoch_at(moment)
    epoch = reach.manifest.epoch if to_epoch is None else to_epoch
    reach.check(epoch)
    return epoch


def _build(home: Home, reach: Reach, epoch: int, build: Path, tell: Tell) -> CopyFacts:
    """Make the new state in a folder of its own, and check it; return what it holds."""
    catalog = build / backup.CATALOG
    copy_file(reach.source / backup.CATALOG, catalog)
    with own_engine():
        engine = Engine(catalog, build / "spill")
        try:
            # What was given out later than the backup was made must not be given out again.
            engine.set_meta("last_id", str(max(verify.last_id(engine), _last_id_in(home, tell))))
            _bring_to(engine, reach, epoch, build, tell)
            _check(engine, reach.manifest, epoch)
            engine.set_meta("timeline", uuid.uuid4().hex)
            facts = verify.facts(engine)
        except BaseException:
            engine.close()
            raise
        engine.close_whole()
    # Only the file is put in place: what counts is what it holds by itself.
    verify.check_facts(catalog, facts)
    _copy_others(home, reach, build / BUILT_OTHERS)
    return facts


def _bring_to(engine: Engine, reach: Reach, epoch: int, build: Path, tell: Tell) -> None:
    if epoch < engine.epoch:
        tell(f"going back to epoch {epoch}")
        rewind(engine, epoch, reach.metadata_at(epoch), build / "rewound.duckdb")
    elif epoch > engine.epoch:
        _go_forward(engine, reach, epoch, tell)


def _go_forward(engine: Engine, reach: Reach, epoch: int, tell: Tell) -> None:
    for entry in reach.entries():
        if entry.epoch > epoch:
            break
        if entry.epoch % TOLD_EVERY_EPOCHS == 0:
            tell(f"at epoch {entry.epoch} of {epoch}")
        engine.make_again(effects.decode(entry.payload), entry.chain)


def _check(engine: Engine, manifest: Manifest, epoch: int) -> None:
    """Hold that what was built is what it must be.

    Raises:
        DamagedError: it is not.
    """
    facts = verify.facts(engine)
    wrong = verify.faults(engine)
    if facts.epoch != epoch:
        wrong.append(f"it is at epoch {facts.epoch} instead of {epoch}")
    elif epoch == manifest.epoch and not _agrees(facts, backup.facts_of(manifest)):
        wrong.append(f"it has {facts.rows} rows instead of {manifest.rows}, or another history")
    if wrong:
        raise DamagedError(
            f"the backup's catalog is not sound: {'; '.join(wrong)}", hint="Use another backup; nothing was changed."
        )


def _agrees(found: CopyFacts, told: CopyFacts) -> bool:
    """Compare with what a manifest says. The build has today's schema; the first one had no timeline yet."""
    return found == replace(told, schema_version=found.schema_version, timeline=told.timeline or found.timeline)


def _last_id_in(home: Home, tell: Tell) -> int:
    """Return an id that is not lower than any that the home ever gave out."""
    newest = deque(journal.read(home.journal_dir), maxlen=1)
    known = effects.decode(newest[0].payload).last_id if newest else 0
    if not home.catalog_path.exists():
        return max(known, _last_id_in_copies(home))
    try:
        with verify.ReadOnly(home.catalog_path) as catalog:
            return max(known, verify.last_id(catalog))
    except DamagedError as error:
        log.warning("the present catalog cannot be asked for its highest id", reason=error.message)
        beyond = max(known, _last_id_in_copies(home)) + IDS_LEFT_OUT
        tell(f"the present catalog cannot be read: new examples get ids above {beyond:,}")
        return beyond


def _last_id_in_copies(home: Home) -> int:
    known = 0
    for path in home.backups_dir.glob(f"*/{backup.CATALOG}"):
        with contextlib.suppress(McaiError), verify.ReadOnly(path) as catalog:
            known = max(known, verify.last_id(catalog))
    return known


def _make_base(home: Home, facts: CopyFacts) -> None:
    """Have something to repair the new catalog from at once; where that fails, the daemon does it later."""
    try:
        if facts.epoch:
            bases.make_closed(home, facts)
    except StoreError as error:
        log.warning("no base copy could be made yet", reason=error.message)


def _copy_others(home: Home, reach: Reach, target: Path) -> None:
    """Bring along what the backup holds beside catalog and journal, where the home has nothing of that name."""
    for each in reach.manifest.files:
        path = Path(each.path)
        if path.parts[0] in OTHERS and not (home.dir / path).exists():
            (target / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            copy_file(reach.source / path, target / path)
