"""The files of a snapshot: Arrow's own readers open them, offsets hold beyond 2 GB, and nothing is left lying about."""

from __future__ import annotations

import itertools
import subprocess
import sys
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from mcai.errors import SnapshotDamagedError
from mcai.filters import Filters
from mcai.snapshot.blocks import BLOCK_BYTES, BlockFile, Column, block_sums, map_file
from mcai.snapshot.frame import Totals, write_frame
from mcai.snapshot.generation import open_current
from mcai.snapshot.manifest import FIXED, NO_TIME
from mcai.snapshot.segment import Text
from snapshot_kit import DIM, ROWS, examples_of, only_file, open_store, published, row, vectors_of


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


def test_a_row_of_any_length_is_served(tmp_path: Path) -> None:
    """A row that is longer than many blocks, and one of a single character, come back whole beside each other."""
    long = "x☕" * (100 * BLOCK_BYTES)
    store = published(tmp_path, [row(1, content="a"), row(2, content=long), row(3, content="b")])

    again = open_store(tmp_path).view

    for view in (store.view, again):
        assert [example.content for example in examples_of(view)] == ["a", long, "b"]
        assert [len(example.content) for example in view.pick([1, 2, 3], Filters()).values()] == [1, len(long), 1]
