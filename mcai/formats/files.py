"""Finds the dataset files below what the user named. It reads no content, except to tell what an odd name holds.

Symbolic links inside a folder are not followed, so there can be no loop: what such a link points to is read under its
own name when it lies in a folder that was named too, and is reported otherwise.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from mcai.errors import PathNotFoundError, UnreadableFileError
from mcai.formats.model import STDIN_PATH, FileProblem, Kind, SourceFile
from mcai.formats.readers.opening import explain_os_error, not_a_file, open_regular
from mcai.formats.readers.sniff import HEAD_BYTES, kind_of

KINDS: dict[str, Kind] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".parquet": "parquet",
}
_NO_DATASET = f"no dataset by its name ({', '.join(KINDS)})"
_NO_KIND = f"of no kind that mcai reads ({', '.join(KINDS)}), neither by its name nor by its content"
_LEADS_OUT = "symbolic link out of the folder, not followed: name its target to import it"


def shown(os_path: str) -> str:
    """Return a path that can be printed and stored: undecodable bytes appear as ``\\udcXX``."""
    return os_path.encode("utf-8", "backslashreplace").decode("utf-8")


def find_files(paths: Sequence[str]) -> Iterator[SourceFile | FileProblem]:
    """Walk files and folders in the order named, each folder sorted by name.

    Args:
        paths: files, folders, or ``-`` for stdin. The same real file is yielded once, however often it is reached.

    Raises:
        PathNotFoundError: one of them does not exist; raised by the call itself, before anything is read.
    """
    named = [path if path == STDIN_PATH else os.path.realpath(path) for path in paths]
    for given, real in zip(paths, named, strict=True):
        if given != STDIN_PATH and _is_missing(real):
            raise PathNotFoundError(f"{shown(given)}: no such file or folder")
    return _walk_all(named)


def _is_missing(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # it may exist: the walk will say why it cannot be read
    return False


def _walk_all(named: Sequence[str]) -> Iterator[SourceFile | FileProblem]:
    roots = tuple(path for path in named if path != STDIN_PATH)
    seen: set[str] = set()
    for path in named:
        for found in _below(path, roots):
            key = found.os_path if isinstance(found, SourceFile) else f"{found.path}\0{found.reason}"
            if key not in seen:
                seen.add(key)
                yield found


def _below(path: str, roots: tuple[str, ...]) -> Iterator[SourceFile | FileProblem]:
    if path == STDIN_PATH:
        return iter((SourceFile(STDIN_PATH, STDIN_PATH, None, None),))
    try:
        status = os.lstat(path)
    except OSError as error:
        return iter((FileProblem(shown(path), explain_os_error(error), "unreadable"),))
    if stat.S_ISDIR(status.st_mode):
        return _walk(path, roots)
    return iter((_named_file(path, status),))


def _named_file(path: str, status: os.stat_result) -> SourceFile | FileProblem:
    """A file that the user named: whatever its name, its content may say what it is."""
    other = not_a_file(status.st_mode)
    if other is not None:
        return FileProblem(shown(path), f"{other}, not a file", "unreadable")
    kind = KINDS.get(PurePath(path).suffix.lower())
    if kind is None:
        try:
            kind = kind_of(open_regular(path).read_at(0, HEAD_BYTES), None)
        except UnreadableFileError as error:
            return FileProblem(shown(path), error.message, "unreadable")
    if kind is None:
        return FileProblem(shown(path), _NO_KIND, "unsupported")
    return SourceFile(shown(path), path, kind, status.st_size)


def _walk(folder: str, roots: tuple[str, ...]) -> Iterator[SourceFile | FileProblem]:
    """Yield what lies below a folder, depth first, without recursion: folders may nest as deep as they like."""
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        try:
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode):
                if PurePath(path).name.startswith(".") and path != folder:
                    yield FileProblem(shown(path), "hidden folder, not read: name it to import it", "skipped")
                    continue
                with os.scandir(path) as entries:
                    waiting += sorted((entry.path for entry in entries), key=os.fsencode, reverse=True)
                continue
        except OSError as error:
            yield FileProblem(shown(path), explain_os_error(error), "unreadable")
            continue
        found = _entry(path, status, roots)
        if found is not None:
            yield found


def _entry(path: str, status: os.stat_result, roots: tuple[str, ...]) -> SourceFile | FileProblem | None:
    name = PurePath(path).name
    kind = KINDS.get(PurePath(path).suffix.lower())
    if stat.S_ISLNK(status.st_mode):
        return _link(path, kind, roots)
    if kind is None:
        return FileProblem(shown(path), _NO_DATASET, "skipped")
    if name.startswith("."):
        return FileProblem(shown(path), "hidden file, not read: name it to import it", "skipped")
    other = not_a_file(status.st_mode)
    if other is not None:
        return FileProblem(shown(path), f"{other}, not a file", "unreadable")
    return SourceFile(shown(path), path, kind, status.st_size)


def _link(path: str, kind: Kind | None, roots: tuple[str, ...]) -> FileProblem | None:
    target = Path(os.path.realpath(path))
    may_hold_records = kind is not None or target.is_dir()
    if _is_missing(str(target)):
        reason = f"symbolic link to {shown(str(target))}, which does not exist"
        return FileProblem(shown(path), reason, "unreadable" if may_hold_records else "skipped")
    if any(target.is_relative_to(root) for root in roots):
        return None
    if may_hold_records:
        return FileProblem(shown(path), _LEADS_OUT, "unreadable")
    return FileProblem(shown(path), _NO_DATASET, "skipped")
