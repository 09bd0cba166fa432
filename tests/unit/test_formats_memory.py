"""Memory does not grow with the size of a file: measured as the peak of a fresh process, which no profiler can miss."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SIZE_BYTES = 24 << 20
GROWTH_MB = 20

PROGRAM = """
import sys
from mcai.formats import ReadOptions, find_files, read

def peak_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def count(path):
    return sum(1 for file in find_files([path]) for event in read(file, ReadOptions()))

count(sys.argv[1])  # everything that will be needed is loaded
before = peak_kb()
print(count(sys.argv[2]), peak_kb() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="NOT RUN: only Linux tells a process's peak memory")
@pytest.mark.parametrize("shape", ["list", "object", "lines", "string", "text"])
def test_a_large_file_takes_little_memory(tmp_path: Path, shape: str) -> None:
    """A minified list, an object that holds one, lines, a single huge string, a single huge line of text."""
    record = json.dumps({"prompt": "q" * 60, "completion": "word " * 40})
    many = SIZE_BYTES // len(record)
    name, data, found = {
        "list": ("a.json", "[" + ",".join([record] * many) + "]", many),
        "object": ("a.json", '{"examples": [' + ",".join([record] * many) + '], "domain": "late"}', many),
        "lines": ("a.jsonl", "\n".join([record] * many), many),
        "string": ("a.json", '[{"prompt": "' + "x" * SIZE_BYTES + '"},' + record + "]", 2),
        "text": ("a.txt", "Prompt: a\nCompletion: " + "x" * SIZE_BYTES, 1),
    }[shape]
    small, large = tmp_path / f"small{Path(name).suffix}", tmp_path / name
    small.write_text("Prompt: a\nCompletion: b" if shape == "text" else f"[{record}]")
    large.write_text(data)
    command = [sys.executable, "-c", PROGRAM, str(small), str(large)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    events, growth_kb = map(int, ran.stdout.split())
    assert events - 1 == found and growth_kb < GROWTH_MB * 1024
