"""Generations: what is in force, what is removed, and what a full disk or a strange folder does to that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mcai.errors import NoSnapshotError, SnapshotDamagedError, SnapshotError, StoreFullError
from mcai.filters import Filters
from mcai.snapshot import manifest
from mcai.snapshot.generation import open_current
from mcai.snapshot.manifest import POINTER_NAME
from snapshot_kit import (
    DIM,
    ROWS,
    change,
    file_names,
    ids_of,
    merge_all,
    numbered,
    only_file,
    open_store,
    published,
)


def test_old_files_go_after_the_flip_and_maps_live_on(tmp_path: Path) -> None:
    """What a reader has mapped stays readable when a merge has deleted the files, and the folder holds no old file."""
    store = published(tmp_path, ROWS)
    old = open_current(tmp_path)
    before = ids_of(old.view)
    for number in range(6):
        change(store, numbered(3, first=100 + 10 * number), gone=[3] if number == 2 else [])
        store.publish()
    merge_all(store)

    now = open_current(tmp_path)
    assert file_names(tmp_path) == {POINTER_NAME, *now.file_names()}
    assert not old.generation.file_names() & file_names(tmp_path)
    assert ids_of(old.view) == before
    assert ids_of(now.view) == ids_of(store.view) != before


def test_a_reader_that_meets_a_deleted_file_asks_the_pointer_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the pointer and mapping the files a newer generation may come into force: that one is opened."""
    store = published(tmp_path, ROWS)
    read_manifest = manifest.read_manifest
    pending = [numbered(2, first=200 + 10 * number) for number in range(3)]

    def overtaken(folder: Path, pointer: manifest.Pointer) -> manifest.Generation:
        generation = read_manifest(folder, pointer)
        if pending:
            change(store, pending.pop())
            store.rewrite_without([11 + len(pending)])
        return generation

    monkeypatch.setattr("mcai.snapshot.generation.read_manifest", overtaken)
    opened = open_current(tmp_path)

    assert pending == []
    assert ids_of(opened.view) == ids_of(store.view)


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    """A file that the generation in force names and nobody has is no reason to wait for another generation."""
    published(tmp_path, ROWS).close()
    only_file(tmp_path, "vectors").unlink()

    with pytest.raises(SnapshotDamagedError, match=r"\.vectors, a file of the snapshot, is missing"):
        open_current(tmp_path)


def test_no_snapshot_is_no_damage(tmp_path: Path) -> None:
    """Where nothing was published yet, that is what is said."""
    with pytest.raises(NoSnapshotError):
        open_current(tmp_path / "nowhere")


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff\xfe", b'{"manifest": "../x.json", "crc": 1}', b"\0" * 60])
def test_a_pointer_that_says_nothing_is_damage(tmp_path: Path, text: bytes) -> None:
    """The pointer names a file of its own folder, or is damaged."""
    published(tmp_path, ROWS).close()
    (tmp_path / POINTER_NAME).write_bytes(text)

    with pytest.raises(SnapshotDamagedError, match="CURRENT is damaged"):
        open_current(tmp_path)


def test_orphans_are_removed_at_open_and_nothing_else(tmp_path: Path) -> None:
    """What a crash left behind goes at the next start; a file that is not ours stays."""
    published(tmp_path, ROWS).close()
    mine = file_names(tmp_path)
    orphans = [
        "000000000001-0a1b2c3d.arrow",
        "000000000007-00000000.sums.new",
        "CURRENT.new",
        "000000000007-deadbeef.graph",
    ]
    for name in [*orphans, "notes.txt"]:
        (tmp_path / name).write_bytes(b"x")

    open_store(tmp_path).close()

    assert file_names(tmp_path) == mine | {"notes.txt"}


def test_a_snapshot_of_another_history_is_taken_out_of_force_at_once(tmp_path: Path) -> None:
    """After a restore no reader may see rows of the history that was left."""
    published(tmp_path, ROWS).close()

    store = open_store(tmp_path, timeline="second")

    assert store.view.rows == store.view.epoch == store.published_epoch == 0
    assert store.error == "the snapshot shows another history"
    with pytest.raises(NoSnapshotError):
        open_current(tmp_path)
    change(store, numbered(1))
    assert store.publish() and store.error is None
    assert file_names(tmp_path) == {POINTER_NAME, *open_current(tmp_path).file_names()}


def test_another_model_takes_over_when_it_is_as_far(tmp_path: Path) -> None:
    """While all rows are embedded anew, readers keep the old vectors; they never go back to an older epoch."""
    old = published(tmp_path, ROWS)
    change(old, numbered(2, first=50))
    old.publish()
    old.close()

    store = open_store(tmp_path, model="better/8")
    assert store.error == "the snapshot's vectors were made with test/8"
    change(store, ROWS, upto=1)
    assert store.publish() and store.tail_rows == 0
    assert not store.publish()
    assert open_current(tmp_path).generation.model == "test/8"
    assert ids_of(open_current(tmp_path).view) == [*(each["id"] for each in ROWS), 50, 51]

    change(store, numbered(2, first=50), upto=2)
    assert store.publish()

    now = open_current(tmp_path)
    assert now.generation.model == "better/8" and now.view.rows == len(ROWS) + 2
    assert file_names(tmp_path) == {POINTER_NAME, *now.file_names()}


def test_a_full_disk_leaves_the_generation_before_in_force(tmp_path: Path) -> None:
    """Publishing on a full disk fails with a reason, leaves nothing half-written, and works again with room."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from snapshot_kit import *; from mcai.errors import StoreFullError\n"
        "folder = Path(sys.argv[1]); store = published(folder, numbered(5)); names = file_names(folder)\n"
        "change(store, numbered(400, first=10))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "for size_bytes in range(0, 150_000, 7_000):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))\n"
        "    try:\n"
        "        assert store.publish(); break\n"
        "    except StoreFullError as error:\n"
        "        assert store.error == error.message and file_names(folder) == names, file_names(folder) - names\n"
        "else: raise AssertionError('it never worked')\n"
        "assert size_bytes > 20_000 and store.error is None and store.view.rows == 405\n"
        "assert open_store(folder).view.rows == 405\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "snapshot")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )

    assert run.returncode == 0, run.stderr


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only snapshot folder is a clear refusal that names it; what was published before is still served."""
    store = published(tmp_path, ROWS)
    change(store, numbered(3, first=50))

    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr("mcai.snapshot.generation.write_parts", refuse)
    with pytest.raises(SnapshotError, match=f"{tmp_path} cannot be written: Permission denied") as caught:
        store.publish()

    assert not isinstance(caught.value, StoreFullError)
    assert open_current(tmp_path).view.rows == len(ROWS)
    assert store.view.page(Filters(), 0, 100).count == len(ROWS) + 3


def test_an_empty_snapshot_is_published(tmp_path: Path) -> None:
    """A home without rows has a snapshot too: a reader finds no rows, not no snapshot."""
    store = open_store(tmp_path)

    assert store.publish() and not store.merge()

    view = open_current(tmp_path).view
    assert (view.epoch, view.rows, ids_of(view)) == (0, 0, [])
    assert view.nearest(np.ones(DIM), 3) == [] and view.get(1) is None
