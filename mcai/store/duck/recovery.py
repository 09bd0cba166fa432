"""Opening a home's catalog after whatever happened to it: nothing acknowledged is lost, and nothing is lost silently.

The catalog and the journal vouch for each other. Epochs that only the journal has are made again; epochs that only the
catalog has are written to the journal again; a catalog that cannot be opened is put aside and made anew from the newest
base copy and the journal. Where that would leave a gap, the home is refused and left as it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import structlog

from mcai import layout, times
from mcai.errors import CatalogDamagedError, DamagedError
from mcai.files import read_note, write_whole
from mcai.paths import Home, wal_path
from mcai.records import Emotion, RecoveryInfo
from mcai.store import backup
from mcai.store.copies import put_copy
from mcai.store.duck import effects, forgetting, verify
from mcai.store.duck.aside import Aside
from mcai.store.duck.catalog import DuckCatalog
from mcai.store.duck.connection import own_engine
from mcai.store.duck.effects import Entry
from mcai.store.duck.engine import Engine
from mcai.store.duck.transaction import entry_of
from mcai.store.journal import Journal, Reading, Scan, next_chain, scan
from mcai.store.journal.lines import Entry as Line

log = structlog.get_logger("recovery")

_WAY_OUT = "Restore a backup (mcai restore SRC), or keep what can be read: mcai doctor --fix"


@dataclass
class _Findings:
    """What this start had to mend, so far."""

    accept_loss: bool
    causes: list[str] = field(default_factory=list)
    recovered_epochs: int = 0
    lost_epochs: int = 0
    kept: list[Path] = field(default_factory=list)

    def info(self) -> RecoveryInfo | None:
        if not self.causes:
            return None
        at, cause = times.show(times.now()), "; ".join(self.causes)
        return RecoveryInfo(at, cause, self.recovered_epochs, self.lost_epochs, [str(path) for path in self.kept])


@dataclass(frozen=True)
class Opened:
    """A catalog that can be used, and what that took."""

    catalog: DuckCatalog
    recovery: RecoveryInfo | None


def open_catalog(home: Home, emotions: Sequence[Emotion], *, accept_loss: bool = False) -> Opened:
    """Open the catalog of a home, and its journal.

    Args:
        home: owned by this process.
        emotions: the catalog that ships.
        accept_loss: go on with what can be read where not everything can be repaired.

    Raises:
        DamagedError: it cannot be repaired without losing something; nothing was changed.
        SchemaVersionError: a newer mcai wrote it.
        StoreUnavailableError: another process has it.
        StoreFullError: the disk is full.
    """
    _require_journal_folder(home)
    findings = _Findings(accept_loss)
    try:
        catalog = _with_journal(home, _open_engine(home, findings), findings, emotions)
    except CatalogDamagedError as error:
        # It could be opened: a block that the journal's epochs or the emotions are written beside cannot be read.
        write_whole(home.suspect_path, error.message.encode())
        findings = _Findings(accept_loss)
        catalog = _with_journal(home, _replace_suspect(home, findings), findings, emotions)
    recovery = findings.info()
    if recovery:
        log.warning("recovered", **msgspec.structs.asdict(recovery))
    return Opened(catalog, recovery)


def _require_journal_folder(home: Home) -> None:
    """Refuse a journal that is no folder: it would be taken for an empty one."""
    for obstacle in layout.obstacles(home):
        if obstacle.path == home.journal_dir:
            raise DamagedError(obstacle.cause, hint="Mend it, or have it put aside: mcai doctor --fix")


def _with_journal(home: Home, engine: Engine, findings: _Findings, emotions: Sequence[Emotion]) -> DuckCatalog:
    """Make catalog and journal the same; on any failure both are closed."""
    try:
        told = _follow(home, engine, findings)
        last = told.last_epoch if told is not None and told.last_epoch else engine.epoch
        chain = told.last_chain if told is not None and told.last_chain else engine.chain
        journal = Journal.open(home.journal_dir, engine.timeline, last, chain, damaged_dir=home.damaged_dir)
        engine.journal = journal
        _write_again(engine, journal)
        return DuckCatalog(engine, emotions)
    except BaseException:
        engine.close()
        raise


def _open_engine(home: Home, findings: _Findings) -> Engine:
    path = home.catalog_path
    if not path.exists() and (home.journal_dir.exists() or backup.found_in(home.backups_dir, backup.BASE_PREFIX)):
        with Aside(home.damaged_dir) as aside:
            aside.take(wal_path(path))  # it would be taken for the log of the copy that comes in its place
            return _make_anew(home, findings, aside, f"{path} is missing")
    if home.suspect_path.exists():
        return _replace_suspect(home, findings)
    try:
        return Engine(path, home.temp_dir)
    except DamagedError as error:
        cause = error.message
    with Aside(home.damaged_dir) as aside:
        aside.take(wal_path(path))
        try:
            engine = _open_without_log(home)
        except DamagedError as error:
            return _make_anew(home, findings, aside, error.message)
        if _reached(home, engine.epoch, engine.timeline):
            findings.causes.append(f"the write-ahead log was damaged ({cause})")
            findings.kept += aside.keep()
            return engine
        engine.close()
        return _make_anew(home, findings, aside, cause)


def _open_without_log(home: Home) -> Engine:
    """Open the catalog, and read all of it: what was said of its log may have been its own fault.

    Raises:
        DamagedError: it was.
    """
    engine = Engine(home.catalog_path, home.temp_dir)
    try:
        with own_engine():
            verify.read_blocks(engine)
    except BaseException:
        engine.close()
        raise
    return engine


def _replace_suspect(home: Home, findings: _Findings) -> Engine:
    """A damaged block does not keep a catalog from being opened: whoever found it said so in a file of its own."""
    cause = read_note(home.suspect_path)
    with Aside(home.damaged_dir) as aside:
        aside.take(wal_path(home.catalog_path))
        engine = _make_anew(home, findings, aside, cause)
    home.suspect_path.unlink()
    return engine


def _make_anew(home: Home, findings: _Findings, aside: Aside, cause: str) -> Engine:
    """Put the catalog aside and take the newest sound base copy that the journal goes on from, else begin from nothing.

    Raises:
        DamagedError: the journal goes on from neither.
    """
    sound = [folder for folder, _ in backup.found_in(home.backups_dir, backup.BASE_PREFIX) if backup.is_sound(folder)]
    manifests = {folder: backup.read_manifest(folder) for folder in sound}
    bases = [folder for folder in sound if _reached(home, manifests[folder].epoch, manifests[folder].timeline)]
    base = next(iter(bases or (sound if findings.accept_loss else [])), None)
    if base is None and not findings.accept_loss and not _reached(home, 0, None):
        raise DamagedError(f"{cause}; base copies and journal do not reach far enough to repair it", hint=_WAY_OUT)
    aside.take(home.catalog_path)
    try:
        if base is not None:
            put_copy(base / backup.CATALOG, home.catalog_path)
        engine = Engine(home.catalog_path, home.temp_dir)
    except BaseException:
        # What is put back may be a log without its catalog: it must not come to lie beside another one.
        home.catalog_path.unlink(missing_ok=True)
        raise
    if base is None and (timeline := scan(home.journal_dir).timeline):
        engine.set_meta("timeline", timeline)
    made_from = base or (home.journal_dir if _reached(home, 0, None) else "nothing")
    findings.causes.append(f"{cause}; the catalog was made anew from {made_from}")
    findings.kept += aside.keep()
    return engine


def _reached(home: Home, epoch: int, timeline: str | None) -> bool:
    """Tell whether the journal has that epoch or the next one, and everything that came after, as far as it shows."""
    told = scan(home.journal_dir, after=epoch, timeline=timeline)
    if told.entries:
        return told.first_epoch == epoch + 1 and not _is_broken(told)
    told = scan(home.journal_dir, after=epoch - 1, timeline=timeline)
    return told.last_epoch == epoch and not _is_broken(told)


def _is_broken(told: Scan) -> bool:
    """Tell whether anything is wrong beyond the unfinished line that a crash leaves, or a file that is no segment."""
    return bool(told.gaps) or any(not (each.torn or each.foreign) for each in told.damage)


def _follow(home: Home, engine: Engine, findings: _Findings) -> Scan | None:
    """Make again the epochs that only the journal has; return what it holds, None when it is put aside or empty.

    Raises:
        DamagedError: there are later ones that cannot be made again, and no loss is accepted; the journal stays.
    """
    head, own, last_id = engine.epoch, True, engine.last_id
    reading = Reading(home.journal_dir, after=max(head - 1, 0))
    for entry in reading:
        own = own and _goes_with(engine, entry)
        if own and entry.epoch > engine.epoch:
            done = effects.decode(entry.payload)
            last_id = max(last_id, done.last_id)
            if reading.timeline == engine.timeline and entry.epoch == engine.epoch + 1:
                _make_again(engine, done, entry.chain)
                findings.recovered_epochs += 1
    told = reading.result()
    # After a restore the journal begins behind the newest epoch of the catalog, which was asked for to compare it.
    told = replace(told, gaps=tuple(gap for gap in told.gaps if gap[1] > head))
    if told.last_epoch is None and head:
        told = scan(home.journal_dir)  # it ends before the catalog does, or is empty
    if findings.recovered_epochs:
        findings.causes.append(f"the catalog lacked {findings.recovered_epochs} epochs that the journal has")
    trouble = None
    if not own or told.timeline not in (None, engine.timeline):
        trouble = "the journal belonged to another history of the catalog"
    elif _is_broken(told):
        trouble = f"the journal was damaged ({told.damage[0].reason if told.damage else 'epochs are missing'})"
        findings.lost_epochs = max(0, _newest_epoch(told) - engine.epoch)
    if trouble and findings.lost_epochs:
        _accept_loss(engine, findings, trouble, last_id)
    if trouble:
        with Aside(home.damaged_dir) as aside:
            aside.take(home.journal_dir)
            findings.kept += aside.keep()
        findings.causes.append(trouble)
        return None
    return told


def _goes_with(engine: Engine, entry: Line) -> bool:
    """Tell whether an entry is the newest epoch or follows from it; one beyond the next may be of this history."""
    if entry.epoch == engine.epoch + 1:
        return entry.redacted or next_chain(engine.chain, entry.payload) == entry.chain
    return entry.epoch != engine.epoch or entry.chain == engine.chain


def _make_again(engine: Engine, entry: Entry, chain: bytes) -> None:
    if entry.forgotten:
        # Whether that was finished was noted in the catalog that is gone. To do it again does no harm.
        forgetting.begin(engine, {stub.id for stub in entry.forgotten})
    engine.make_again(entry, chain)


def _newest_epoch(told: Scan) -> int:
    """Return the newest epoch that a journal knows of, be it from the header of a segment that holds nothing else."""
    return max(told.last_epoch or 0, *(last for _, last in told.gaps), 0)


def _accept_loss(engine: Engine, findings: _Findings, trouble: str, last_id: int) -> None:
    """Go on without some acknowledged epochs: neither an id nor an epoch of theirs may come to mean another thing.

    Args:
        last_id: the highest id that the readable entries tell of.

    Raises:
        DamagedError: no loss is accepted.
    """
    if not findings.accept_loss:
        raise DamagedError(
            f"{trouble}; the catalog ends with epoch {engine.epoch}, "
            f"those up to {engine.epoch + findings.lost_epochs} cannot be made again",
            hint=_WAY_OUT,
        )
    engine.set_meta("last_id", str(last_id))
    engine.last_id = last_id
    engine.set_meta("timeline", uuid.uuid4().hex)


def _write_again(engine: Engine, journal: Journal) -> None:
    """Write the epochs that only the catalog has: a power cut can take the journal's last half second."""
    with engine.reading() as cursor:
        sql = "SELECT epoch, chain_hash FROM epochs WHERE epoch > ? ORDER BY epoch"
        for epoch, chain in cursor.execute(sql, [journal.epoch]).fetchall():
            payload = effects.encode(entry_of(cursor, epoch, engine.names))
            journal.append(epoch, chain, payload, redacted=True)
