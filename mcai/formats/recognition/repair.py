"""Repairs two kinds of damage, only when it is certain: UTF-8 read as something else, and ``\\n`` left as text.

Identity stays with the text as it was read (`identity.TEXT_AS_READ`). Both repairs are idempotent: what they return
shows none of the signs that they look for. Whoever is in doubt changes nothing.
"""

from __future__ import annotations

import re
from typing import Any

from mcai.formats.damage import BREAK, MISREAD
from mcai.identity import TEXT_AS_READ
from mcai.records import MAX_RECORD_BYTES

_MISREAD_AS = frozenset({"latin-1", "sloppy-windows-1252", "macroman"})
# Who writes about damaged text quotes it on purpose.
_ABOUT_ENCODINGS = re.compile(r"mojibake|encod|charset|utf-?8|unicode|latin-?1|1252|macroman|iso-?8859", re.IGNORECASE)

# Signs that a backslash-n is meant as such: another escape, a path, a regular expression, TeX, or a remark about it.
_MEANT = re.compile(
    r"""
      \\[^n]                                    # another escape or a path: the text speaks of backslashes
    | (?<![A-Za-z0-9_])[A-Za-z]:\\n[^\s\\]      # C:\new
    | \\n(?:[+?|]|\*(?![*\s])|\{\d)           # a quantifier
    | [\[(|^?]\\n(?!\x20\x20|\\n|[A-Z0-9*]) | \\n[\]|](?=[+*?{|\])])  # a class or a group of a regular expression
    | \\n(?:abla|eq|u|e|i|ot|ewline|ewcommand|oindent|leq|geq|ewpage|earrow|otin|ormalsize|ewtheorem)(?![A-Za-z])
    | \[[^\]\s]{0,40}-[^\]\s]{0,40}\]\\n                  # after a class: [a-z]\n
    | (?:^|(?<=\S\s))(?:\\n)+(?!\\n|\x20\x20)(?=[ .,;:!?)]|$)  # a word of its own: "use \n to break a line"
    | \\n[.,;:!?'"`](?!`)                       # the end of a quotation or of a sentence about it
    """,
    re.VERBOSE,
)
# Signs that a line breaks there: an empty line, an indent, a list, a fence, or the end of a sentence before a new one.
_BROKEN = re.compile(
    r"""
      \\n\\n
    | \\n\x20\x20 | [:{;]\\n\x20
    | \\n(?:[-*•+]\x20|\*\*|\d{1,2}[.)]\x20|\#{1,6}\x20|```|[├└│])
    | ```[A-Za-z0-9+#]*\\n
    | [.!?:;,)\]}"'\u201d\u2019]\\n(?=[A-Z0-9"'“(\[{<•*_])
    | [)\]:{};,]\\n(?=[a-z_@#/}])
    | >\\n<
    | [a-z]\\n(?=[A-Z][A-Za-z]*[\x20:])
    | (?:^|\\n)(?:import|from|def|class|return|for|while|if|print|const|let|var|function|SELECT|FROM)\b[^\\]*\\n
    """,
    re.VERBOSE,
)
_ABOUT_BREAKS = re.compile(
    r"new-?line|line[ -]?(?:break|feed)|backslash|escape|regex|regular expression", re.IGNORECASE
)
_QUOTE = re.compile(r"""\\n|(?<!\w)[fbruFBRU]{0,2}'|'(?!\w)|"|`+""")


def repair(content: str, response: str | None, metadata: dict[str, Any]) -> tuple[str, str | None]:
    """Repair both texts of a record.

    Args:
        content: as read.
        response: as read.
        metadata: gets the texts as read, of those that were repaired; a record that has such an entry is left alone.

    Returns:
        Both texts, each repaired or as it was.
    """
    if TEXT_AS_READ in metadata or _is_too_much(content, response):
        return content, response
    repaired = {"content": repair_text(content), "response": response if response is None else repair_text(response)}
    as_read = {"content": content, "response": response}
    changed = {name: text for name, text in as_read.items() if text is not None and repaired[name] != text}
    if not changed:
        return content, response
    metadata[TEXT_AS_READ] = changed
    return repaired["content"] or content, repaired["response"]


def _is_too_much(content: str, response: str | None) -> bool:
    """A record that carries its texts twice must stay within its limit; and what is longer is no damaged sentence."""
    return 4 * (len(content) + len(response or "")) > MAX_RECORD_BYTES // 2


def repair_text(text: str) -> str:
    """Return a text with what is certainly damaged put right; any other text as it is."""
    return _repair_breaks(_repair_encoding(text))


def _repair_encoding(text: str) -> str:
    if text.isascii() or not MISREAD.search(text) or _ABOUT_ENCODINGS.search(text):
        return text
    import ftfy  # only here: it takes as long to load as the rest of the command line

    fixed, steps = ftfy.fix_encoding_and_explain(text)
    if fixed == text or not steps:
        return text
    codecs = [step.parameter for step in steps if step.action == "encode"]
    if any(step.action not in ("encode", "decode") for step in steps) or not _MISREAD_AS.issuperset(codecs):
        return text
    return fixed if _misread(fixed, codecs) == text and "\0" not in fixed else text


def _misread(text: str, codecs: list[str]) -> str | None:
    """Damage a repaired text again, the same way: only if that gives the text as read was the repair right."""
    for codec in reversed(codecs):
        try:
            text = text.encode("utf-8").decode(codec)
        except UnicodeError:
            return None
    return text


def _repair_breaks(text: str) -> str:
    if BREAK not in text or "\n" in text:
        return text
    body = text.removesuffix("\\")  # what some tools leave where they cut a text at an escaped quote
    if not _BROKEN.search(body) or _MEANT.search(body) or _ABOUT_BREAKS.search(body) or _is_quoted(body):
        return text
    return body.replace(BREAK, "\n") + text[len(body) :]


def _is_quoted(text: str) -> bool:
    """Tell whether some backslash-n stands between quotes that open on its own line: there it means itself."""
    open_quote = ""
    for found in _QUOTE.finditer(text):
        token = found[0]
        if token == BREAK:
            if open_quote:
                return True
        elif token.startswith("```"):
            continue
        elif not open_quote:
            open_quote = token.lstrip("fbruFBRU")
        elif token == open_quote:
            open_quote = ""
    return False
