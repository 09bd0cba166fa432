"""A damaged file of a home is refused or mended; nobody is given a row that was never stored."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash import flips, kills, specimen
from crash.specimen import Specimen

SEED = 4
LAYER_CASES = 120
TOGETHER = (
    ("catalog",),
    ("wal",),
    ("journal",),
    ("lance manifest", "lance data", "snapshot arrow", "archive", "backup catalog"),
)
"""Kinds of files that are damaged at once: what is derived from the catalog is made anew, all of it together too."""


@pytest.fixture(scope="module")
def folder(own_environment: None) -> Iterator[Path]:
    with kills.short_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def home(folder: Path) -> Specimen:
    return specimen.build(folder, killed=True, base_copy=False)


@pytest.mark.timeout(300)
def test_damage_at_the_layer_that_opens_it(folder: Path, home: Specimen) -> None:
    """Flipped bits and cut ends in every kind of file: an error that says so, or the rows as they were."""
    cases = flips.cases(home, LAYER_CASES, random.Random(SEED))
    tally = flips.at_the_layers(folder, cases)
    assert not tally.wrong, tally.wrong
    assert tally.cases == LAYER_CASES and {case.kind for case in cases} == home.files().keys()
    for kind in ("journal", "snapshot arrow", "snapshot vectors", "snapshot json", "snapshot pointer"):
        assert tally.counts[kind].keys() == {"refused"}, tally.table()


@pytest.mark.timeout(300)
def test_a_file_cut_short_is_noticed_at_its_layer(folder: Path, home: Specimen) -> None:
    """The catalog, its log, each segment of the journal and each file of the snapshot, cut at four places: mended,
    refused, or all rows are there all the same."""
    cases = flips.cuts(home)
    tally = flips.at_the_layers(folder, cases)
    assert not tally.wrong, tally.wrong
    assert tally.cases == len(cases) >= 4 * len(flips.CUT_KINDS)
    assert tally.counts["catalog"].keys() <= {"mended"}, tally.table()


@pytest.mark.timeout(300)
def test_damage_in_a_home_that_is_started(folder: Path, home: Specimen) -> None:
    """The daemon starts and serves the rows as they were, or names the reason why it does not."""
    cases = flips.cases(home, LAYER_CASES, random.Random(SEED))
    homes = [[next(case for case in cases if case.kind == kind) for kind in kinds] for kinds in TOGETHER]
    homes += [[case] for case in flips.cuts(home) if case.kind == "catalog"][1:3]
    tally = flips.whole_home(home, folder, homes)
    assert not tally.wrong, tally.wrong
    assert tally.cases == sum(map(len, homes))
