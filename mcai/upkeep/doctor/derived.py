"""Checks of what is made from the catalog: each must show exactly what the catalog had at its epoch.

All of it can be made anew, so what is wrong is removed, and the daemon makes it again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from mcai.errors import DamagedError, NoSnapshotError, SnapshotDamagedError, SnapshotError
from mcai.files import tells_damage
from mcai.snapshot.generation import Published, open_current
from mcai.store import probe
from mcai.store.duck import effects, verify
from mcai.store.duck.catalog import DuckCatalog
from mcai.store.versions import Versions, versions_of
from mcai.upkeep.archive_files import FOLLOW_S, ArchiveFiles
from mcai.upkeep.doctor.model import Patient, Trouble

_MAX_TOLD = 3
_FOLLOW_TRIES = 4


def look_at_index(patient: Patient) -> Iterator[Trouble]:
    """The search index can be read, and holds what the catalog had at its epoch."""
    source = patient.source
    if source is None or patient.facts is None:
        return
    for table in probe.tables_in(patient.home.vectors_dir):
        found = _wrong_with_table(patient.home.vectors_dir, table, source)
        for _ in range(_FOLLOW_TRIES if patient.live and found else 0):
            time.sleep(FOLLOW_S)  # one that is written right now: rows come first, the sentinel last
            found = _wrong_with_table(patient.home.vectors_dir, table, source)
        if found:
            yield Trouble(found, mend=partial(_remove_table, table))


def _wrong_with_table(folder: Path, table: str, source: verify.Source) -> str | None:
    try:
        told = probe.probe(folder, table)
    except DamagedError as error:
        return error.message
    committed = verify.committed_at(source, told.epoch)
    if (None if committed is None else effects.microseconds(committed)) != told.committed_at_us:
        return f"the search index {table} belongs to another history"
    if _differ(told.versions, verify.live_versions(source, told.epoch)):
        return f"the search index {table} does not hold the rows of epoch {told.epoch}"
    return None


def _remove_table(table: str, patient: Patient) -> None:
    probe.remove(patient.home.vectors_dir, table)


def look_at_snapshot(patient: Patient) -> Iterator[Trouble]:
    """The mapped snapshot is whole, and shows what the catalog had at its epoch."""
    folder, source, facts = patient.home.snapshot_dir, patient.source, patient.facts
    try:
        published = open_current(folder)
    except NoSnapshotError:
        return
    except SnapshotDamagedError as error:
        yield Trouble(error.message, mend=_remove_snapshot)
        return
    except SnapshotError as error:
        yield Trouble(error.message, error.hint)
        return
    except OSError as error:
        is_damage = tells_damage(error)
        yield Trouble(f"{error.filename or folder}: {error.strerror}", mend=_remove_snapshot if is_damage else None)
        return
    damage = list(_damage_in(published, patient.live))
    told = published.generation
    for message in damage[:_MAX_TOLD]:
        yield Trouble(message, mend=_remove_snapshot)
    if damage or source is None or facts is None:
        return
    if told.timeline != facts.timeline or told.epoch > facts.epoch:
        yield Trouble("the snapshot shows another history", mend=_remove_snapshot)
    elif _differ(_versions_in(published), verify.live_versions(source, told.epoch)):
        yield Trouble(f"the snapshot does not show the rows of epoch {told.epoch}", mend=_remove_snapshot)


def _damage_in(published: Published, live: bool) -> Iterator[str]:
    """Read every byte of a generation's segments and graphs."""
    for layer in published.view.layers:
        yield from (damage.message for damage in layer.segment.verify())
        try:
            layer.segment.load_graph()
        except SnapshotDamagedError as error:
            yield error.message
        except SnapshotError:
            pass  # another version's: searches do without, until there is a new one
        except OSError as error:
            # A daemon that serves may have published meanwhile, and removed what is not needed any more.
            if not (live and isinstance(error, FileNotFoundError)):
                yield f"{error.filename}: {error.strerror}"


def _versions_in(published: Published) -> Versions:
    layers = published.view.layers
    shown = [layer.showing(np.arange(layer.segment.rows)) for layer in layers]
    none = np.empty(0, np.int64)
    columns = (
        np.concatenate([none, *(layer.segment.fixed[name].take(at) for layer, at in zip(layers, shown, strict=True))])
        for name in ("id", "c_epoch")
    )
    return versions_of(*columns)


def _remove_snapshot(patient: Patient) -> None:
    shutil.rmtree(patient.home.snapshot_dir, ignore_errors=True)


def _differ(shown: Versions, wanted: Versions | None) -> bool:
    """Tell whether two differ; what the catalog does not know any more cannot be held against anybody."""
    return wanted is not None and shown != wanted


@dataclass(frozen=True)
class _Shown:
    """A catalog that is only looked at, as `ArchiveFiles` asks it."""

    engine: verify.Source


def look_at_archive(patient: Patient) -> Iterator[Trouble]:
    """Every archived row is in a Parquet file, and nothing else is."""
    folder, source = patient.home.archive_dir, patient.source
    if source is None:
        return
    files = ArchiveFiles(patient.catalog or cast("DuckCatalog", _Shown(source)), folder)
    wrong = files.differing()
    for _ in range(_FOLLOW_TRIES if patient.live and wrong else 0):
        time.sleep(FOLLOW_S)  # the files follow the catalog a little later
        wrong = files.differing()
    for path in wrong:
        yield Trouble(f"{path} is not what the catalog has of it", mend=partial(_rewrite, path))


def _rewrite(path: Path, patient: Patient) -> None:
    path.unlink(missing_ok=True)
    if patient.catalog is not None:
        ArchiveFiles(patient.catalog, patient.home.archive_dir).reconcile()
