"""Figures with their goals, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}
_PART_WIDTH = 8
_WHAT_WIDTH = 50


@dataclass(frozen=True)
class Goal:
    """A bound of design 6."""

    bound: float
    at_most: bool = True

    def holds(self, value: float) -> bool:
        """Tell whether a value meets the goal."""
        return value <= self.bound if self.at_most else value >= self.bound

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.bound:,g}"


def at_least(bound: float) -> Goal:
    """Return the goal of reaching a bound."""
    return Goal(bound, at_most=False)


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    part: str
    """The row of design 6: P1, P2, ...; RESTART and BACKUP are goals beside them."""
    rows: int
    what: str
    value: float
    unit: str
    goal: Goal | None = None
    peer: str | None = None
    """Whose figure it is; None: mcai's."""
    rounds: Sequence[float] = ()
    """The figure of each round, where it was taken in rounds."""

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.goal.holds(self.value)


@dataclass
class Results:
    """What one run found."""

    facts: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)
    not_measured: list[tuple[str, str]] = field(default_factory=list)
    """Name and reason."""
    parts: list[dict[str, Any]] = field(default_factory=list)
    """When each part was measured, and how busy the machine was."""
    quiet: bool = False
    """Show nothing: the figures are taken on the way to others."""

    def add(self, *figures: Figure) -> None:
        """Take figures in and show them at once: a run takes many minutes."""
        for figure in figures:
            self.figures.append(figure)
            if not self.quiet:
                print(table_row(figure), flush=True)

    @contextmanager
    def part(self, name: str, rows: int) -> Iterator[None]:
        """Note how busy the machine is before and after a part."""
        begun, before = time.perf_counter(), os.getloadavg()
        try:
            yield
        finally:
            taken_s = round(time.perf_counter() - begun, 1)
            entry = {"part": name, "rows": rows, "taken_s": taken_s}
            self.parts.append(entry | {"load_average_before": before, "load_average_after": os.getloadavg()})

    def give_up(self, name: str, reason: str) -> None:
        """Say loudly that something could not be measured."""
        self.not_measured.append((name, reason))
        print(f"!! {name}: NOT MEASURED: {reason}", flush=True)

    def find(self, what: str, rows: int, peer: str | None = None) -> float | None:
        """Return the value of a figure, if it was measured."""
        return next(
            (each.value for each in self.figures if (each.what, each.rows, each.peer) == (what, rows, peer)), None
        )

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        document = {
            **self.facts,
            "figures": [asdict(each) | {"goal": str(each.goal or ""), "met": each.met} for each in self.figures],
            "parts": self.parts,
            "not_measured": [{"name": name, "reason": reason} for name, reason in self.not_measured],
        }
        path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def size_name(rows: int) -> str:
    """Return the short name of a corpus size."""
    return next((name for name, count in SIZES.items() if count == rows), str(rows))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


TABLE_HEAD = f"{'':<{_PART_WIDTH}}{'rows':>5}  {'':<{_WHAT_WIDTH}}{'measured':>10} {'':<6}{'goal':>10}"


def table_row(figure: Figure) -> str:
    """Return a line of the table, at most 100 columns."""
    what = f"{figure.peer}: {figure.what}" if figure.peer else figure.what
    verdict = "" if figure.met is None else ("  met" if figure.met else "  MISSED")
    goal = "" if figure.goal is None else str(figure.goal)
    start = f"{figure.part:<{_PART_WIDTH}}{size_name(figure.rows):>5}  {what[:_WHAT_WIDTH]:<{_WHAT_WIDTH}}"
    return f"{start}{_number(figure.value):>10} {figure.unit:<6}{goal:>10}{verdict}".rstrip()
