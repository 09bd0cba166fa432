"""What the daemon and the child tell each other. It must not import an engine: both sides load it."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from mcai.records import SqlColumn


class Answer(Struct, frozen=True, tag="answer"):
    """The query's rows."""

    columns: list[SqlColumn]
    rows: msgspec.Raw
    """A list of lists, already JSON and only ever passed on: the daemon never makes objects of it."""
    truncated: bool


class Failure(Struct, frozen=True, tag="failure"):
    """Why there are none."""

    message: str
    hint: str = ""


Reply = Answer | Failure
decode_reply = msgspec.json.Decoder(Reply).decode  # made once, before there are threads: see mcai.records


class Limits(Struct, frozen=True):
    """What one query may cost."""

    time_s: float = 10.0
    """Wall time, the start of the child included."""
    memory_bytes: int = 1 << 30
    """Address space of the child; its code and libraries take about 180 MB of it."""
    rows: int = 10_000
    bytes: int = 8 << 20
    """Of the rows as JSON."""

    @property
    def too_slow(self) -> Failure:
        """What to say of a query that used up its time."""
        hint = "Ask for less: WHERE, LIMIT, fewer tables at once."
        return Failure(f"the query took longer than {self.time_s:g} s", hint)

    @property
    def too_big(self) -> Failure:
        """What to say of a query that used up its memory."""
        hint = "Ask for fewer or smaller rows: WHERE, LIMIT, left(content, 200)."
        return Failure(f"the query needed more memory than {self.memory_bytes / (1 << 30):g} GiB", hint)


class Order(Struct, frozen=True):
    """The child's only argument; the query itself comes on its stdin."""

    copy_fd: int
    """Descriptor of the catalog's copy, inherited."""
    parent_pid: int
    limits: Limits
