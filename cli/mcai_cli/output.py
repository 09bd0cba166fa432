"""What reaches stdout and stderr: JSON for programs, plain words for people. Nothing here imports rich.

stdout carries results only. With ``--json`` that is exactly one document, or JSON lines for a stream; everything else
that a command has to say goes to stderr.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Any

from mcai.words import shortened

# C0 without tab and line feed, DEL, C1, and the characters that reorder the text around them, or do not show. Joiners
# (U+200C, U+200D) are none of these: they shape Persian words and emoji.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Make stored or typed text safe to show: control characters appear as escapes, line breaks are line feeds."""
    return encodable(_CONTROLS.sub(_escape, _LINE_ENDS.sub("\n", text)))


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def shell_word(text: str) -> str:
    """Return a text as a word of a command line that can be copied from a terminal: what does not show is escaped."""
    if clean(text) == text and text.isprintable():
        return shlex.quote(text)
    plain = "".join(each if each.isprintable() else _escaped_bytes(each) for each in re.sub(r"([\\'])", r"\\\1", text))
    return f"$'{plain}'"


def _escaped_bytes(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode("utf-8", "replace"))


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
    write_bytes((_for_eyes(msgspec.json.format(raw, indent=2)) if sys.stdout.isatty() else raw) + b"\n")


def print_json_line(document: Any) -> None:
    """Write one line of a JSON stream to stdout."""
    import msgspec

    raw = msgspec.json.encode(document)
    write_bytes((_for_eyes(raw) if sys.stdout.isatty() else raw) + b"\n")


def _for_eyes(json: bytes) -> bytes:
    """Return the same JSON with what a terminal would act on as escapes."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match.group()):04x}", json.decode()).encode()


def write_text(text: str) -> None:
    """Write text for programs to stdout: always UTF-8, whatever the terminal's encoding, and nothing taken out."""
    write_bytes(text.encode("utf-8", "replace"))


def write_bytes(raw: bytes) -> None:
    """Write bytes to stdout, in order with the text that went there."""
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


def say(text: str) -> None:
    """Print a line for people to stdout; see `clean`."""
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
    message, hint = shortened(message), shortened(hint)
    if as_json:
        try:
            print_json({"error": {"code": code, "message": encodable(message), "hint": encodable(hint)}})
            return
        except OSError:
            pass  # stdout itself is what failed: said on stderr instead
    note(f"mcai: {message}")
    if hint:
        note(f"  {hint}")
