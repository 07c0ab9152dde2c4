"""How much time our cache takes over the raw client, and how fast the embedded twin is. Run by hand.

    python benchmarks/cache_speed.py [--port 6379] [--rounds 5] [--calls 4000]

Starts a redis-server of its own unless a port is named. Rounds of the two alternate, the median of the rounds
counts: on a machine that does other things at the same time, single figures mean little.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloudberth import cache


@contextmanager
def server(port: int) -> Iterator[int]:
    """The port of a redis-server."""
    if port:
        yield port
        return
    binary = shutil.which("redis-server")
    if binary is None:
        raise SystemExit("redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [binary, "--port", str(free), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]
    )
    try:
        time.sleep(0.5)
        yield free
    finally:
        process.kill()
        process.wait()


def microseconds(call: Callable[[], object], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) / calls * 1e6


def compare(contenders: dict[str, Callable[[], object]], rounds: int, calls: int) -> None:
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            figures[name].append(microseconds(call, calls))
    first = statistics.median(next(iter(figures.values())))
    for name, found in figures.items():
        middle = statistics.median(found)
        print(f"  {name:<28} {middle:8.1f} µs   {middle - first:+7.1f} µs   {middle / first:5.2f} ×")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=4000)
    chosen = parser.parse_args()
    import redis

    with server(chosen.port) as port, tempfile.TemporaryDirectory() as folder:
        raw = redis.Redis(port=port, protocol=3)
        value = bytes(1024)
        stores = {
            "ours on redis": cache.open(f"redis://127.0.0.1:{port}/0"),
            "twin in a file": cache.open(f"{folder}/c.db"),
            "twin in memory": cache.open("memory://"),
        }
        used = {name: store.under("speed") for name, store in stores.items()}
        for each in used.values():
            each.set("key", value)
        raw.set("key", value)
        print("get of 1 KiB")
        gets = {name: lambda each=each: each.get("key") for name, each in used.items()}
        compare({"redis-py": lambda: raw.get("key"), **gets}, chosen.rounds, chosen.calls)
        print("set of 1 KiB, 60 s")
        sets = {name: lambda each=each: each.set("key", value, 60) for name, each in used.items()}
        compare({"redis-py": lambda: raw.set("key", value, ex=60), **sets}, chosen.rounds, chosen.calls)
        print("get of 100 keys at once")
        keys = [f"k{number}" for number in range(100)]
        for each in used.values():
            each.set_many(dict.fromkeys(keys, value))
        raw.mset(dict.fromkeys(keys, value))
        many = {name: lambda each=each: each.get_many(keys) for name, each in used.items()}
        compare({"redis-py": lambda: raw.mget(keys), **many}, chosen.rounds, chosen.calls // 20)
        for store in stores.values():
            store.close()


if __name__ == "__main__":
    main()
