"""Finds the dataset files below what the user named. It reads no content, except to tell what an odd name holds.

Symbolic links inside a folder are not followed, so there can be no loop: what such a link points to is read under its
own name when it lies in a folder that was named too, and is reported otherwise.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from msgspec import Struct

from mcai.errors import PathNotFoundError, UnreadableFileError
from mcai.formats.model import STDIN_PATH, FileProblem, Kind, SourceFile
from mcai.formats.opening import explain_os_error, not_a_file, open_regular
from mcai.formats.sniff import HEAD_BYTES, kind_of

KINDS: dict[str, Kind] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".parquet": "parquet",
}
_KINDS_SHOWN = ", ".join(KINDS)


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
    named = [_Named(path, os.path.realpath(path)) for path in paths]
    for each in named:
        if each.given != STDIN_PATH and not os.path.lexists(each.real):
            raise PathNotFoundError(f"{shown(each.given)}: no such file or folder")
    return _walk_all(named)


class _Named(Struct, frozen=True):
    given: str
    real: str


def _walk_all(named: Sequence[_Named]) -> Iterator[SourceFile | FileProblem]:
    roots = tuple(each.real for each in named if each.given != STDIN_PATH)
    seen: set[str] = set()
    for each in named:
        if each.given == STDIN_PATH:
            found: Iterator[SourceFile | FileProblem] = iter((SourceFile(STDIN_PATH, STDIN_PATH, None, None),))
        elif PurePath(each.real).is_absolute() and _is_folder(each.real):
            found = _walk(each.real, roots)
        else:
            found = iter((_named_file(each.real),))
        for one in found:
            key = one.os_path if isinstance(one, SourceFile) else f"{one.path}\0{one.reason}"
            if key not in seen:
                seen.add(key)
                yield one


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False


def _named_file(path: str) -> SourceFile | FileProblem:
    """A file that the user named: whatever its name, its content may say what it is."""
    try:
        status = os.stat(path)
    except OSError as error:
        return FileProblem(shown(path), explain_os_error(error), "unreadable")
    kind = not_a_file(status.st_mode)
    if kind is not None:
        return FileProblem(shown(path), f"{kind}, not a file", "unreadable")
    named = KINDS.get(os.path.splitext(path)[1].lower())
    if named is None and status.st_size > 0:
        try:
            named = kind_of(open_regular(path).read_at(0, HEAD_BYTES), None)
        except UnreadableFileError as error:
            return FileProblem(shown(path), error.message, "unreadable")
    if named is None:
        reason = f"of no kind that mcai reads ({_KINDS_SHOWN}), by its name or by its content"
        return FileProblem(shown(path), reason, "unsupported")
    return SourceFile(shown(path), path, named, status.st_size)


def _walk(folder: str, roots: tuple[str, ...]) -> Iterator[SourceFile | FileProblem]:
    """Yield what lies below a folder, depth first, without recursion: folders may nest as deep as they like."""
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        name = os.path.basename(path)
        try:
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode):
                if name.startswith(".") and path != folder:
                    yield FileProblem(shown(path), "hidden folder, not read: name it to import it", "skipped")
                    continue
                with os.scandir(path) as entries:
                    waiting += sorted((entry.path for entry in entries), key=os.fsencode, reverse=True)
                continue
        except OSError as error:
            yield FileProblem(shown(path), explain_os_error(error), "unreadable")
            continue
        found = _entry(path, name, status, roots)
        if found is not None:
            yield found


def _entry(path: str, name: str, status: os.stat_result, roots: tuple[str, ...]) -> SourceFile | FileProblem | None:
    kind = KINDS.get(os.path.splitext(name)[1].lower())
    if stat.S_ISLNK(status.st_mode):
        return _link(path, kind, roots)
    if kind is None:
        return FileProblem(shown(path), f"no dataset by its name ({_KINDS_SHOWN})", "skipped")
    if name.startswith("."):
        return FileProblem(shown(path), "hidden file, not read: name it to import it", "skipped")
    other = not_a_file(status.st_mode)
    if other is not None:
        return FileProblem(shown(path), f"{other}, not a file", "unreadable")
    return SourceFile(shown(path), path, kind, status.st_size)


def _link(path: str, kind: Kind | None, roots: tuple[str, ...]) -> FileProblem | None:
    target = os.path.realpath(path)
    if not os.path.exists(target):
        return FileProblem(shown(path), f"symbolic link to {shown(target)}, which does not exist", "skipped")
    if any(target == root or target.startswith(root.rstrip("/") + "/") for root in roots):
        return None
    if kind is None and not os.path.isdir(target):
        return FileProblem(shown(path), f"no dataset by its name ({_KINDS_SHOWN})", "skipped")
    return FileProblem(
        shown(path), "symbolic link out of the folder, not followed: name its target to import it", "skipped"
    )
