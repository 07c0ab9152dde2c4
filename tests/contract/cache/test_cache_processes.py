"""Several processes on one store: one lock, one computation, one limit, one number."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from cache_rigs import Running

from cloudberth.cache import Cache

ONLY_PROCESSES = True
WORK = """
import json, sys, time
from cloudberth import cache
from cloudberth.cache.computed import Computed
from cloudberth.cache.locks import Lock
from cloudberth.cache.rate_limits import RateLimit

environment, namespace, ready = json.loads(sys.argv[1]), sys.argv[2], float(sys.argv[3])
found = cache.open(environment).under(namespace)
found.get("warm")
time.sleep(max(0, ready - time.time()))

def compute():
    found.increment("computations")
    time.sleep(0.3)
    return b"the result"

results = [Computed(found, seconds=60).get_or_compute("key", compute, ["group"]).decode()]
limit = RateLimit(found, limit=10, seconds=1000)
allowed = sum(limit.take("x").allowed for _ in range(10))
numbers, tokens = [], []
for _ in range(5):
    with Lock(found, "work", wait=20) as lock:
        before = int(found.get("shared") or b"0")
        found.set("shared", b"%d" % (before + 1))
        tokens.append(lock.token)
print(json.dumps({"results": results, "allowed": allowed, "tokens": tokens}))
"""


def test_processes_share(cache: Cache, started: Running, tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(WORK)
    arguments = [json.dumps(started.environment), cache.namespace, str(time.time() + 1.5)]
    workers = [
        subprocess.Popen([sys.executable, str(script), *arguments], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [json.loads(worker.communicate(timeout=60)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert [each["results"] for each in said] == [["the result"]] * 3
    assert cache.get("computations") == b"1", "one computation for all"
    assert sum(each["allowed"] for each in said) == 10
    assert cache.get("shared") == b"15", "no turn was lost under the lock"
    tokens = sorted(token for each in said for token in each["tokens"])
    assert len(set(tokens)) == 15
