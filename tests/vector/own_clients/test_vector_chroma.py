"""Chroma: Dify's layout both ways, restarts, keys, names, and one process for a folder."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import InvalidInput, Unavailable
from cloudberth.vector.chroma import Chroma, ChromaSettings
from cloudberth.vector.contract import Record
from cloudberth.vector.options import Options

pytest.importorskip("chromadb")
from vector_servers import chroma as server_of_chroma

NAME = "vector_index_0a_node"
IDS = ["6f0f6b0c-3a3e-4d7e-9a53-0c1d6a1f2b44", "6f0f6b0c-3a3e-4d7e-9a53-0c1d6a1f2b45"]


def record(
    id: str, given: Sequence[float], text: str = "", metadata: Mapping[str, Any] | None = None
) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata or {})


@pytest.fixture
def of_dify(tmp_path: Path) -> Iterator[str]:
    """A folder with a collection as Dify makes it."""
    import chromadb

    client: Any = chromadb.PersistentClient(
        str(tmp_path / "c"), settings=chromadb.Settings(anonymized_telemetry=False)
    )
    collection = client.get_or_create_collection(NAME, embedding_function=None)
    collection.upsert(
        ids=IDS,
        documents=["first", "second"],
        embeddings=[[1.0, 0.0], [0.0, 2.0]],
        metadatas=[{"doc_id": id, "document_id": "d", "doc_hash": "h"} for id in IDS],
    )
    client.close()
    yield f"chroma://{tmp_path}/c"


def test_a_collection_of_dify_is_read(of_dify: str) -> None:
    with vector.open(of_dify, {}) as store:
        found = store.describe(NAME)
        assert (found.dify, found.dimension, found.metric.value) == (True, 2, "l2")
        assert store.get(NAME, [IDS[1]], vectors=True)[0].text == "second"
        hit = store.search(NAME, [0.0, 1.0], 1, filter='document_id == "d" and not exists(nothing)')[0]
        assert (hit.id, hit.raw) == (IDS[1], pytest.approx(1.0))
        assert store.delete(NAME, IDS[:1]) == 1


def test_dify_reads_what_we_write(tmp_path: Path) -> None:
    import chromadb

    with vector.open(f"chroma://{tmp_path}/c", {}) as store:
        store.create(NAME, 2)
        store.upsert(NAME, [record(IDS[0], [1.0, 0.0], "first", {"document_id": "d", "list": [1, 2]})])
    client: Any = chromadb.PersistentClient(
        str(tmp_path / "c"), settings=chromadb.Settings(anonymized_telemetry=False)
    )
    collection = client.get_or_create_collection(NAME, embedding_function=None)
    found = collection.query(query_embeddings=[[1.0, 0.0]], where={"document_id": {"$in": ["d"]}})
    assert (found["ids"], found["documents"]) == ([[IDS[0]]], [["first"]])
    assert found["metadatas"] is not None
    assert found["metadatas"][0][0]["doc_id"] == IDS[0]
    client.close()


def test_a_batch_of_known_and_new_records_is_written_whole(tmp_path: Path) -> None:
    with vector.open(f"chroma://{tmp_path}/c", {}) as store:
        store.create("mixed", 2)
        store.upsert("mixed", [record("known", [1, 0], "old", {"a": 1, "b": [1]})])
        store.upsert(
            "mixed", [record("new", [1, 1], "first", {"c": 2}), record("known", [0, 1], "second", {"a": 3})]
        )
        known, new = store.get("mixed", ["known", "new"], vectors=True)
        assert (known.text, known.metadata) == ("second", {"a": 3})
        assert (new.text, new.metadata) == ("first", {"c": 2})
        assert known.vector is not None
        assert known.vector.tolist() == [0, 1]
        assert store.count("mixed", "not exists(b)") == 2


def test_names_that_chroma_does_not_take_work(tmp_path: Path) -> None:
    with vector.open(f"chroma://{tmp_path}/c", {}) as store:
        for name in ("a", "_b", "c_"):
            store.create(name, 2)
        assert store.collections() == ("_b", "a", "c_")


def test_a_server_that_comes_back_is_used_again(tmp_path: Path) -> None:
    process = server_of_chroma.ChromaProcess(tmp_path)
    process.start()
    try:
        location = f"chroma://127.0.0.1:{process.port}"
        store = vector.open(location, {}, Options(retries=0, timeout=5))
        store.create(NAME, 2)
        store.upsert(NAME, [record(IDS[0], [1.0, 0.0], "kept")])
        process.stop()
        with pytest.raises(Unavailable):
            store.count(NAME)
        process.start()
        assert store.get(NAME, IDS)[0].text == "kept"
    finally:
        process.stop()


@pytest.mark.parametrize(
    ("provider", "host", "header", "value"),
    [
        ("chromadb.auth.token_authn.TokenAuthClientProvider", "h", "authorization", "Bearer u:p"),
        ("chromadb.auth.basic_authn.BasicAuthClientProvider", "h", "authorization", "Basic dTpw"),
        ("", "api.trychroma.com", "x-chroma-token", "u:p"),
    ],
)
def test_difys_ways_to_log_in(provider: str, host: str, header: str, value: str) -> None:
    settings = ChromaSettings.checked({"host": host, "auth_provider": provider, "auth_credentials": "u:p"})
    backend = Chroma.open(settings, Options())
    assert backend.calls.rest.headers == {header: value}  # type: ignore[attr-defined]
    assert "u:p" not in repr(settings) + repr(backend.calls.rest)  # type: ignore[attr-defined]


def test_an_unknown_way_to_log_in_is_refused() -> None:
    settings = ChromaSettings.checked({"host": "h", "auth_provider": "magic", "auth_credentials": "x"})
    with pytest.raises(InvalidInput, match="magic"):
        Chroma.open(settings, Options())


def _open_in_another_process(location: str, said: Any) -> None:
    try:
        vector.open(location, {}, Options(retries=0)).collections()
        said.put("opened")
    except Unavailable as error:
        said.put(f"{error}; {error.hint}")


def test_a_folder_is_for_one_process(tmp_path: Path) -> None:
    location = f"chroma://{tmp_path}/c"
    with vector.open(location, {}) as store:
        store.create(NAME, 2)
        context = multiprocessing.get_context("spawn")
        said: Any = context.Queue()
        process = context.Process(target=_open_in_another_process, args=(location, said))
        process.start()
        answer = said.get(timeout=60)
        process.join(60)
    assert "another process has it open" in answer
    assert "chroma server" in answer
