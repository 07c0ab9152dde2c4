"""Qdrant: Dify's layout both ways, shared collections by group, older servers, and the double itself."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import InvalidInput, NotFound, PermissionDenied, PreconditionFailed, Unavailable
from cloudberth.vector.contract import Record
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

pytest.importorskip("qdrant_client")
from vector_servers.listening import serving
from vector_servers.qdrant_rest import QdrantDouble

IDS = [f"00000000-0000-4000-8000-00000000000{at}" for at in range(4)]
VECTORS = [[3.0, 4.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]


def record(
    id: str, given: Sequence[float], text: str = "", metadata: Mapping[str, Any] | None = None
) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata or {})


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with serving(QdrantDouble()) as one:
        yield one


def opened(double: QdrantDouble, group: str = "", key: str = "") -> VectorStore:
    query = f"?group={group}" if group else ""
    environment = {"QDRANT_API_KEY": key} if key else {}
    return vector.open(f"qdrant://127.0.0.1:{double.port}/{query}".replace("/?", "?"), environment)


def dify_collection(double: QdrantDouble, name: str, group: str) -> None:
    """What Dify 1.15 sends for a data set: the collection, its indexes, and points."""
    import qdrant_client
    from qdrant_client import models

    client = qdrant_client.QdrantClient(url=f"http://127.0.0.1:{double.port}", check_compatibility=False)
    if not client.collection_exists(name):
        client.create_collection(
            name,
            vectors_config=models.VectorParams(size=3, distance=models.Distance.COSINE),
            hnsw_config=models.HnswConfigDiff(m=0, payload_m=16, ef_construct=100, full_scan_threshold=10000),
        )
        client.create_payload_index(name, "group_id", field_schema=models.PayloadSchemaType.KEYWORD)
    points = [
        models.PointStruct(
            id=id.replace("4000", "4001") if group == "b" else id,
            vector=given,
            payload={
                "page_content": f"text {at} 向量 of {group}",
                "metadata": {
                    "doc_id": id.replace("4000", "4001") if group == "b" else id,
                    "document_id": "d1",
                },
                "group_id": group,
            },
        )
        for at, (id, given) in enumerate(zip(IDS, VECTORS, strict=True))
    ]
    client.upsert(name, points)
    client.close()


def test_the_vendors_client_takes_the_double_for_a_server(double: QdrantDouble) -> None:
    import qdrant_client
    from qdrant_client import models

    store = opened(double)
    store.create("ours", 3)
    store.upsert("ours", [record(IDS[0], VECTORS[0], "fox", {"lang": "en"})])
    client = qdrant_client.QdrantClient(url=f"http://127.0.0.1:{double.port}", check_compatibility=False)
    (point,) = client.scroll("ours")[0]
    assert point.id == IDS[0]
    assert point.payload is not None
    assert point.payload["page_content"] == "fox"
    assert point.payload["metadata"] == {"lang": "en", "doc_id": IDS[0]}
    wanted = models.Filter(
        must=[models.FieldCondition(key="metadata.lang", match=models.MatchValue(value="en"))]
    )
    assert [one.id for one in client.query_points("ours", VECTORS[0], query_filter=wanted).points] == [IDS[0]]
    client.close()


def test_a_collection_of_dify_is_read(double: QdrantDouble) -> None:
    dify_collection(double, "Vector_index_1_Node", "a")
    store = opened(double)
    found = store.describe("Vector_index_1_Node")
    assert (found.dify, found.dimension, found.metric.value) == (True, 3, "cosine")
    assert store.get("Vector_index_1_Node", [IDS[1]])[0].metadata == {"document_id": "d1"}
    assert store.search("Vector_index_1_Node", VECTORS[2], 1, filter='document_id == "d1"')[0].id == IDS[2]
    assert {hit.id for hit in store.search_text("Vector_index_1_Node", "text")} == set(IDS)
    assert store.delete_where("Vector_index_1_Node", 'document_id == "d1"') == 4


def test_a_shared_collection_is_seen_by_group(double: QdrantDouble) -> None:
    for group in ("a", "b"):
        dify_collection(double, "Shared_Node", group)
    one, other = opened(double, "a"), opened(double, "b")
    assert one.count("Shared_Node") == other.count("Shared_Node") == 4
    assert one.get("Shared_Node", [IDS[0].replace("4000", "4001")]) == []
    assert one.delete("Shared_Node", [IDS[0].replace("4000", "4001")]) == 0
    assert all("of a" in hit.record.text for hit in one.search("Shared_Node", VECTORS[0], 10))
    one.upsert("Shared_Node", [record("0" * 8 + "-0000-4000-8000-0000000000ff", VECTORS[1], "new")])
    assert (one.count("Shared_Node"), other.count("Shared_Node")) == (5, 4)
    with pytest.raises(PreconditionFailed):
        one.create("Shared_Node", 3)
    one.drop("Shared_Node")
    assert not one.exists("Shared_Node")
    assert other.count("Shared_Node") == 4


def test_lengths_of_vectors_survive_qdrants_cosine(double: QdrantDouble) -> None:
    store = opened(double)
    store.create("lengths", 3)
    store.upsert("lengths", [record(IDS[0], VECTORS[0])])
    found = store.get("lengths", [IDS[0]], vectors=True)[0].vector
    assert found is not None
    assert found.tolist() == pytest.approx(VECTORS[0])


def test_a_server_before_sparse_vectors_is_searched_in_difys_way() -> None:
    with serving(QdrantDouble(version="1.8.3")) as double:
        store = opened(double)
        store.create("old", 3)
        store.upsert("old", [record(IDS[0], VECTORS[0], "a quick fox"), record(IDS[1], VECTORS[1], "a dog")])
        assert [hit.id for hit in store.search("old", VECTORS[0], 1)] == [IDS[0]]
        assert [hit.id for hit in store.search_text("old", "fox")] == [IDS[0]]
        paths = {path for _, path, _ in double.requests}
        assert "/collections/old/points/search" in paths
        assert "/collections/old/points/query" not in paths


def test_a_wrong_key_is_refused_and_not_shown() -> None:
    with serving(QdrantDouble(key="right")) as double:
        store = opened(double, key="wrong-secret")
        with pytest.raises(PermissionDenied) as refused:
            store.collections()
        assert "wrong-secret" not in f"{refused.value!r} {refused.value} {store!r} {store.backend.__dict__}"
        assert opened(double, key="right").collections() == ()


def test_a_server_that_is_away_is_unavailable() -> None:
    store = vector.open("qdrant://127.0.0.1:9", {}, Options(retries=0, timeout=2))
    with pytest.raises(Unavailable):
        store.collections()


def _open_in_another_process(path: str, said: Any) -> None:
    store = vector.open(f"qdrant://{path}", {}, Options(retries=0))
    try:
        store.collections()
        said.put("opened")
    except Unavailable as error:
        said.put(str(error))


def test_a_folder_is_for_one_process(tmp_path: Path) -> None:
    store = vector.open(f"qdrant://{tmp_path}/q", {})
    store.create("mine", 3)
    context = multiprocessing.get_context("spawn")
    said: Any = context.Queue()
    process = context.Process(target=_open_in_another_process, args=(f"{tmp_path}/q", said))
    process.start()
    answer = said.get(timeout=60)
    process.join(60)
    assert "another process has it open" in answer
    store.close()
    assert vector.open(f"qdrant://{tmp_path}/q", {}).collections() == ("mine",)


def test_settings_that_contradict_are_refused() -> None:
    with pytest.raises(InvalidInput, match="host or a path"):
        vector.open("qdrant://host/folder", {})
    with pytest.raises(InvalidInput, match="QDRANT_URL"):
        vector.open("env:", {"VECTOR_STORE": "qdrant"})
    with pytest.raises(NotFound), serving(QdrantDouble()) as double:
        opened(double).describe("nowhere")
