"""The order of an examination: look at everything; to mend, open the catalog with all that recovery can do, and look
again at what was not well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TypeAlias

import structlog

from mcai.errors import McaiError
from mcai.paths import Home
from mcai.records import Check, DoctorReport
from mcai.settings import Settings
from mcai.store.duck import verify
from mcai.store.duck.catalog import DuckCatalog
from mcai.store.duck.connection import SCHEMA_VERSION
from mcai.upkeep.doctor import derived, home, store
from mcai.upkeep.doctor.model import FIX, Look, Patient, Trouble
from mcai.upkeep.doctor.reopening import reopened

log = structlog.get_logger("doctor")

Tell: TypeAlias = Callable[[str], None]
Found: TypeAlias = dict[str, list[Trouble]]

HOME: Mapping[str, Look] = {
    "home": home.look_at_home,
    "disk": home.look_at_disk,
    "settings": home.look_at_settings,
    "leftovers": home.look_at_leftovers,
    "engine": home.look_at_failures,
}
"""What can be looked at, and mended, before the catalog is opened."""
DATA: Mapping[str, Look] = {
    "catalog": store.look_at_catalog,
    "rows": store.look_at_rows,
    "journal": store.look_at_journal,
    "base copies": store.look_at_bases,
    "backups": store.look_at_backups,
    "index": derived.look_at_index,
    "snapshot": derived.look_at_snapshot,
    "archive": derived.look_at_archive,
    "put aside": home.look_at_damaged,
}
_OF_THE_CATALOG = frozenset({"rows", "journal", "base copies", "index", "snapshot", "archive"})
"""What says nothing while not all of the catalog can be read."""


def examine_live(served: Home, catalog: DuckCatalog, settings: Settings) -> DoctorReport:
    """Examine a home from within the daemon that serves it; nothing is changed."""
    patient = Patient(served, catalog.engine, catalog, live=True, settings=settings)
    return _report(_look({**HOME, **DATA}, patient, _silent))


def examine(examined: Home, *, fix: bool, tell: Tell) -> DoctorReport:
    """Examine a home that nobody serves.

    Args:
        examined: owned by this process; it need not exist.
        fix: mend what can be mended. Derived files that are wrong are removed, and the daemon makes them anew.
        tell: told what is being done.
    """
    if not os.path.lexists(examined.dir):
        return DoctorReport(True, [Check("home", ok=True, fixed=False, cause=f"there is no {examined.dir} yet")])
    if not examined.dir.is_dir():
        return _report(_look({"home": home.look_at_home}, Patient(examined, None, None), tell))
    with _for_looking(examined) as patient:
        before = _look({**HOME, **DATA}, patient, tell)
    if not fix or _is_well(before):
        return _report(before)
    after = _mend(examined, before, tell)
    return _report(before, after)


def _mend(examined: Home, before: Found, tell: Tell) -> Found:
    """Mend what was found; return what is found afterwards. ``before`` gains what only an open catalog shows."""
    closed = Patient(examined, None, None)
    for name in HOME:
        _mend_each(before[name], closed)
    after = _look(HOME, closed, _silent)
    try:
        with reopened(examined, tell) as (catalog, causes):
            before["catalog"] += [Trouble(cause) for cause in causes]
            patient = Patient(examined, catalog.engine, catalog)
            found = _look(DATA, patient, tell)
            for name, troubles in found.items():
                if not _is_well({name: troubles}):
                    before[name] = [*before.get(name, []), *troubles]
                    tell(f"mending: {name}")
                    _mend_each(troubles, patient)
                    found |= _look({name: DATA[name]}, patient, _silent)
            return after | found
    except McaiError as error:
        log.error("the catalog cannot be opened", reason=error.message, cause=repr(error.__cause__))
        return before | after | {"catalog": [Trouble(error.message, error.hint)]}


def _mend_each(troubles: Iterable[Trouble], patient: Patient) -> None:
    for trouble in troubles:
        if trouble.mend is None:
            continue
        try:
            trouble.mend(patient)
        except (McaiError, OSError) as error:
            log.error("could not be mended", cause=trouble.cause, reason=str(error))


@contextmanager
def _for_looking(examined: Home) -> Iterator[Patient]:
    """Open the catalog read-only, if that can be done: the examination goes on without."""
    try:
        source = verify.ReadOnly(examined.catalog_path)
    except McaiError:
        yield Patient(examined, None, None)
        return
    with closing(source):
        try:
            is_known = verify.schema_version(source) == SCHEMA_VERSION
        except McaiError:
            is_known = False
        yield Patient(examined, source if is_known else None, None)


def _look(looks: Mapping[str, Look], patient: Patient, tell: Tell) -> Found:
    found: Found = {}
    for name, look in looks.items():
        if name in _OF_THE_CATALOG and not _is_well({"catalog": found.get("catalog", [])}):
            continue
        tell(f"looking at: {name}")
        troubles: list[Trouble] = []
        try:
            troubles.extend(look(patient))
        except McaiError as error:
            troubles.append(Trouble(error.message, error.hint or FIX))
        except OSError as error:
            troubles.append(Trouble(f"{error.filename or patient.home.dir}: {error.strerror}"))
        found[name] = troubles
    return found


def _is_well(found: Found) -> bool:
    return all(trouble.harmless for troubles in found.values() for trouble in troubles)


def _report(before: Found, after: Found | None = None) -> DoctorReport:
    after = before if after is None else after
    checks = [_check(name, before.get(name, []), after[name]) for name in (*HOME, *DATA) if name in after]
    return DoctorReport(all(check.ok for check in checks), checks)


def _check(name: str, before: list[Trouble], after: list[Trouble]) -> Check:
    left = [trouble for trouble in after if not trouble.harmless]
    told = left or [*before, *(each for each in after if each not in before)]
    is_fixed = not left and not _is_well({name: before})
    cause, remedy = (_joined(texts) for texts in ([each.cause for each in told], [each.remedy for each in left]))
    return Check(name, ok=not left, fixed=is_fixed, cause=cause, remedy=remedy)


def _joined(texts: list[str]) -> str | None:
    """Join texts, each once: what recovery says often contains what was seen before."""
    different = [text for text in dict.fromkeys(texts) if not any(text != other and text in other for other in texts)]
    return "; ".join(different) or None


def _silent(_: str) -> None:
    """Tell nobody."""
