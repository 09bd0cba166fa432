"""The journal in any order of what can happen to it: a reader finds what was appended, and nothing else."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from journal_kit import Writer, read_all, read_and_scan
from mcai.store.journal import prune, redact


class JournalMachine(RuleBasedStateMachine):
    """Any order of appends, aborts, replacements, rolls, crashes, reopenings, prunings and redactions."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for name in ("fsync", "fdatasync"):  # what dies here is a process, not the disk
            self.patch.setattr(os, name, lambda file: None)
        self.outer = Path(tempfile.mkdtemp(prefix="mcai-"))
        self.writer = Writer(self.outer / "journal", segment_bytes=600)
        self.word = 0
        self.pruned = 0

    def teardown(self) -> None:
        self.writer.journal.close()
        shutil.rmtree(self.outer)
        self.patch.undo()

    @rule(size=st.integers(0, 300))
    def append(self, size: int) -> None:
        self.word += 1
        self.writer.append(self.writer.head + 1, f"word{self.word}", pad="x" * size)

    @precondition(lambda self: self.writer.journal._previous_chain is not None)
    @rule()
    def append_again(self) -> None:
        self.word += 1
        self.writer.append(self.writer.head, f"word{self.word}")

    @precondition(lambda self: self.writer.journal._previous_chain is not None)
    @rule()
    def abort(self) -> None:
        self.writer.abort()

    @rule()
    def roll(self) -> None:
        self.writer.journal.roll()

    @rule()
    def reopen(self) -> None:
        self.writer.reopen()

    @rule(tail=st.binary(max_size=40))
    def crash(self, tail: bytes) -> None:
        """What a killed process leaves is what it wrote, and perhaps a piece of a line."""
        left = self.outer / "left"
        shutil.copytree(self.writer.folder, left)
        self.writer.journal.close()
        shutil.rmtree(self.writer.folder)
        left.rename(self.writer.folder)
        if segments := sorted(self.writer.folder.iterdir()):
            with segments[-1].open("ab") as file:
                file.write(tail)
        self.writer.journal = self.writer.open()

    @rule(keep=st.integers(0, 30))
    def prune(self, keep: int) -> None:
        before = read_all(self.writer.folder)
        prune(self.writer.folder, keep)
        after = read_all(self.writer.folder)
        gone = sorted(before.keys() - after.keys())
        assert all(epoch < keep for epoch in gone), (keep, gone)
        assert gone == sorted(before)[: len(gone)]
        self.pruned = max([*gone, self.pruned])

    @rule(number=st.integers(0, 30))
    def redact(self, number: int) -> None:
        old = f'"word{number}"'.encode()

        def forget(told: bytes) -> bytes | None:
            return told.replace(old, b'"gone"') if old in told else None

        redact(self.writer.folder, forget, segments=self.writer.journal.roll())
        assert not any(old in path.read_bytes() for path in self.writer.folder.iterdir())
        for epoch, (chain, told) in self.writer.history.items():
            self.writer.history[epoch] = chain, told.replace(old, b'"gone"')

    @invariant()
    def finds_what_was_appended(self) -> None:
        found, told = read_and_scan(self.writer.folder)
        assert not told.damage and not told.gaps, told
        assert found == {epoch: entry for epoch, entry in self.writer.history.items() if epoch > self.pruned}


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=60, stateful_step_count=25)
