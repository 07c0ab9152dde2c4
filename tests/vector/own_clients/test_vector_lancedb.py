"""LanceDB: two processes at once, an index after bulk loading, and filters that are only values."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from cloudberth import vector
from cloudberth.vector import lancedb as ours
from cloudberth.vector.contract import Record

pytest.importorskip("lancedb")


def record(
    id: str, given: Sequence[float], text: str = "", metadata: Mapping[str, Any] | None = None
) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata or {})


def _write(location: str, start: int) -> None:
    with vector.open(location, {}) as store:
        for at in range(start, start + 40, 10):
            store.upsert("c", [record(f"r{one}", [1.0, float(one)], "x") for one in range(at, at + 10)])


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    location = f"lancedb://{tmp_path}/l"
    with vector.open(location, {}) as store:
        store.create("c", 2)
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_write, args=(location, 0))
        process.start()
        _write(location, 40)
        process.join(90)
        assert process.exitcode == 0
        assert store.count("c") == 80


def test_bulk_loading_builds_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "_INDEXED_FROM", 300)
    made = numpy.random.default_rng(1).standard_normal((600, 16)).astype(numpy.float32)
    with vector.open(f"lancedb://{tmp_path}/l", {}) as store:
        store.create("c", 16)
        with store.bulk("c"):
            store.upsert(
                "c", [record(f"r{at}", one, "x", {"even": at % 2 == 0}) for at, one in enumerate(made)]
            )
        table: Any = store.backend._table("c")  # type: ignore[attr-defined]
        assert any("vector" in index.columns for index in table.list_indices())
        hits = store.search("c", made[7], 5, filter="even == false")
        assert hits[0].id == "r7"
        assert len(hits) == 5
        assert len(store.search("c", made[7], 10, exact=True)) == 10


def test_filters_are_only_values(tmp_path: Path) -> None:
    odd = [
        "' OR true --",
        "''; DROP TABLE c; --",
        "\\' OR 1=1",
        "map_extract(texts,'a')[1]",
        "\u2019 OR true",
    ]
    with vector.open(f"lancedb://{tmp_path}/l", {}) as store:
        store.create("c", 2)
        store.upsert("c", [record(f"r{at}", [1.0, at], "x", {one: one}) for at, one in enumerate(odd)])
        for at, one in enumerate(odd):
            assert [record.id for record in store.scan("c", filter={one: one})] == [f"r{at}"]
            assert store.count("c", {"nothing": one}) == 0
        assert store.count("c") == len(odd)
