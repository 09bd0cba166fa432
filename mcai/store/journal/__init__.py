"""The epoch journal: every change once more, as text with checksums, so that a damaged catalog can be repaired.

`Journal` appends, `read` and `scan` read, `prune` and `redact` make it shorter. What an entry says is not known here: a
payload is one JSON object. Files are ``journal/NNNNNNNNNNNNNNNN.jsonl``, named by their first epoch; a line is

    crc32 {"mcai_journal":1,"timeline":T,"first_epoch":E,"previous_chain":C}    the first of each file
    crc32 {"epoch":E,"chain":C,"entry":{...}}                                   one epoch
    crc32 {"epoch":E,"chain":C,"redacted":true,"entry":{...}}                   one that `redact` changed
    crc32 {"epoch":E,"abort":true}                                              epoch E, above, never happened

An epoch that comes again replaces the one before it.
"""

from mcai.store.journal.lines import GENESIS, MAX_LINE_BYTES, Entry, next_chain
from mcai.store.journal.reading import Reading, Scan, read, scan
from mcai.store.journal.segments import SEGMENT_BYTES, Damage, begins_at
from mcai.store.journal.upkeep import Redacted, prune, redact
from mcai.store.journal.writing import Journal

__all__ = [
    "GENESIS",
    "MAX_LINE_BYTES",
    "SEGMENT_BYTES",
    "Damage",
    "Entry",
    "Journal",
    "Reading",
    "Redacted",
    "Scan",
    "begins_at",
    "next_chain",
    "prune",
    "read",
    "redact",
    "scan",
]
