"""Weaviate: Dify's layout both ways, through the vendor's own library and a double of the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import InvalidInput, PermissionDenied, Unavailable
from cloudberth.vector.contract import Record
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

pytest.importorskip("weaviate")
from vector_servers.weaviate_double import WeaviateDouble, serving

NAME = "Vector_index_0a_Node"
IDS = ["6f0f6b0c-3a3e-4d7e-9a53-0c1d6a1f2b44", "6f0f6b0c-3a3e-4d7e-9a53-0c1d6a1f2b45"]
# The object of the second record has another id, as in Dify before 1.15.
OBJECTS = [IDS[0], "00000000-0000-4000-8000-000000000001"]


def record(
    id: str, given: Sequence[float], text: str = "", metadata: Mapping[str, Any] | None = None
) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata or {})


@pytest.fixture
def double() -> Iterator[WeaviateDouble]:
    with serving(WeaviateDouble()) as one:
        yield one


def _variables(double: WeaviateDouble, key: str = "") -> dict[str, str]:
    return {
        "VECTOR_STORE": "weaviate",
        "WEAVIATE_ENDPOINT": f"http://127.0.0.1:{double.http_port}",
        "WEAVIATE_GRPC_ENDPOINT": f"127.0.0.1:{double.grpc_port}",
        "WEAVIATE_API_KEY": key,
    }


def opened(double: WeaviateDouble, key: str = "") -> VectorStore:
    return vector.open("env:", _variables(double, key), Options(retries=0, timeout=10))


def vendors_client(double: WeaviateDouble) -> Any:
    import weaviate

    return weaviate.connect_to_custom(
        http_host="127.0.0.1",
        http_port=double.http_port,
        http_secure=False,
        grpc_host="127.0.0.1",
        grpc_port=double.grpc_port,
        grpc_secure=False,
        skip_init_checks=True,
    )


def _make_as_dify(double: WeaviateDouble) -> None:
    import weaviate.classes.config as config

    with vendors_client(double) as client:
        client.collections.create(
            name=NAME,
            properties=[
                config.Property(
                    name="text", data_type=config.DataType.TEXT, tokenization=config.Tokenization.WORD
                ),
                config.Property(name="document_id", data_type=config.DataType.TEXT),
                config.Property(name="doc_id", data_type=config.DataType.TEXT),
                config.Property(name="chunk_index", data_type=config.DataType.INT),
            ],
            vector_config=config.Configure.Vectors.self_provided(),
        )
        with client.collections.use(NAME).batch.dynamic() as batch:
            for at, id in enumerate(IDS):
                properties = {"text": f"passage {at}", "doc_id": id, "document_id": "d", "dataset_id": "s"}
                batch.add_object(
                    properties=properties, uuid=OBJECTS[at], vector={"default": [1.0, float(at)]}
                )


def test_a_class_of_dify_is_read(double: WeaviateDouble) -> None:
    _make_as_dify(double)
    with opened(double) as store:
        found = store.describe(NAME)
        assert (found.dify, found.dimension, found.metric.value) == (True, 2, "cosine")
        assert [record.id for record in store.get(NAME, IDS)] == IDS
        assert store.get(NAME, IDS[1:])[0].metadata == {"document_id": "d", "dataset_id": "s"}
        hits = store.search(NAME, [0.0, 1.0], 2, filter='document_id == "d" and not exists(chunk_index)')
        assert [hit.id for hit in hits] == [IDS[1], IDS[0]]
        assert store.search_text(NAME, "1 passage")[0].id == IDS[1]
        store.upsert(NAME, [record(IDS[1], [0.0, 3.0], "changed", {"document_id": "e"})])
        assert store.count(NAME) == 2
        assert store.delete(NAME, IDS[1:]) == 1


def test_dify_reads_what_we_write(double: WeaviateDouble) -> None:
    from weaviate.classes.query import Filter, MetadataQuery

    with opened(double) as store:
        store.create(NAME, 2)
        metadata = {"document_id": "d", "dataset_id": "s", "doc_hash": "h", "year": 2024}
        store.upsert(NAME, [record(IDS[0], [1.0, 0.0], "passage", metadata)])
    with vendors_client(double) as client:
        found = client.collections.use(NAME).query.near_vector(
            near_vector=[1.0, 0.0],
            target_vector="default",
            filters=Filter.by_property("document_id").contains_any(["d"]),
            return_metadata=MetadataQuery(distance=True),
            return_properties=["text", "document_id", "doc_id", "dataset_id", "doc_hash"],
        )
    (one,) = found.objects
    assert str(one.uuid) == IDS[0]
    assert one.metadata.distance == pytest.approx(0.0, abs=1e-6)
    assert (one.properties["text"], one.properties["doc_id"]) == ("passage", IDS[0])
    assert (one.properties["dataset_id"], one.properties["doc_hash"]) == ("s", "h")


def test_a_wrong_key_is_refused_and_not_shown() -> None:
    with serving(WeaviateDouble(key="right")) as double:
        with pytest.raises(PermissionDenied) as refused:
            opened(double, "wrong-secret").collections()
        assert "wrong-secret" not in f"{refused.value} {refused.value!r}"
        assert opened(double, "right").collections() == ()


def test_a_server_that_is_away_is_unavailable() -> None:
    environment = {"WEAVIATE_ENDPOINT": "http://127.0.0.1:9", "WEAVIATE_GRPC_ENDPOINT": "127.0.0.1:10"}
    store = vector.open("env:", {"VECTOR_STORE": "weaviate", **environment}, Options(retries=0, timeout=3))
    with pytest.raises(Unavailable):
        store.collections()


def test_settings_that_make_no_sense_are_refused() -> None:
    for variables, said in (
        ({}, "WEAVIATE_ENDPOINT"),
        ({"WEAVIATE_ENDPOINT": "http://h", "WEAVIATE_TOKENIZATION": "x"}, "WEAVIATE_TOKENIZATION"),
        ({"WEAVIATE_ENDPOINT": "http://h", "WEAVIATE_GRPC_ENDPOINT": "h:x"}, "WEAVIATE_GRPC_ENDPOINT"),
    ):
        with pytest.raises(InvalidInput, match=said):
            vector.open("env:", {"VECTOR_STORE": "weaviate", **variables})
