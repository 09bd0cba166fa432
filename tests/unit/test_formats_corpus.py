"""The real legacy files, where they lie beside the repository: every record is found, none is rejected."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from formats_kit import read_source
from mcai.formats import SourceFile, find_files
from mcai.identity import TEXT_AS_READ, identity
from mcai.records import NewExample

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"

pytestmark = pytest.mark.skipif(
    not (CORPUS / "legacy").is_dir(), reason=f"NOT RUN: the legacy corpus is not at {CORPUS}; its counts are unchecked"
)


def test_every_file_gives_what_its_manifest_says() -> None:
    """4,070 records in all, by file and by domain; 3,726 distinct ones, judged on the text as read."""
    listed = json.loads((CORPUS / "legacy.MANIFEST.json").read_text())["files"]
    wanted = {str(CORPUS / "legacy" / each["path"]): each for each in listed}
    examples: list[NewExample] = []
    for file in find_files([str(CORPUS / "legacy")]):
        assert isinstance(file, SourceFile)
        reading, about = read_source(file), wanted.pop(file.path)
        assert not reading.rejected and reading.summary.reason is None, file.path
        assert Counter(example.domain for example in reading.examples) == about["domains"], file.path
        examples += reading.examples
    assert not wanted and len(examples) == 4_070
    identities = {identity(each.domain, each.content, each.response, each.metadata) for each in examples}
    assert len(identities) == 3_726
    repaired = [example for example in examples if TEXT_AS_READ in example.metadata]
    assert len(repaired) > 250 and all("\n" in f"{each.content}{each.response}" for each in repaired)
