"""Generations on the disk: the one in force is opened, the next one is written and put in force by one rename."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcai.errors import SnapshotDamagedError, SnapshotError, StoreFullError
from mcai.failpoints import hit
from mcai.files import sync_folder, write_parts
from mcai.snapshot.blocks import Positions, map_file
from mcai.snapshot.layer import Layer
from mcai.snapshot.manifest import (
    FORMAT,
    POINTER_NAME,
    Generation,
    SegmentEntry,
    encode,
    read_manifest,
    read_pointer,
)
from mcai.snapshot.segment import NO_POSITIONS, Segment, map_segment
from mcai.snapshot.view import View

ATTEMPTS = 8
"""How often a reader asks the pointer again when the files that it named are gone: each time a newer one was put in
force meanwhile."""
_OURS = re.compile(r"[0-9]{12}-[0-9a-f]{8}\..+|" + re.escape(POINTER_NAME) + r"\.new")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Published:
    """A generation that was opened."""

    manifest_name: str
    generation: Generation
    view: View

    def file_names(self) -> set[str]:
        """Return the names of all its files."""
        return {self.manifest_name, *self.generation.file_names()}


def open_current(folder: Path, before: Published | None = None) -> Published:
    """Open the generation that is in force.

    Args:
        folder: of the snapshot.
        before: the one that was in force when last looked: itself, when it still is, and what is mapped is used again.

    Raises:
        NoSnapshotError: nothing was published.
        SnapshotDamagedError: a file is damaged, or missing.
        OSError: a file cannot be mapped.
    """
    known = {layer.segment.name: layer.segment for layer in before.view.layers} if before else {}
    seen: str | None = None
    for _ in range(ATTEMPTS):
        pointer = read_pointer(folder)
        if before is not None and before.manifest_name == pointer.manifest:
            return before
        try:
            generation = read_manifest(folder, pointer)
            return Published(pointer.manifest, generation, _view(folder, generation, known))
        except (FileNotFoundError, NotADirectoryError) as error:
            if pointer.manifest == seen:
                raise SnapshotDamagedError(f"{error.filename}, a file of the snapshot, is missing") from error
            seen = pointer.manifest
    raise SnapshotError(f"the snapshot in {folder} changes faster than it can be opened", hint="Try again.")


def _view(folder: Path, generation: Generation, known: Mapping[str | None, Segment]) -> View:
    hidden = _hidden(folder, generation)
    layers = []
    for entry in generation.segments:
        segment = known.get(entry.facts.name)
        if segment is None or segment.facts != entry.facts:
            segment = map_segment(folder, entry.facts)
        layers.append(Layer(segment, hidden[slice(*entry.hidden)]))
    return View(generation.epoch, generation.model, generation.dim, generation.domains, tuple(layers))


def _hidden(folder: Path, generation: Generation) -> Positions:
    if generation.hidden_name is None:
        return NO_POSITIONS
    path = folder / generation.hidden_name
    raw = map_file(path, 8 * max(entry.hidden[1] for entry in generation.segments))
    if zlib.crc32(raw.data) != generation.hidden_crc:
        raise SnapshotDamagedError(f"{path} is damaged")
    return raw.view("<i8")


def new_name(epoch: int) -> str:
    """Return a name, without ending, that no file of a snapshot ever had."""
    return f"{epoch:012}-{os.urandom(4).hex()}"


def put_in_force(folder: Path, timeline: str, view: View) -> Published:
    """Write the manifest of a view whose segments all lie on the disk, and point to it.

    Args:
        folder: of the snapshot.
        timeline: the catalog's.
        view: what is published.

    Raises:
        OSError: the disk is full, for example. The generation before stays in force.
    """
    name = new_name(view.epoch)
    manifest_name, hidden_name = f"{name}.json", f"{name}.hidden"
    entries: list[SegmentEntry] = []
    end = 0
    for layer in view.layers:
        assert layer.segment.facts is not None, "a segment in memory cannot be published"
        entries.append(SegmentEntry(layer.segment.facts, (end, end + len(layer.hidden))))
        end += len(layer.hidden)
    hidden = np.concatenate([NO_POSITIONS, *(layer.hidden for layer in view.layers)]).astype("<i8").tobytes()
    generation = Generation(
        format=FORMAT,
        epoch=view.epoch,
        timeline=timeline,
        model=view.model,
        dim=view.dim,
        domains=dict(view.domains),
        segments=entries,
        hidden_name=hidden_name if hidden else None,
        hidden_crc=zlib.crc32(hidden),
    )
    manifest, pointer = encode(generation, manifest_name)
    try:
        if hidden:
            write_parts(folder / hidden_name, [hidden])
        write_parts(folder / manifest_name, [manifest])
        hit("snapshot.manifest")
        sync_folder(folder)
        write_parts(folder / POINTER_NAME, [pointer])
    except BaseException:
        remove(folder, [manifest_name, hidden_name])
        raise
    # It is in force. Were the rename lost with the power, the one before would miss files, and be made anew.
    with contextlib.suppress(OSError):
        sync_folder(folder)
    return Published(manifest_name, generation, view)


def remove(folder: Path, names: Iterable[str]) -> None:
    """Delete files that may be there, half-written ones too."""
    for name in names:
        for each in (name, f"{name}.new"):
            (folder / each).unlink(missing_ok=True)


def remove_orphans(folder: Path, keep: set[str]) -> list[str]:
    """Delete what a crash left behind; return the names."""
    orphans = [path.name for path in folder.iterdir() if _OURS.fullmatch(path.name) and path.name not in keep]
    remove(folder, orphans)
    return orphans


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn errors of writing into mcai's.

    Raises:
        StoreFullError: the disk is full.
        SnapshotError: the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFullError(f"there is no room left on the disk of {folder}") from error
        raise SnapshotError(
            f"the snapshot folder {folder} cannot be written: {error.strerror or error}",
            hint="Make it writable; until then reads come from the catalog.",
        ) from error
