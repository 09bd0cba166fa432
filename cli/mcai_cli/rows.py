"""Examples as JSON lines and CSV on stdout."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from typing import Literal

import msgspec

from mcai.records import Example, Hit
from mcai_cli.output import clean, print_json_line, write_text

COLUMNS = ("id", "domain", "content", "response", "emotion", "frequency_hz", "created_at", "source", "metadata")


def print_rows(examples: Sequence[Example], form: Literal["jsonl", "csv"]) -> None:
    """Print examples, one a line (JSON) or one a row under a header (CSV; search hits end in their score).

    CSV cannot tell null from an empty text: both are an empty field. Metadata is JSON in one field.
    """
    if form == "jsonl":
        for example in examples:
            print_json_line(example)
    else:
        text = _csv(examples)
        # A terminal must not act on what is in a record; a file or a pipe gets it as it is.
        write_text(clean(text) if sys.stdout.isatty() else text)


def _csv(examples: Sequence[Example]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    scored = any(isinstance(example, Hit) for example in examples)
    writer.writerow([*COLUMNS, "score"] if scored else COLUMNS)
    for example in examples:
        fields = [getattr(example, name) for name in COLUMNS[:-1]]
        metadata = msgspec.json.encode(example.metadata).decode() if example.metadata else ""
        writer.writerow([*fields, metadata, *([example.score] if isinstance(example, Hit) else [])])
    return out.getvalue()
