"""Milvus: a bulk load into an empty collection asks for nothing, and leaves each id once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import Unavailable
from cloudberth.vector import VectorStore
from cloudberth.vector.contract import Record
from cloudberth.vector.milvus import Milvus

pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VectorStore]:
    with vector.open(f"milvus:///?path={tmp_path / 'm.db'}") as opened:
        opened.create("notes", 2)
        yield opened


@pytest.fixture
def looked_for(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ids that were asked for, call by call."""
    asked: list[list[str]] = []
    keys = Milvus._keys

    def _keys(self: Milvus, name: str, ids: Sequence[str]) -> dict[str, list[int]]:
        asked.append(list(ids))
        return keys(self, name, ids)

    monkeypatch.setattr(Milvus, "_keys", _keys)
    return asked


def _records(ids: str, text: str) -> list[Record]:
    return [Record(id, numpy.asarray([1.0, 2.0], dtype=numpy.float32), text) for id in ids]


def _texts(store: VectorStore) -> list[tuple[str, str]]:
    return sorted((record.id, record.text) for record in store.scan("notes"))


def test_only_what_is_written_again_is_looked_for(store: VectorStore, looked_for: list[list[str]]) -> None:
    with store.bulk("notes"):
        store.upsert("notes", _records("abc", "first"))
        store.upsert("notes", _records("cd", "second"))
        assert store.delete("notes", ["a"]) == 1
        looked_for.clear()
        store.upsert("notes", _records("ae", "third"))
        assert looked_for == []
        store.upsert("notes", _records("de", "fourth"))
        assert looked_for == [["d", "e"]]
    wanted = [("a", "third"), ("b", "first"), ("c", "second"), ("d", "fourth"), ("e", "fourth")]
    assert _texts(store) == wanted
    assert looked_for == [["d", "e"]]
    store.upsert("notes", _records("f", "later"))
    assert looked_for[1:] == [["f"]]


def test_a_collection_with_records_is_asked(store: VectorStore, looked_for: list[list[str]]) -> None:
    store.upsert("notes", _records("ab", "before"))
    looked_for.clear()
    with store.bulk("notes"):
        store.upsert("notes", _records("bc", "loaded"))
    assert looked_for == [["b", "c"]]
    assert _texts(store) == [("a", "before"), ("b", "loaded"), ("c", "loaded")]


def test_ids_that_another_wrote_meanwhile_are_there_once(store: VectorStore, tmp_path: Path) -> None:
    with (
        vector.open(f"milvus:///?path={tmp_path / 'm.db'}") as other,
        store.bulk("notes"),
    ):
        other.upsert("notes", _records("ax", "of the other"))
        store.upsert("notes", _records("abc", "loaded"))
        assert store.count("notes") == 5
    assert _texts(store) == [("a", "loaded"), ("b", "loaded"), ("c", "loaded"), ("x", "of the other")]


def test_an_answer_that_was_lost_leaves_no_second_record(
    store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(store.backend, Milvus)
    call = store.backend.calls.call
    lost: list[str] = []

    def failing(name: str, *given: Any, **named: Any) -> Any:
        found = call(name, *given, **named)
        if name == "insert" and not lost:
            lost.append(name)
            raise Unavailable("the answer was lost")
        return found

    monkeypatch.setattr(store.backend.calls, "call", failing)
    with store.bulk("notes"):
        store.upsert("notes", _records("ab", "x"))
    assert lost
    assert _texts(store) == [("a", "x"), ("b", "x")]


@pytest.mark.parametrize("step", ["create_index", "load_collection"])
def test_a_collection_is_made_with_its_index_or_not_at_all(
    store: VectorStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    assert isinstance(store.backend, Milvus)
    call = store.backend.calls.call
    failed: list[str] = []

    def failing(name: str, *given: Any, **named: Any) -> Any:
        if name == step and not failed:
            failed.append(name)
            raise Unavailable("not now")
        return call(name, *given, **named)

    monkeypatch.setattr(store.backend.calls, "call", failing)
    store.create("more", 2)
    assert failed
    assert call("describe_index", "more", "vector")
    store.upsert("more", _records("a", "x"))
    assert [hit.id for hit in store.search("more", [1.0, 2.0])] == ["a"]


def test_beyond_what_is_kept_in_memory_it_is_asked_again(
    store: VectorStore, looked_for: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudberth.vector.milvus._MOST_KNOWN", 2)
    with store.bulk("notes"):
        store.upsert("notes", _records("abc", "x"))
        assert looked_for == []
        store.upsert("notes", _records("cd", "y"))
        assert looked_for == [["c", "d"]]
    assert _texts(store) == [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")]


def test_a_new_collection_waits_for_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library looks every half second, first after half a second, whether an index of nothing is made."""

    waits: list[str] = []

    def waiting(*_: Any, **named: Any) -> tuple[bool, str]:
        waits.append(named["field_name"])
        return True, ""

    monkeypatch.setattr("pymilvus.client.grpc_handler.GrpcHandler.wait_for_creating_index", waiting)
    with vector.open(f"milvus:///?path={tmp_path / 'm.db'}") as store:
        store.create("notes", 2)
        store.upsert("notes", _records("a", "x"))
        assert [hit.id for hit in store.search("notes", [1.0, 2.0], 5)] == ["a"]
        assert [hit.id for hit in store.search_text("notes", "x")] == ["a"]
    assert waits == []
