"""The writer of the snapshot: follows the catalog's changes in memory, publishes them, merges what was published.

One in the daemon. All methods are called from one thread; any thread may read `view`, which is replaced, never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import structlog

from mcai.errors import SnapshotDamagedError, SnapshotError
from mcai.failpoints import hit
from mcai.records import GraphInfo, SnapshotInfo
from mcai.snapshot import merging
from mcai.snapshot.generation import disk_errors, new_name, remove
from mcai.snapshot.layer import Layer, layer_of
from mcai.snapshot.manifest import GraphFacts
from mcai.snapshot.merging import Merge, choose
from mcai.snapshot.rows import from_change, in_memory, merged
from mcai.snapshot.shelf import Shelf
from mcai.snapshot.view import View

if TYPE_CHECKING:
    import pyarrow as pa

log = structlog.get_logger("snapshot")


class GraphDue(NamedTuple):
    """What `graph.build` is to be asked for, and whose graph `SnapshotStore.attach_graph` is told of then."""

    segment_name: str
    vectors_path: Path
    rows: int
    dim: int
    out_path: Path


class SnapshotStore:
    """One home's snapshot, as its daemon writes and reads it."""

    def __init__(self, shelf: Shelf, view: View) -> None:
        """Go on from what a shelf has in force; see `open`."""
        self.view = view
        """What is published and the tail on top."""
        self._shelf = shelf
        self._mapped = view.layers
        self._tail: tuple[Layer, ...] = ()
        self._saved_epoch = view.epoch if shelf.is_in_force else None
        self._merge: Merge | None = None
        self._graph_error: str | None = None

    @classmethod
    def open(cls, folder: Path, *, model: str, dim: int, timeline: str) -> SnapshotStore:
        """Map the generation in force; start empty at epoch 0, and say why in `error`, when it is of no use.

        Args:
            folder: made when it is missing.
            model: what the vectors are made with.
            dim: their length.
            timeline: the catalog's: a generation of another one shows another history.

        Raises:
            SnapshotError: the folder cannot be written.
            StoreFullError: the disk is full.
        """
        shelf = Shelf(folder, timeline)
        return cls(shelf, shelf.open(model, dim))

    @property
    def published_epoch(self) -> int:
        """The epoch that any process can map; 0 while there is none of this store's."""
        return self._shelf.published_epoch

    @property
    def error(self) -> str | None:
        """Why the snapshot on the disk could not be used, or why the last publication failed."""
        return self._shelf.error

    @property
    def tail_rows(self) -> int:
        """How many rows show that lie in memory alone."""
        return sum(layer.rows for layer in self._tail)

    def apply(
        self,
        upto: int,
        gone: Sequence[int],
        rows: pa.Table,
        vectors: npt.NDArray[np.float32],
        domains: Mapping[int, str],
    ) -> None:
        """Take in one change of the catalog; it shows in `view` at once. Once more does no harm.

        Args:
            upto: the epoch that it leads to.
            gone: ids of which a version ceased to be live.
            rows: versions that are live now, each id once: the columns of `Catalog.changes`, and metadata as JSON text.
            vectors: (len(rows), dim) float32, unit length or all zero.
            domains: the names of all datasets, by id.
        """
        new_ids = rows.column("id").to_numpy()
        gone_ids = np.union1d(np.asarray(gone, np.int64), new_ids)
        if len(gone_ids):
            self._mapped = tuple(layer.hide(gone_ids) for layer in self._mapped)
            tail = [layer for each in self._tail if (layer := each.hide(gone_ids)).rows]
            if len(new_ids):
                tail.append(layer_of(from_change(rows, vectors, domains)))
            self._tail = _compact(tail)
        names = {**self.view.domains, **domains}
        self.view = replace(self.view, epoch=upto, domains=names, layers=(*self._mapped, *self._tail))

    def publish(self) -> bool:
        """Put what `view` shows in force for every process; return whether there was anything new.

        Raises:
            StoreFullError: the disk is full; the generation before stays in force.
            SnapshotError: the folder cannot be written; likewise.
        """
        if self.view.epoch == self._saved_epoch:
            return False
        self._commit(self._mapped)
        return True

    def merge(self) -> bool:
        """Do one step of merging, if any is worth it; return whether there was one.

        A step takes about `merging.STEP_S`. The last one publishes what `view` shows.

        Raises:
            StoreFullError: the disk is full; nothing is changed, and the merge begins anew.
            SnapshotError: the folder cannot be written; likewise.
            SnapshotDamagedError: a segment is damaged: `reset`, and take in everything anew.
        """
        if self._merge is None:
            sources = choose(self._mapped)
            if not sources:
                return False
            self._merge = Merge(self._shelf.folder, new_name(self.view.epoch), sources)
        try:
            with disk_errors(self._shelf.folder):
                if not self._merge.step():
                    return True
                hit("snapshot.merged")
            self._commit(self._merge.result(self._mapped))
        except BaseException:
            self._drop_merge()
            raise
        self._merge = None
        return True

    def _drop_merge(self) -> None:
        if self._merge is not None:
            self._merge.stop()
            self._shelf.discard([self._merge.name])
            self._merge = None

    def rewrite_without(self, ids: Iterable[int]) -> int:
        """Write every segment anew that holds any version of some ids, a hidden one too, and delete the old files.

        Returns:
            How many versions there were.

        Raises:
            StoreFullError: the disk is full; what is published is not changed.
            SnapshotError: the folder cannot be written; likewise.
        """
        self._drop_merge()
        wanted = np.unique(np.fromiter(ids, np.int64))
        found = sum(len(layer.segment.find(wanted)) for layer in (*self._mapped, *self._tail))
        names: list[str] = []
        kept: list[Layer] = []
        try:
            with disk_errors(self._shelf.folder):
                for layer in self._mapped:
                    if len(layer.segment.find(wanted)):
                        names.append(new_name(self.view.epoch))
                        kept += self._shelf.write(names[-1], [layer.hide(wanted)])
                    else:
                        kept.append(layer)
            self._tail = tuple(layer.hide(wanted) for layer in self._tail)
            self._commit(kept)
        except BaseException:
            self._shelf.discard(names)
            raise
        return found

    def load_graphs(self) -> None:
        """Verify and map the graphs of what is published; without, searches scan. One that is of no use is passed over.

        It takes about a second a million rows, so it is no part of `open`.
        """
        for layer in self._mapped:
            try:
                layer.segment.load_graph()
            except (SnapshotError, SnapshotDamagedError, OSError) as error:
                self._graph_error = str(error)
                log.warning("graph passed over", segment=layer.segment.name, reason=str(error))

    def graph_due(self) -> GraphDue | None:
        """Return the largest segment that is worth a graph and has none, None when there is none."""
        bare = [layer.segment for layer in self._mapped if layer.segment.graph is None]
        segment = max(bare, key=lambda each: each.rows, default=None)
        if segment is None or segment.facts is None or segment.rows < merging.GRAPH_FROM_ROWS:
            return None
        name, folder = segment.facts.name, self._shelf.folder
        # A name of its own each time: a graph that is passed over may be mapped by others.
        out_path = folder / f"{new_name(self.view.epoch)}.graph"
        return GraphDue(name, folder / f"{name}.vectors", segment.rows, segment.facts.dim, out_path)

    def gather(self) -> bool:
        """Begin to merge what has no graph yet, if that is worth it; return whether a merge is under way."""
        bare = [layer for layer in self._mapped if layer.segment.graph is None]
        rows = sorted(layer.rows for layer in bare)
        if self._merge is None and sum(rows[:-1]) > merging.GATHERED_SHARE * sum(rows):
            self._merge = Merge(self._shelf.folder, new_name(self.view.epoch), bare)
        return self._merge is not None

    def attach_graph(self, segment_name: str, graph: GraphFacts) -> bool:
        """Publish the graph that was built for a segment; its file lies in the folder.

        Returns:
            False when the segment is gone meanwhile, or the graph is of no use; then the file is deleted.

        Raises:
            StoreFullError: the disk is full.
            SnapshotError: the folder cannot be written.
        """
        mapped = list(self._mapped)
        try:
            (at,) = (at for at, layer in enumerate(mapped) if layer.segment.name == segment_name)
            mapped[at] = Layer(mapped[at].segment.with_graph(graph), mapped[at].hidden)
        except (ValueError, SnapshotError, SnapshotDamagedError, OSError) as error:
            log.warning("graph dropped", segment=segment_name, reason=str(error))
            remove(self._shelf.folder, [graph.name])
            return False
        self._commit(mapped)
        self._graph_error = None
        return True

    def verify_published(self) -> list[str]:
        """Read again what is in force; return what is wrong."""
        return self._shelf.verify()

    def verify_mapped(self) -> list[str]:
        """Check every byte that is mapped; return what is wrong. Any thread may: it takes long, and changes nothing."""
        return [damage.message for layer in self._mapped for damage in layer.segment.verify()]

    def reset(self, *, withdraw: bool = False) -> None:
        """Start empty at epoch 0; what is in force stays there until `view` is as far again.

        Args:
            withdraw: take it out of force now, because it shows what the catalog never had, or has no more. (Damage is
                no reason: whoever meets it asks the daemon.)

        Raises:
            SnapshotError: the folder cannot be written.
        """
        self._drop_merge()
        self._shelf.start_over(withdraw)
        self._mapped, self._tail, self._saved_epoch = (), (), None
        self.view = View(0, self.view.model, self.view.dim)

    def info(self) -> SnapshotInfo:
        """Tell how it is."""
        facts = [layer.segment.facts for layer in self._mapped if layer.segment.facts]
        graphs = [layer.segment.graph.facts for layer in self._mapped if layer.segment.graph]
        return SnapshotInfo(
            epoch=self.published_epoch,
            view_epoch=self.view.epoch,
            rows=self.view.rows,
            segments=len(facts),
            tail_rows=self.tail_rows,
            bytes=sum(each.size_bytes for each in facts),
            fallbacks=0,  # counted by whoever serves reads
            graph=GraphInfo(
                state="ready" if graphs else "failed" if self._graph_error else "none",
                rows=sum(graph.rows for graph in graphs),
                recall=min((graph.recall for graph in graphs), default=None),
                error=self._graph_error,
            ),
            error=self.error,
        )

    def close(self) -> None:
        """Stop a merge and let go of everything mapped; what was not published is still in the catalog."""
        self._drop_merge()
        self._mapped = self._tail = ()
        self.view = replace(self.view, layers=())

    def _commit(self, mapped: Sequence[Layer]) -> None:
        self.view = self._shelf.commit(self.view, mapped, self._tail)
        self._mapped, self._tail, self._saved_epoch = self.view.layers, (), self.view.epoch


def _compact(tail: Sequence[Layer]) -> tuple[Layer, ...]:
    """Merge the newest layers while they are of like size: a few remain, and a row is copied a few times."""
    layers = list(tail)
    while len(layers) > 1 and layers[-2].rows <= 2 * layers[-1].rows:
        layers[-2:] = [layer_of(in_memory(merged(layers[-2:])))]
    return tuple(layers)
