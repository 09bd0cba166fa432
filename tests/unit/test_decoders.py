"""Threads decode the same record for the first time, and nothing happens to the process."""

from __future__ import annotations

from helpers import python

DECODED_BY_THREADS = """
import msgspec
import mcai.client.lifecycle, mcai.records, mcai.snapshot.manifest, mcai.wire
import mcai.store.backup, mcai.store.sandbox.host

kinds = {value for value in vars(mcai.records).values() if isinstance(value, msgspec.StructMeta)}
kinds |= {mcai.client.lifecycle.Owner, mcai.wire._Envelope, mcai.store.backup.Manifest}
kinds |= {mcai.snapshot.manifest.Pointer, mcai.snapshot.manifest.Generation}
kinds |= set(mcai.store.sandbox.protocol.Reply.__args__)
for kind in kinds:
    kind.__annotations__ = {field: "unknown" for field in kind.__struct_fields__}
for kind in kinds:
    try:
        msgspec.json.decode(b"[]", type=kind)
    except msgspec.ValidationError:
        pass
print(len(kinds))
"""


def test_how_to_decode_is_known_before_there_are_threads() -> None:
    """msgspec 0.22 ends the process where two threads work that out at once: whatever several threads decode is ready
    when its module is imported, and its annotations are not looked at again."""
    done = python(DECODED_BY_THREADS)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40
