"""`berth vector bench`: how fast a store is from here."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy

from cloudberth.cli.console import err, json_option, out, print_json
from cloudberth.cli.vector.arguments import environment_of, environment_option, open_store
from cloudberth.cli.vector.counting import Counting
from cloudberth.errors import NotFound
from cloudberth.vector import FullText, Index, Record, VectorStore

_NAME = "BerthBench"


@click.command()
@click.argument("store", default="env:")
@click.option("--vectors", "number", default=5000, show_default=True, help="How many are written.")
@click.option("--dimension", default=384, show_default=True)
@click.option("--queries", default=200, show_default=True, help="How many are asked, of each kind.")
@click.option("-k", default=10, show_default=True)
@environment_option
@json_option
def bench(
    store: str, number: int, dimension: int, queries: int, k: int, env_file: Path | None, as_json: bool
) -> None:
    """Measure STORE with random vectors: writing, searching, filters, recall. Removes what it wrote."""
    with open_store(store, environment_of(env_file)) as opened:
        with suppress(NotFound):
            opened.drop(_NAME)
        opened.create(_NAME, dimension, sorted(opened.capabilities.metrics)[0], index=Index())
        try:
            figures = _measure(opened, number, dimension, queries, k, quiet=as_json)
        finally:
            opened.drop(_NAME)
        place = opened.backend.place
    if as_json:
        print_json({"store": place, "vectors": number, "dimension": dimension, "k": k, **figures})
        return
    out.print(f"[bold]{place}[/bold] {number:,} × {dimension}, k = {k}")
    for name, value in figures.items():
        out.print(f"  {name:<24} {value:,.3f}" if isinstance(value, float) else f"  {name:<24} {value}")


def _measure(
    store: VectorStore, number: int, dimension: int, queries: int, k: int, *, quiet: bool
) -> dict[str, float]:
    rows = _clustered(number, dimension)
    asked = _clustered(queries, dimension, seed=2)
    began = time.perf_counter()
    with Counting("writing", number, quiet=quiet) as counting, store.bulk(_NAME):
        for start in range(0, number, 1000):
            store.upsert(_NAME, [_record(at, rows[at]) for at in range(start, min(start + 1000, number))])
            counting.reached(min(start + 1000, number))
    figures = {"records written per s": number / (time.perf_counter() - began)}
    found: list[set[str]] = []

    def dense(at: int) -> None:
        found.append({hit.id for hit in store.search(_NAME, asked[at], k)})

    figures |= _latency("search", dense, queries)
    figures["recall"] = _recall(store, asked[:50], found[:50], k)
    figures |= _latency(
        "filter 10 %", lambda at: store.search(_NAME, asked[at], k, filter="tens == 3"), queries
    )
    figures |= _latency(
        "filter 1 %", lambda at: store.search(_NAME, asked[at], k, filter="hundreds == 3"), queries
    )
    if store.capabilities.full_text is not FullText.NONE:
        figures |= _latency("words", lambda at: store.search_text(_NAME, f"number {at}", k), queries)
    began = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(dense, range(queries)))
    figures["searches per s, 4 threads"] = queries / (time.perf_counter() - began)
    return figures


def _record(at: int, row: Any) -> Record:
    return Record(f"record-{at}", row, f"text number {at}", {"tens": at % 10, "hundreds": at % 100})


def _clustered(number: int, dimension: int, seed: int = 1) -> Any:
    """Vectors in groups, as embeddings are; uniform noise has no neighbours worth finding."""
    centres = numpy.random.default_rng(0).standard_normal((64, dimension))
    choice = numpy.random.default_rng(seed)
    near = centres[choice.integers(64, size=number)] + 0.7 * choice.standard_normal((number, dimension))
    return near.astype(numpy.float32)


def _latency(name: str, ask: Callable[[int], object], times: int) -> dict[str, float]:
    """Milliseconds: the median and the 95th of a hundred."""
    taken = []
    for at in range(times):
        began = time.perf_counter()
        ask(at)
        taken.append((time.perf_counter() - began) * 1000)
    p50, p95 = numpy.percentile(taken, [50, 95])
    return {f"{name} p50 ms": float(p50), f"{name} p95 ms": float(p95)}


def _recall(store: VectorStore, asked: Any, found: list[set[str]], k: int) -> float:
    """Share of the true nearest, by comparing every record, that the searches found."""
    try:
        exact = [{hit.id for hit in store.search(_NAME, row, k, exact=True)} for row in asked]
    except NotImplementedError as error:
        err.print(f"no recall: {error}")
        return float("nan")
    return sum(len(one & other) for one, other in zip(exact, found, strict=True)) / (k * len(exact))
