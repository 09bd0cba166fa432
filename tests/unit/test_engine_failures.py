"""The note of fatal errors, when it is no note."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcai import engine_failures
from mcai.errors import DamagedError
from mcai.paths import Home
from mcai_daemon import fatal


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"at_s": 1, "reason": "\xff"}]', b"[" * 100_000])
def test_a_note_that_says_nothing_keeps_nobody_from_starting(tmp_path: Path, content: bytes) -> None:
    """Whatever a disk made of it, the daemon starts; the doctor tells of it."""
    home = Home(tmp_path)
    home.failures_path.write_bytes(content)

    with pytest.raises(DamagedError, match="says nothing"):
        engine_failures.read(home, 60.0)
    assert fatal.recent(home) == []
    fatal.check(home)
