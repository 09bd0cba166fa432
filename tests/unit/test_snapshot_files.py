"""The files of a snapshot: Arrow's own readers open them, offsets hold beyond 2 GB, and nothing is left lying about."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from mcai.errors import NoSnapshotError, SnapshotDamagedError, SnapshotError, StoreFullError
from mcai.filters import Filters
from mcai.snapshot import manifest
from mcai.snapshot.blocks import BLOCK_BYTES, BlockFile, Column, block_sums, map_file
from mcai.snapshot.frame import Totals, write_frame
from mcai.snapshot.generation import open_current
from mcai.snapshot.manifest import FIXED, NO_TIME, POINTER_NAME
from mcai.snapshot.segment import Text
from snapshot_kit import (
    DIM,
    change,
    examples_of,
    file_names,
    ids_of,
    merge_all,
    moment,
    numbered,
    open_store,
    published,
    row,
    vectors_of,
)

ROWS = [
    row(3, emotion="Calm", frequency_hz=8.5, created_at=moment("2025-10-17"), source="/a/b.json#1"),
    row(5, dataset_id=2, response=None, range_lo_hz=4.0, range_hi_hz=8.0),
    row(9, emotion="", content="nothing", metadata='{"k": [1, 2]}'),
    *numbered(20, first=11, dataset_id=2),
]


def only_file(folder: Path, ending: str) -> Path:
    (path,) = folder.glob(f"*.{ending}")
    return path


def test_arrow_opens_a_segment(tmp_path: Path) -> None:
    """The columns are an ordinary Arrow IPC file of one record batch: types, nulls and values as Arrow sees them."""
    published(tmp_path, ROWS).close()

    with pa.memory_map(str(only_file(tmp_path, "arrow"))) as file:
        reader = pa.ipc.open_file(file)
        assert reader.num_record_batches == 1
        batch = reader.get_batch(0)
        batch.validate(full=True)
        table = batch.to_pydict()

    assert table["id"] == [each["id"] for each in ROWS]
    assert table["dataset_id"] == [each["dataset_id"] for each in ROWS]
    assert table["frequency_hz"] == [each["frequency_hz"] for each in ROWS]
    assert table["range_hi_hz"] == [each["range_hi_hz"] for each in ROWS]
    assert table["emotion"][:3] == ["calm", None, ""]
    assert table["source"][:3] == ["/a/b.json#1", None, None]
    assert [at and at.isoformat() for at in table["created_at"]][:2] == ["2025-10-17T00:00:00+00:00", None]
    assert msgspec.json.decode(table["json"][2].rstrip(b","))["metadata"] == {"k": [1, 2]}
    by_dataset = [(table["dataset_id"][at], at) for at in table["by_dataset"]]
    assert by_dataset == sorted(by_dataset) and len(by_dataset) == len(ROWS)


def test_vectors_are_a_plain_matrix(tmp_path: Path) -> None:
    """The vectors lie in a file of their own, without any frame: whoever builds an index can map them as they are."""
    published(tmp_path, ROWS).close()

    matrix = np.fromfile(only_file(tmp_path, "vectors"), "<f4").reshape(-1, DIM)

    assert np.array_equal(matrix, vectors_of(ROWS))


def test_manifest_names_every_offset(tmp_path: Path) -> None:
    """A reader without an Arrow library finds each buffer by the offset that the manifest gives."""
    published(tmp_path, ROWS).close()
    generation = open_current(tmp_path).generation
    facts = generation.segments[0].facts
    raw = only_file(tmp_path, "arrow").read_bytes()

    def buffer(name: str, dtype: str) -> list[float]:
        begin, size_bytes = facts.buffers[name].offset_bytes, facts.buffers[name].size_bytes
        values: list[float] = np.frombuffer(raw[begin : begin + size_bytes], dtype).tolist()
        return values

    assert buffer("id", "<i8") == [each["id"] for each in ROWS]
    assert buffer("created_at", FIXED["created_at"].dtype)[1] == NO_TIME
    offsets = [int(each) for each in buffer("json.offsets", "<i8")]
    begin = facts.buffers["json"].offset_bytes + offsets[4]
    assert msgspec.json.decode(raw[begin : begin + offsets[5] - offsets[4] - 1])["id"] == ROWS[4]["id"]
    assert generation.timeline == "first" and generation.domains[2] == "neuroscience"


def test_reading_needs_no_pyarrow(tmp_path: Path) -> None:
    """A process that only reads pays for no Arrow library: not even the daemon's first pages do."""
    published(tmp_path, ROWS).close()
    code = (
        "import sys; from pathlib import Path; from mcai.filters import Filters\n"
        "from mcai.snapshot.store import SnapshotStore\n"
        f"store = SnapshotStore.open(Path({str(tmp_path)!r}), model='test/8', dim={DIM}, timeline='first')\n"
        "assert store.view.page(Filters(), 0, 5).count == 5 and store.view.nearest([1.0] * 8, 3)\n"
        "assert not store.publish() and not store.merge()\n"
        "print(sorted({'pyarrow', 'duckdb', 'lancedb'} & set(sys.modules)))"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"


def test_offsets_hold_beyond_two_gigabytes(tmp_path: Path) -> None:
    """A row far behind the first 2 and 4 GB of a file is found, checked and read by 64-bit offsets."""
    path = tmp_path / "huge"
    far = (5 << 30) + 123
    text = b"far away,"
    with path.open("wb") as file:  # sparse: it takes a few kB
        file.seek(far)
        file.write(text)
    size_bytes = far + len(text)
    block = far // BLOCK_BYTES
    sums = np.zeros(-(-size_bytes // BLOCK_BYTES), "<u4")
    sums[block] = zlib.crc32(bytes(far - block * BLOCK_BYTES) + text)
    mapped = BlockFile(path, size_bytes, sums)
    offsets = Column(np.array([0, far, far + len(text)], np.int64))
    column = Text(offsets, Column(mapped.bytes, mapped))

    assert bytes(column.run(1, 2)) == text
    assert [bytes(piece) for piece in column.pieces(np.array([1]))] == [text]
    with pytest.raises(SnapshotDamagedError, match="huge is damaged in the block at byte 0"):
        column.run(0, 1)


@pytest.mark.parametrize("damaged", range(6))
def test_every_block_below_a_range_is_checked(tmp_path: Path, damaged: int) -> None:
    """Ranges within a block, over an edge and over many blocks are refused exactly when one of their blocks is bad."""
    path = tmp_path / "blocks"
    path.write_bytes(bytes(5 * BLOCK_BYTES + 100))
    sums = np.concatenate(list(block_sums(path)))
    sums[damaged] ^= 1
    edge = 2 * BLOCK_BYTES
    ranges = {
        (0, 1): {0},
        (edge - 1, edge): {1},
        (edge - 1, edge + 1): {1, 2},
        (edge, edge + BLOCK_BYTES): {2},
        (5, 4 * BLOCK_BYTES + 1): {0, 1, 2, 3, 4},
        (5 * BLOCK_BYTES - 1, 5 * BLOCK_BYTES + 100): {4, 5},
    }
    for (begin, end), blocks in ranges.items():
        for alone in (True, False):
            file = BlockFile(path, 5 * BLOCK_BYTES + 100, sums)
            try:
                if alone:
                    file.check(begin, end)
                else:
                    file.check_ranges(np.array([begin, begin]), np.array([begin + 1, end]))
            except SnapshotDamagedError:
                assert damaged in blocks, (begin, end)
            else:
                assert damaged not in blocks, (begin, end)


def test_a_segment_beyond_two_gigabytes_is_framed_by_arrow(tmp_path: Path) -> None:
    """Columns that take more than 2 and 4 GB have 64-bit places in a file that Arrow itself opens."""
    text_bytes = {"emotion": 40, "source": 3 << 30, "json": 5 << 30}
    path = tmp_path / "huge.arrow"

    places = write_frame(path, Totals(rows=10, text_bytes=text_bytes, nulls={"emotion": 3}))

    assert path.stat().st_size > 8 << 30 and path.stat().st_blocks < 1_000, "it is sparse until it is filled"
    spans = sorted((place.offset_bytes, place.offset_bytes + place.size_bytes) for place in places.values())
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert {name: places[name].size_bytes for name in text_bytes} == text_bytes
    assert max(end for _, end in spans) > 8 << 30
    assert all(begin % 8 == 0 for begin, _ in spans)
    with pa.memory_map(str(path)) as file:
        assert pa.ipc.open_file(file).get_batch(0).num_rows == 10


def test_a_file_of_another_length_is_refused_before_it_is_mapped(tmp_path: Path) -> None:
    """Reading behind the end of a mapped file kills the process, so the length is compared first."""
    path = tmp_path / "short"
    path.write_bytes(b"1234")

    with pytest.raises(SnapshotDamagedError, match="short has 4 bytes instead of 5"):
        map_file(path, 5)


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


def test_a_row_of_any_length_is_served(tmp_path: Path) -> None:
    """A row that is longer than many blocks, and one of a single character, come back whole beside each other."""
    long = "x☕" * (100 * BLOCK_BYTES)
    store = published(tmp_path, [row(1, content="a"), row(2, content=long), row(3, content="b")])

    again = open_store(tmp_path).view

    for view in (store.view, again):
        assert [example.content for example in examples_of(view)] == ["a", long, "b"]
        assert [len(example.content) for example in view.pick([1, 2, 3], Filters()).values()] == [1, len(long), 1]


def test_an_empty_snapshot_is_published(tmp_path: Path) -> None:
    """A home without rows has a snapshot too: a reader finds no rows, not no snapshot."""
    store = open_store(tmp_path)

    assert store.publish() and not store.merge()

    view = open_current(tmp_path).view
    assert (view.epoch, view.rows, ids_of(view)) == (0, 0, [])
    assert view.nearest(np.ones(DIM), 3) == [] and view.get(1) is None
