"""The archive's Parquet files: derived from the catalog, made right again whatever became of them."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from catalog_contract import archive, numbered, row
from mcai import failpoints
from mcai.errors import FatalStoreError
from mcai.filters import Filters
from mcai.store.duck import DuckCatalog
from mcai.upkeep.archive_files import ArchiveFiles, files_in, path_of

STEP_BYTES = 23


@pytest.fixture
def catalog(tmp_path: Path) -> DuckCatalog:
    return DuckCatalog.open(None)


@pytest.fixture
def files(catalog: DuckCatalog, tmp_path: Path) -> ArchiveFiles:
    return ArchiveFiles(catalog, tmp_path)


def _held(folder: Path) -> dict[int, list[int]]:
    return {epoch: pq.read_table(path)["id"].to_pylist() for epoch, path in files_in(folder).items()}


def _move(catalog: DuckCatalog) -> None:
    """Epoch 2 archives 1, 2 and 3; epoch 3 archives 5."""
    catalog.add([row("dated", created_at="2024-05-06T07:08:09.000010Z", metadata={"k": [1]}), *numbered(5)])
    archive(catalog, [3, 1, 2])
    archive(catalog, [5])


def test_each_epoch_has_its_file_with_the_columns_of_an_export(
    catalog: DuckCatalog, files: ArchiveFiles, tmp_path: Path
) -> None:
    """The rows stand in id order, as the archive shows them."""
    _move(catalog)

    done = files.reconcile()

    assert (done.written, done.removed) == (2, 0) and _held(tmp_path) == {2: [1, 2, 3], 3: [5]}
    first = pq.read_table(path_of(tmp_path, 2)).to_pylist()[0]
    shown = catalog.page(Filters(), after_id=0, limit=1, epoch=catalog.epoch, archived=True)[0]
    assert first["metadata"] == '{"k":[1]}' and first["created_at"] == "2024-05-06T07:08:09.000010Z"
    assert {name: first[name] for name in first if name != "metadata"} == {
        name: getattr(shown, name) for name in first if name != "metadata"
    }


def test_files_follow_what_becomes_of_the_rows(catalog: DuckCatalog, files: ArchiveFiles, tmp_path: Path) -> None:
    """Restored, deleted and forgotten rows leave their file, and an empty file goes."""
    _move(catalog)
    files.reconcile()

    catalog.restore_archived([1], Filters())
    files.reconcile()
    assert _held(tmp_path) == {2: [2, 3], 3: [5]}

    catalog.delete([5])
    catalog.forget([3])
    done = files.reconcile()
    assert _held(tmp_path) == {2: [2]} and (done.written, done.removed) == (1, 1)


def test_rows_archived_again_by_a_rollback_are_in_its_own_file(
    catalog: DuckCatalog, files: ArchiveFiles, tmp_path: Path
) -> None:
    """The files of a rolled-back state hold what that state had archived."""
    _move(catalog)
    catalog.restore_archived(None, Filters())
    files.reconcile()
    assert _held(tmp_path) == {}

    back = catalog.rollback(3, None)

    files.reconcile()
    assert _held(tmp_path) == {back.epoch: [1, 2, 3, 5]}


def test_nothing_is_written_twice(catalog: DuckCatalog, files: ArchiveFiles, tmp_path: Path) -> None:
    """Another round, of this process or of the next, leaves right files alone."""
    _move(catalog)
    files.reconcile()
    before = {path: path.stat().st_ino for path in tmp_path.iterdir()}

    for each in (files, ArchiveFiles(catalog, tmp_path)):
        assert each.reconcile().written == 0
    assert {path: path.stat().st_ino for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("damage", ["missing", "empty", "foreign", "folder gone", "another history"])
def test_next_start_makes_right_what_is_not(
    catalog: DuckCatalog, files: ArchiveFiles, tmp_path: Path, damage: str
) -> None:
    """Whatever became of a file meanwhile: it is derived."""
    _move(catalog)
    files.reconcile()
    path = path_of(tmp_path, 2)
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "foreign":
            path_of(tmp_path, 3).rename(path)
        case "folder gone":
            for each in tmp_path.iterdir():
                each.unlink()
            tmp_path.rmdir()
        case _:
            catalog.engine.set_meta("timeline", "another")

    ArchiveFiles(catalog, tmp_path).reconcile()

    assert _held(tmp_path) == {2: [1, 2, 3], 3: [5]}
    assert ArchiveFiles(catalog, tmp_path).differing() == []


def test_flipped_byte_is_found_or_changes_nothing(catalog: DuckCatalog, files: ArchiveFiles, tmp_path: Path) -> None:
    """Wherever damage is, a doctor sees it, unless the file still says exactly what it should."""
    _move(catalog)
    files.reconcile()
    path = path_of(tmp_path, 2)
    content, table = path.read_bytes(), pq.read_table(path)
    unseen = 0
    for at in range(0, len(content), STEP_BYTES):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        if not files.differing():
            unseen += 1
            assert pq.read_table(path).equals(table)

    assert unseen < len(content) / STEP_BYTES / 2


def test_crash_leaves_the_old_file_or_none(
    catalog: DuckCatalog, files: ArchiveFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is there whole or not at all, and what is left over of it goes."""
    _move(catalog)
    failpoints.arm({"MCAI_FAILPOINT": "rotate.parquet:2:fatal"})
    try:
        with pytest.raises(FatalStoreError):
            files.reconcile()
    finally:
        failpoints.arm({})
    assert _held(tmp_path) == {2: [1, 2, 3]}
    (tmp_path / "0000000000000009.parquet.tmp").write_bytes(b"half")

    files.reconcile()

    assert _held(tmp_path) == {2: [1, 2, 3], 3: [5]} and len(list(tmp_path.iterdir())) == 2
