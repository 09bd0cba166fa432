"""The labels of the text shape: which words begin a record, and which begin its answer.

A label counts at a line start only. The first label of a file decides the pair for the whole file, so that a line
``User:`` inside a ``Prompt:`` / ``Completion:`` answer never cuts it.
"""

from __future__ import annotations

import re

from msgspec import Struct

_ANSWERS = {
    "Prompt": ("Completion", "Response", "Answer", "Output"),
    "Question": ("Answer", "Response"),
    "Q": ("A",),
    "User": ("Assistant", "AI", "MC AI", "Bot"),
    "Human": ("Assistant", "AI", "Bot"),
    "Instruction": ("Output", "Response"),
    "Query": ("Response", "Answer"),
    "Input": ("Output",),
}
"""The word that begins a record -> the words that may begin its answer. Capitalised or all lower, nothing between."""


def _spellings(word: str) -> tuple[bytes, bytes]:
    return word.encode(), word.lower().encode()


_STARTS = {
    start: tuple(_spellings(answer)[lower] for answer in answers)
    for word, answers in _ANSWERS.items()
    for lower, start in enumerate(_spellings(word))
}
START_LABEL = re.compile(rb"^(" + b"|".join(sorted(_STARTS, reverse=True)) + rb"):", re.MULTILINE)


class Labels(Struct, frozen=True):
    """The pair of labels that a file uses."""

    start: bytes
    """For example ``Prompt:``."""
    answers: tuple[bytes, ...]
    """What may begin the answer; one element once the file has shown which it is."""


def labels_at(line: bytes) -> Labels | None:
    """Return the labels that a line decides for its file, or None when it begins with no start label."""
    found = START_LABEL.match(line)
    if found is None:
        return None
    return Labels(found[1] + b":", tuple(answer + b":" for answer in _STARTS[found[1]]))


def parse_one(raw: bytes) -> tuple[str, str] | None:
    """Read the bytes of one record: ``label text label text``; None when they are no such thing."""
    labels = labels_at(raw)
    if labels is None:
        return None
    for answer in labels.answers:
        content, cut, response = raw[len(labels.start) :].partition(b"\n" + answer)
        if cut:
            try:
                return content.decode("utf-8").strip(), response.decode("utf-8").strip()
            except UnicodeDecodeError:
                return None
    return None
