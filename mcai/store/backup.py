"""A backup: a folder with a copy of the catalog, the journal that led there, and a manifest with the hash of each file.

The daily base copies in the home are backups too, without a journal: a damaged catalog is repaired from the newest one
and the home's own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

import msgspec
import structlog
from msgspec import Struct

from mcai import __version__, failpoints, stopping, times
from mcai.errors import (
    NO_JSON,
    BackupDamagedError,
    ConflictError,
    NotFoundError,
    SchemaVersionError,
    StoreUnavailableError,
)
from mcai.files import open_regular, read_errors, read_small, sync_folder, write_errors, write_whole
from mcai.store.base import Catalog, CopyFacts
from mcai.store.copies import copy_tree
from mcai.store.duck.connection import SCHEMA_VERSION

log = structlog.get_logger("backup")

FORMAT = 1
MANIFEST = "manifest.json"
CATALOG = "catalog.duckdb"
JOURNAL = "journal"
BASE_PREFIX = "base-"
MAKING_PREFIX = "making-"
"""A backup is made in a folder of such a name, beside where it is to be."""
REWRITING = ".rewriting"
"""A folder among the backups: there they are written anew, and lie until the new ones are in place."""
_CHUNK_BYTES = 1 << 20


class BackupFile(Struct, frozen=True):
    """One file of a backup."""

    path: str
    """Below the backup's folder."""
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True):
    """What a backup holds; written last, so a folder without one is no backup."""

    mcai_backup: int
    version: str
    made_at: str
    epoch: int
    rows: int
    """Live and archived examples."""
    timeline: str
    chain: str
    schema_version: int
    files: list[BackupFile]


_decode_manifest = msgspec.json.Decoder(Manifest).decode  # made once, before there are threads: see mcai.records


def make(catalog: Catalog, target: Path, others: Iterable[Path] = ()) -> Manifest:
    """Write a backup while the catalog serves.

    Args:
        catalog: copied as it is at one epoch.
        target: does not exist: then it is there whole or not at all. Or an empty folder, a disk's own perhaps: then
            its manifest comes last.
        others: folders and files of the home that go along under their own names. What the journal among them holds
            beyond the catalog's epoch does no harm.

    Raises:
        ConflictError: the target is there and not empty.
        StoreFullError: no room; what was written is removed.
        StoreError: the target cannot be written.
    """
    if os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
        raise ConflictError(f"{target} is not empty", hint="Name a new folder for each backup.")
    with write_errors(target):
        if target.exists():
            return fill(catalog, target, others)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The folder's own name, shortened: it shows whose a left-over is, and the whole must be a name too.
        unfinished = target.with_name(f"{MAKING_PREFIX}{token_hex(4)}-{target.name[:50]}")
        unfinished.mkdir(mode=0o700)
        try:
            manifest = fill(catalog, unfinished, others)
            unfinished.rename(target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        sync_folder(target.parent)
        return manifest


def fill(catalog: Catalog, folder: Path, others: Iterable[Path] = ()) -> Manifest:
    """Write a backup into an empty folder; it is empty again when that fails.

    Raises:
        StoreFullError, OSError: as `make`.
    """
    try:
        facts = catalog.copy_to(folder / CATALOG)
        failpoints.hit("backup.copied")
        for source in others:
            copy_tree(source.resolve(), folder / source.name)  # a folder of the home may be a link to another disk
        return seal(folder, facts)
    except BaseException:
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise


def seal(target: Path, facts: CopyFacts, *, made_at: str | None = None) -> Manifest:
    """Write the manifest of a folder that holds all else: from now on it is a backup.

    Args:
        target: any manifest that is there is replaced.
        facts: of its catalog.
        made_at: when the copy was made; now.

    Raises:
        OSError: it cannot be written.
    """
    paths = [path for path in sorted(target.rglob("*")) if path.is_file() and path != target / MANIFEST]
    manifest = Manifest(
        mcai_backup=FORMAT,
        version=__version__,
        made_at=made_at or times.show(times.now()),
        epoch=facts.epoch,
        rows=facts.rows,
        timeline=facts.timeline,
        chain=facts.chain.hex(),
        schema_version=facts.schema_version,
        files=[BackupFile(str(path.relative_to(target)), *_digest(path, sync=True)) for path in paths],
    )
    for folder in {path.parent for path in paths}:
        sync_folder(folder)
    failpoints.hit("backup.manifest")
    write_whole(target / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def _digest(path: Path, *, sync: bool = False) -> tuple[int, str]:
    """Return size and hash of a file, and make sure that it is on the disk when that is asked for."""
    digest, size_bytes = sha256(), 0
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            stopping.check()
            digest.update(chunk)
            size_bytes += len(chunk)
        if sync:
            os.fsync(file.fileno())
    return size_bytes, digest.hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Read what a backup says of itself.

    Raises:
        NotFoundError: there is no such folder.
        BackupDamagedError: it is no backup, or its manifest is damaged.
        SchemaVersionError: a newer mcai made it.
        StoreUnavailableError: the system does not let it be read, now or by this user.
    """
    if not folder.is_dir():
        raise NotFoundError(f"{folder} is no folder", hint="Name the folder that mcai backup wrote.")
    try:
        with read_errors(folder / MANIFEST, BackupDamagedError):
            raw = read_small(folder / MANIFEST)
    except BackupDamagedError as error:
        raise BackupDamagedError(f"{folder} is no finished backup: {error.message}") from error
    try:
        format_of = msgspec.json.decode(raw).get("mcai_backup")
        if isinstance(format_of, int) and format_of > FORMAT:
            raise SchemaVersionError(f"{folder} was written by a newer mcai (backup format {format_of})")
        manifest = _decode_manifest(raw)
    except (*NO_JSON, AttributeError) as error:
        raise BackupDamagedError(f"{folder / MANIFEST} is damaged") from error
    if (odd := _what_is_odd(manifest)) is not None:
        raise BackupDamagedError(f"{folder / MANIFEST} is damaged: {odd}")
    if manifest.schema_version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"{folder} has schema {manifest.schema_version}, this mcai knows up to {SCHEMA_VERSION}"
        )
    return manifest


def _what_is_odd(manifest: Manifest) -> str | None:
    """Say what in a manifest no mcai has written; None when all may be true."""
    if manifest.mcai_backup != FORMAT:
        return f"there is no backup format {manifest.mcai_backup}"
    if min(manifest.epoch, manifest.rows, manifest.schema_version, *(each.bytes for each in manifest.files)) < 0:
        return "a number is below 0"
    try:
        bytes.fromhex(manifest.chain)
    except ValueError:
        return f"the chain {manifest.chain[:80]!r} is no hash"
    outside = [each.path for each in manifest.files if not _is_below(each.path)]
    return f"it names a file outside: {outside[0][:80]!r}" if outside else None


def _is_below(path: str) -> bool:
    """Tell whether a path, as a manifest has it, can be one below the manifest's folder."""
    return "\0" not in path and not path.startswith("/") and ".." not in path.split("/")


def facts_of(manifest: Manifest) -> CopyFacts:
    """Return what a manifest says of its catalog."""
    chain = bytes.fromhex(manifest.chain)
    return CopyFacts(manifest.epoch, manifest.rows, manifest.timeline, chain, manifest.schema_version)


def check(folder: Path) -> Manifest:
    """Read a backup's manifest and compare every file with it.

    Raises:
        BackupDamagedError: naming the first file that is missing or differs.
        NotFoundError, SchemaVersionError, StoreUnavailableError: as `read_manifest`.
    """
    manifest = read_manifest(folder)
    if CATALOG not in {each.path for each in manifest.files}:
        raise BackupDamagedError(f"{folder / MANIFEST} names no {CATALOG}")
    for each in manifest.files:
        path = folder / each.path
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BackupDamagedError(f"{folder / MANIFEST} names a file outside: {each.path[:80]}")
        with read_errors(path, BackupDamagedError):
            same = _digest(path) == (each.bytes, each.sha256)
        if not same:
            raise BackupDamagedError(f"{path} differs from what the manifest says")
    return manifest


def is_sound(folder: Path) -> bool:
    """Tell whether a backup is whole.

    Raises:
        StoreUnavailableError: nobody can tell now.
    """
    try:
        check(folder)
    except (NotFoundError, BackupDamagedError, SchemaVersionError) as error:
        log.error("a backup cannot be used", path=str(folder), reason=error.message)
        return False
    return True


def found_in(folder: Path, prefix: str = "", *, readable_only: bool = False) -> list[tuple[Path, Manifest]]:
    """Return the backups right below a folder, newest first; what is none is passed over.

    Epochs are no order: those of another timeline may be higher.

    Raises:
        StoreUnavailableError: one of them cannot be read now, and not ``readable_only``.
    """
    unreadable = (StoreUnavailableError,) if readable_only else ()
    found: list[tuple[Path, Manifest]] = []
    for path in sorted(set(folder.glob(f"{prefix}*")) - {folder / REWRITING}):
        with contextlib.suppress(NotFoundError, BackupDamagedError, SchemaVersionError, *unreadable):
            found.append((path, read_manifest(path)))
    return sorted(found, key=lambda each: (each[1].made_at, each[1].epoch), reverse=True)
