"""Damage of every kind: never an exception, everything is counted, and what was not hit is read as before."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from formats_kit import Reading, read_bytes

RECORDS = 1_000
SEED = 20_261_123
ROWS = [{"prompt": f"question {number:04}", "completion": f"answer {number:04}, “é”"} for number in range(RECORDS)]


def _csv() -> bytes:
    out = io.StringIO()
    table = csv.DictWriter(out, ["prompt", "completion"])
    table.writeheader()
    table.writerows(ROWS)
    return out.getvalue().encode()


def _parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), out, row_group_size=100, write_page_checksum=True)
    return out.getvalue()


FILES: dict[str, bytes] = {
    "list.json": json.dumps(ROWS, ensure_ascii=False).encode(),
    "spread.json": json.dumps({"domain": "d", "examples": ROWS}, indent=1).encode(),
    "lines.jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode(),
    "rows.csv": _csv(),
    "text.txt": "\n\n".join(f"Prompt: {row['prompt']}\nCompletion: {row['completion']}" for row in ROWS).encode(),
    "table.parquet": _parquet(),
}
# How many records one flipped byte may cost: its own, and the one that it is taken for a part of.
NEIGHBOURS = {"list.json": 2, "spread.json": 2, "lines.jsonl": 2, "rows.csv": 2, "text.txt": 2}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "waves"
    made.mkdir()
    return made


def intact(reading: Reading) -> int:
    """How many records came back as they were written."""
    written = {(row["prompt"], row["completion"]) for row in ROWS}
    return sum(pair in written for pair in reading.pairs)


@pytest.mark.parametrize("name", FILES)
def test_a_sound_file_is_read_whole(folder: Path, name: str) -> None:
    """What the other tests damage is in order."""
    reading = read_bytes(folder, name, FILES[name])
    assert intact(reading) == RECORDS and not reading.rejected and reading.summary.reason is None


@pytest.mark.parametrize("name", FILES)
def test_flipped_bytes(folder: Path, name: str) -> None:
    """Each of twenty flips costs a record or two, never the rest."""
    chance = random.Random(f"{SEED} flips {name}")
    data = bytearray(FILES[name])
    for at in chance.sample(range(len(data) // 20, len(data)), 20):
        data[at] ^= 1 << chance.randrange(8)
    reading = read_bytes(folder, name, bytes(data))
    if name in NEIGHBOURS:
        assert intact(reading) >= RECORDS - 20 * NEIGHBOURS[name]
        assert reading.summary.found >= RECORDS - 20


@pytest.mark.parametrize("name", FILES)
def test_single_flips_in_small_files(folder: Path, name: str) -> None:
    """Two hundred files with one damaged byte each: whichever byte it is."""
    chance = random.Random(f"{SEED} single {name}")
    lines = FILES[name].splitlines(keepends=True)
    small = FILES[name] if name.endswith("parquet") else b"".join(lines[:30])[:2_000]
    for _ in range(40 if name.endswith("parquet") else 200):
        data = bytearray(small)
        data[chance.randrange(len(data))] = (
            chance.choice(b'{}[]",:\\\n\0\xff`~ PQ\r') if chance.random() < 0.7 else 0xE9
        )
        read_bytes(folder, name, bytes(data))


@pytest.mark.parametrize("name", FILES)
def test_truncations(folder: Path, name: str) -> None:
    """A file cut anywhere: all records before the cut are read, the torn one is rejected."""
    chance = random.Random(f"{SEED} cuts {name}")
    data = FILES[name]
    for cut in chance.sample(range(len(data)), 10):
        reading = read_bytes(folder, name, data[:cut])
        whole = sum(f"answer {number:04}, ".encode() in data[:cut] for number in range(RECORDS))
        if not name.endswith("parquet"):
            assert intact(reading) >= whole - 1 and len(reading.rejected) <= 1


@pytest.mark.parametrize("name", ["list.json", "lines.jsonl", "rows.csv", "text.txt"])
def test_blocks_of_noise(folder: Path, name: str) -> None:
    """Holes of zeros, of random bytes and of brackets, between lines and inside them."""
    chance = random.Random(f"{SEED} noise {name}")
    for noise in (b"\0" * 5_000, chance.randbytes(5_000), b"[{" * 2_500, b'"' * 501, b"\n" * 5_000, b"\\" * 301):
        at = chance.randrange(len(FILES[name]))
        reading = read_bytes(folder, name, FILES[name][:at] + noise + FILES[name][at:])
        assert intact(reading) >= RECORDS - 5, noise[:4]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.tsv", "a.txt", "a.parquet"])
def test_random_bytes(folder: Path, name: str) -> None:
    """Files that are nothing at all."""
    chance = random.Random(f"{SEED} bytes {name}")
    for _ in range(30):
        alphabet = chance.choice(
            [bytes(range(256)), b'{}[]",:\\ \n ab', b'Prompt: Completion:\n"`,{', b"\xff\xfe\0[]{"]
        )
        size = chance.randrange(400)
        reading = read_bytes(folder, name, bytes(chance.choice(alphabet) for _ in range(size)))
        assert reading.summary.found or reading.summary.reason
