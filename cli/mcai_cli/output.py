"""What reaches stdout and stderr: JSON for programs, plain words for people. Nothing here imports rich.

stdout carries results only. With ``--json`` that is exactly one document, or JSON lines for a stream; everything else
that a command has to say goes to stderr.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

# C0 without tab and line feed, DEL, C1, and the characters that reorder or hide text around them.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Make stored or typed text safe to show: no control character reaches the terminal, line breaks are line feeds."""
    return encodable(_CONTROLS.sub("", _LINE_ENDS.sub("\n", text)))


def one_line(text: str) -> str:
    """Return `clean` text with all white space as single blanks."""
    return " ".join(clean(text).split())


def counted(count: int, noun: str) -> str:
    """Return ``1 hit``, ``2 hits``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def encodable(text: str) -> str:
    """Replace what neither UTF-8 nor JSON can carry: lone surrogates."""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


def unicode_path(path: str | os.PathLike[str]) -> str:
    """Return a path as JSON can carry it: bytes of a file name that are no UTF-8 appear as ``\\udcNN``."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def print_json(document: Any) -> None:
    """Write the one document of a command to stdout, indented when a person is looking."""
    import msgspec

    raw = msgspec.json.encode(document)
    write_bytes((msgspec.json.format(raw, indent=2) if sys.stdout.isatty() else raw) + b"\n")


def print_json_line(document: Any) -> None:
    """Write one line of a JSON stream to stdout."""
    import msgspec

    write_bytes(msgspec.json.encode(document) + b"\n")


def write_text(text: str) -> None:
    """Write text for programs to stdout: always UTF-8, whatever the terminal's encoding, and nothing taken out."""
    write_bytes(text.encode("utf-8", "replace"))


def write_bytes(raw: bytes) -> None:
    """Write bytes to stdout, in order with the text that went there."""
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


def say(text: str) -> None:
    """Print a line for people to stdout; control characters are taken out."""
    sys.stdout.write(clean(text) + "\n")


def note(text: str) -> None:
    """Print a line to stderr: what a person should know and a program need not read."""
    sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()


def note_more(cursor: str | None) -> None:
    """Tell a person how to see what comes after a page; nothing when it was the last."""
    if cursor:
        note(f"more: the same command with --cursor {cursor}")


def print_error(code: str, message: str, hint: str, *, as_json: bool) -> None:
    """Say that a command failed: as the error document on stdout, or in words on stderr."""
    if as_json:
        try:
            print_json({"error": {"code": code, "message": encodable(message), "hint": encodable(hint)}})
            return
        except OSError:
            pass  # stdout itself is what failed: said on stderr instead
    note(f"mcai: {message}")
    if hint:
        note(f"  {hint}")
