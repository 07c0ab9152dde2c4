"""Memory does not grow with the number of keys, nor with the size of objects. Measured in processes of their
own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from thoroughness import examples

TESTS = Path(__file__).parents[2]
# Of this program alone: `ru_maxrss` also counts what the process was that it was forked from.
PEAK = """
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))
"""
MANY = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from datetime import UTC, datetime
from storage.memory_backend import MemoryBackend, UnorderedBackend
from cloudberth.storage.contract import ObjectInfo, Page, Listing
from cloudberth.storage.storage import Storage
from cloudberth.storage.transfer.engine import planned
from cloudberth.storage.transfer.rules import Rules
from cloudberth.storage.transfer.comparison import differences, Comparing
from cloudberth.storage.transfer.content import Verify

NOW = datetime.now(UTC)

class Endless(MemoryBackend):
    count = 0
    shuffled = False
    def list(self, prefix="", *, delimiter="", after="", cursor=None, limit=1000):
        start = int(cursor or 0)
        numbers = range(start, min(start + limit, self.count))
        # 7919 is a prime: every number once, in no order.
        turn = (lambda n: n * 7919 % self.count) if self.shuffled else (lambda n: n)
        found = tuple(ObjectInfo(f"folder/{{n:012}}-name", n % 7, NOW, "e" * 32) for n in map(turn, numbers))
        return Page(found, str(start + limit) if start + limit < self.count else None)


source, target = Endless("source"), Endless("target")
source.shuffled = {shuffled!r}
if source.shuffled:
    from storage.memory_backend import unordered_capabilities
    source.capabilities = unordered_capabilities()
one, other = Storage(source), Storage(target)
source.count, target.count = 1000, 10
with planned(one, other, Rules()) as (counts, lines, write):
    list(lines)
before = peak()
source.count, target.count = {count}, 10
with planned(one, other, Rules()) as (counts, lines, write):
    seen = sum(1 for _ in lines)
target.count = source.count
same = sum(1 for _ in differences(one, other, Comparing(content=Verify.SIZE, attributes=False)))
print(seen, same, peak() - before)
"""
LARGE = """
import sys
from pathlib import Path
from cloudberth.storage.local import Local
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from cloudberth.storage.transfer.engine import Execution, migrate

source, target, state = map(Path, sys.argv[1:])
with Storage(Local(source, sync=False)) as one, Storage(Local(target, sync=False)) as other:
    summary = migrate(one, other, execution=Execution(state_folder=state, server_side=False))
print(summary.copied, summary.differences, peak())
"""


def run(script: str, *arguments: object) -> list[int]:
    found = subprocess.run(
        [sys.executable, "-c", PEAK + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr
    return [int(word) for word in found.stdout.split()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shuffled", "keys"), [(False, examples(300_000, 100_000)), (True, examples(150_000, 100_000))]
)
def test_many_keys(shuffled: bool, keys: int) -> None:
    script = MANY.format(tests=str(TESTS), count=keys, shuffled=shuffled)
    seen, different, grown = run(script)
    assert seen == keys - 10
    assert different == 0
    # As a list, 100,000 such objects are 60 MB.
    assert grown < 40, f"{grown} MiB more than with a thousand"


@pytest.mark.slow
def test_large_objects(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    for number in range(2):
        with (source / f"large-{number}").open("wb") as file:
            file.truncate(400 * 1024 * 1024)
    copied, different, peak = run(LARGE, source, target, tmp_path / "state")
    assert (copied, different) == (2, 0)
    assert peak < 200, f"{peak} MiB"
