"""The snapshot's folder as its writer keeps it: what is in force, which files that takes, and what may be deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from mcai.errors import NoSnapshotError, SnapshotDamagedError, SnapshotError
from mcai.failpoints import hit
from mcai.files import sync_folder
from mcai.snapshot.generation import (
    Published,
    disk_errors,
    new_name,
    open_current,
    put_in_force,
    remove,
    remove_orphans,
)
from mcai.snapshot.layer import Layer, layer_of
from mcai.snapshot.manifest import POINTER_NAME, Generation, segment_files
from mcai.snapshot.segment import map_segment
from mcai.snapshot.view import View

log = structlog.get_logger("snapshot")


class Shelf:
    """The files of one snapshot; one writer."""

    def __init__(self, folder: Path, timeline: str) -> None:
        """Take over a folder; `open` says what is in it."""
        self.folder = folder
        self.error: str | None = None
        """Why what is in force is of no use, or why the last commit failed."""
        self._timeline = timeline
        self._published: Published | None = None
        self._files: set[str] = set()
        self._floor_epoch = 0
        self._sweep_is_due = True

    @property
    def is_in_force(self) -> bool:
        """Whether any process can map what this writer published."""
        return self._published is not None

    @property
    def published_epoch(self) -> int:
        """The epoch that any process can map; 0 while there is none of this writer's."""
        return self._published.generation.epoch if self._published else 0

    def open(self, model: str, dim: int) -> View:
        """Map what is in force; an empty view at epoch 0, and `error`, when that is of no use.

        Raises:
            SnapshotError: the folder cannot be written.
            StoreFullError: the disk is full.
        """
        with disk_errors(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                published = open_current(self.folder)
            except NoSnapshotError:
                return View(0, model, dim)
            except SnapshotDamagedError as error:
                self.error = error.message
            else:
                told = published.generation
                if (told.timeline, told.model, told.dim) == (self._timeline, model, dim):
                    self._published, self._files = published, published.file_names()
                    self._sweep()
                    return published.view
                self._refuse(told)
        log.warning("the snapshot is made anew", reason=self.error)
        return View(0, model, dim)

    def _refuse(self, told: Generation) -> None:
        """Say why a generation is of no use, and how long readers may still see it."""
        if told.timeline != self._timeline:
            self.error = "the snapshot shows another history"
            self._withdraw()
        else:
            self.error = f"the snapshot's vectors were made with {told.model}"
            # Its rows are right: it stays in force until the new one is as far.
            self._floor_epoch = told.epoch

    def start_over(self, withdraw: bool) -> None:
        """Let what is in force stand until the next view is as far and delete it then, or ``withdraw`` it now.

        Raises:
            SnapshotError: the folder cannot be written.
        """
        self._floor_epoch, self._published = self.published_epoch, None
        self._files, self._sweep_is_due = set(), True
        if withdraw:
            self._withdraw()

    def _withdraw(self) -> None:
        """Show readers nothing any more: they ask the daemon."""
        self._floor_epoch = 0
        with disk_errors(self.folder):
            remove(self.folder, [POINTER_NAME])
            sync_folder(self.folder)

    def write(self, name: str, layers: Sequence[Layer]) -> list[Layer]:
        """Write what shows of some layers as one segment and map it; nothing when nothing shows."""
        from mcai.snapshot.writer import written  # it imports pyarrow, which reading does without

        facts = written(self.folder, name, layers)
        return [layer_of(map_segment(self.folder, facts))] if facts else []

    def commit(self, view: View, mapped: Sequence[Layer], tail: Sequence[Layer]) -> View:
        """Write the tail behind ``mapped`` as a segment, and put all of it in force; return the view of that.

        Raises:
            StoreFullError: the disk is full; nothing is changed.
            SnapshotError: the folder cannot be written; nothing is changed.
        """
        name = new_name(view.epoch)
        published = self._published
        try:
            with disk_errors(self.folder):
                layers = tuple(layer for layer in (*mapped, *self.write(name, tail)) if layer.rows)
                hit("snapshot.segment")
                view = replace(view, layers=layers)
                if view.epoch >= self._floor_epoch:
                    published = put_in_force(self.folder, self._timeline, view)
        except BaseException as error:
            self.discard([name])
            self.error = getattr(error, "message", None)
            raise
        before, self._published, self.error = self._files, published, None
        self._files = published.file_names() if published else set()
        for layer in layers:
            self._files |= layer.segment.facts.file_names() if layer.segment.facts else set()
        with disk_errors(self.folder):
            hit("snapshot.flipped")
            remove(self.folder, before - self._files)
            if self._sweep_is_due and published is not None:
                self._sweep()
        return view

    def discard(self, names: Iterable[str]) -> None:
        """Delete the files of segments that did not come into force."""
        remove(self.folder, (file for name in names for file in segment_files(name)))

    def verify(self) -> list[str]:
        """Read again what is in force; return what is wrong."""
        if self._published is None:
            return []
        try:
            open_current(self.folder)
        except (SnapshotDamagedError, NoSnapshotError) as error:
            return [error.message]
        except SnapshotError as error:
            log.warning("the snapshot cannot be verified now", reason=error.message)
        return []

    def _sweep(self) -> None:
        """Delete what a crash, or a generation that was of no use, left behind."""
        orphans = remove_orphans(self.folder, self._files)
        self._sweep_is_due = False
        if orphans:
            log.info("orphans removed", files=len(orphans))
