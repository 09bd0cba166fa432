"""Opens dataset files without being tricked: regular files only, at once, and always as UTF-8.

What cannot be read at any offset (stdin) or is not UTF-8 (UTF-16 with a byte order mark) goes through a temporary file
that has no name, so that every reader sees the same thing: bytes of UTF-8 at offsets.
"""

from __future__ import annotations

import codecs
import os
import stat
import sys
from typing import BinaryIO

from mcai.errors import UnreadableFileError
from mcai.formats.model import STDIN_PATH, OpenFile, SourceFile

UTF8_BOM = codecs.BOM_UTF8
_BLOCK_BYTES = 1 << 20
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_KIND_NAMES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


def not_a_file(mode: int) -> str | None:
    """Return what a thing is when it is no regular file, for example ``a named pipe (FIFO)``."""
    if stat.S_ISREG(mode):
        return None
    return next((name for is_kind, name in _KIND_NAMES if is_kind(mode)), "no regular file")


def explain_os_error(error: OSError) -> str:
    """Return the system's own words for a failure, in lower case: ``permission denied``."""
    return (error.strerror or str(error)).lower()


def open_regular(os_path: str) -> OpenFile:
    """Open a regular file for reading, never waiting for a writer on its other end.

    Raises:
        UnreadableFileError: it is gone, may not be read or is no regular file.
    """
    try:
        # Between the caller's look and this open the name may have become a FIFO: O_NONBLOCK returns all the same.
        descriptor = os.open(os_path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise UnreadableFileError(explain_os_error(error)) from error
    kind = not_a_file(os.fstat(descriptor).st_mode)
    if kind is not None:
        os.close(descriptor)
        raise UnreadableFileError(f"{kind}, not a file")
    return OpenFile(descriptor)


def open_source(file: SourceFile) -> OpenFile:
    """Open a dataset file, or stdin, as UTF-8 at offsets.

    Raises:
        UnreadableFileError: it cannot be opened, copied or decoded.
    """
    opened = _spool(sys.stdin.buffer) if file.path == STDIN_PATH else open_regular(file.os_path)
    head = opened.read_at(0, 4)
    for mark, encoding in _WIDE_MARKS:
        if head.startswith(mark):
            return _transcode(opened, encoding)
    if len(head) == 4 and head.count(0) >= 2 and head[0] | head[1]:
        raise UnreadableFileError("it looks like UTF-16 without a byte order mark: save it as UTF-8")
    return opened


def _temporary_file() -> int:
    import tempfile  # only here: most runs read files as they are

    with tempfile.TemporaryFile(buffering=0) as spool:
        return os.dup(spool.fileno())


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _spool(stream: BinaryIO) -> OpenFile:
    descriptor = _temporary_file()
    try:
        while block := stream.read(_BLOCK_BYTES):
            _write_all(descriptor, block)
    except OSError as error:
        os.close(descriptor)
        raise UnreadableFileError(f"it cannot be copied to the temp folder: {explain_os_error(error)}") from error
    return OpenFile(descriptor)


def _transcode(opened: OpenFile, encoding: str) -> OpenFile:
    decoder = codecs.getincrementaldecoder(encoding)()
    descriptor = _temporary_file()
    try:
        for offset in range(0, opened.size_bytes, _BLOCK_BYTES):
            block = opened.read_at(offset, _BLOCK_BYTES)
            _write_all(descriptor, decoder.decode(block).encode("utf-8"))
        _write_all(descriptor, decoder.decode(b"", final=True).encode("utf-8"))
    except UnicodeError as error:
        os.close(descriptor)
        raise UnreadableFileError(f"broken {encoding.upper()} ({error}): save it as UTF-8") from error
    except OSError as error:
        os.close(descriptor)
        raise UnreadableFileError(f"it cannot be copied to the temp folder: {explain_os_error(error)}") from error
    return OpenFile(descriptor)
