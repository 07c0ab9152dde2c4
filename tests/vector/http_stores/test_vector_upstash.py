"""Upstash: Dify's one namespace with all its data sets, the vendor's library, errors and settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from vector_servers.listening import serving
from vector_servers.upstash_rest import TOKEN, UpstashDouble

from cloudberth import vector
from cloudberth.errors import InvalidInput, Mismatch, NotFound, PermissionDenied, Unsupported
from cloudberth.vector.contract import Record
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

SETS = ["11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"]
NAMES = [f"vector_index_{one.replace('-', '_')}_node" for one in SETS]


def record(id: str, given: list[float], text: str = "", **metadata: Any) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata)


@pytest.fixture
def double() -> Iterator[UpstashDouble]:
    with serving(UpstashDouble(dimension=3)) as one:
        yield one


def opened(double: UpstashDouble, token: str = TOKEN) -> VectorStore:
    environment = {
        "VECTOR_STORE": "upstash", "UPSTASH_VECTOR_URL": f"http://127.0.0.1:{double.port}",
        "UPSTASH_VECTOR_TOKEN": token,
    }  # fmt: skip
    return vector.open("", environment, Options(retries=0))


@pytest.fixture
def library(double: UpstashDouble, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = pytest.importorskip("upstash_vector")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return module.Index(url=f"http://127.0.0.1:{double.port}", token=TOKEN, allow_telemetry=False)


def dify_writes(library: Any) -> None:
    """Two data sets, as Dify sends them: random keys, no namespace."""
    from upstash_vector import Vector

    rows = [
        Vector(
            id=f"random-{at}",
            vector=[1.0, float(at), 0.0],
            data=f"text {at}",
            metadata={"doc_id": f"d{at}", "document_id": f"doc{at % 3}", "dataset_id": SETS[at % 2]},
        )
        for at in range(6)
    ]
    library.upsert(vectors=rows)


def test_data_sets_of_dify_are_collections(double: UpstashDouble, library: Any) -> None:
    dify_writes(library)
    store = opened(double)
    assert list(store.collections()) == NAMES
    found = store.describe(NAMES[0])
    assert (found.dify, found.dimension) == (True, 3)
    assert {one.id for one in store.scan(NAMES[0])} == {"d0", "d2", "d4"}
    assert store.count(NAMES[1]) == 3
    hits = store.search(NAMES[0], [1.0, 4.0, 0.0], 2, filter='document_id in ["doc0", "doc1"]')
    assert [hit.id for hit in hits] == ["d4", "d0"]
    assert store.get(NAMES[0], ["d1", "d2"], vectors=True)[0].text == "text 2"
    # A record of Dify is replaced, and Dify finds the new one among its own.
    store.upsert(NAMES[0], [record("d2", [0.0, 0.0, 1.0], "new", document_id="doc9")])
    assert store.count(NAMES[0]) == 3
    (hit,) = library.query(
        vector=[0.0, 0.0, 1.0], top_k=1, include_metadata=True, include_data=True,
        filter="document_id in ('doc9')",
    )  # fmt: skip
    assert (hit.data, hit.metadata["doc_id"], hit.metadata["dataset_id"]) == ("new", "d2", SETS[0])
    assert store.delete(NAMES[0], ["d0"]) == 1
    # Dify's own way to remove a data set is to empty the index.
    store.drop(NAMES[0])
    assert store.collections() == (NAMES[1],)
    assert store.count(NAMES[1]) == 3


def test_the_vendors_library_reads_a_namespace_of_ours(double: UpstashDouble, library: Any) -> None:
    store = opened(double)
    store.create("notes", 3)
    store.upsert("notes", [record("a", [1.0, 2.0, 3.0], "fox", lang="en"), record("b", [3.0, 0.0, 0.0])])
    (hit,) = library.query(
        vector=[1.0, 2.0, 3.0], top_k=1, include_metadata=True, include_data=True, include_vectors=True,
        filter="lang = 'en'", namespace="notes",
    )  # fmt: skip
    assert (hit.id, hit.data, hit.vector) == ("a", "fox", [1.0, 2.0, 3.0])
    assert hit.score == pytest.approx(1.0)
    assert hit.metadata["lang"] == "en"
    assert library.info().namespaces["notes"].vector_count == 2
    page = library.range(cursor="", limit=1, namespace="notes")
    assert (page.vectors[0].id, bool(page.next_cursor)) == ("a", True)


def test_a_filter_holds_nothing_of_what_was_given(double: UpstashDouble) -> None:
    store = opened(double)
    store.create("notes", 3)
    odd = "x' OR HAS FIELD doc_id OR lang = 'y"
    store.upsert("notes", [record("a", [1.0, 0.0, 0.0], lang=odd), record("b", [1.0, 0.0, 0.0], lang="y")])
    assert [hit.id for hit in store.search("notes", [1.0, 0.0, 0.0], filter={"lang": odd})] == ["a"]
    sent = [body["filter"] for path, body in double.requests if path.startswith("/query")]
    assert sent
    assert not any("OR" in one for one in sent)


def test_an_index_that_does_not_fit_is_refused(double: UpstashDouble) -> None:
    with pytest.raises(Mismatch, match="3 dimensions"):
        opened(double).create("notes", 4)
    double.similarity = "EUCLIDEAN"
    with pytest.raises(Unsupported, match="EUCLIDEAN"):
        opened(double).create("notes", 3)


def test_a_wrong_token_is_refused_and_not_shown(double: UpstashDouble) -> None:
    store = opened(double, "sesame-77")
    with pytest.raises(PermissionDenied) as raised:
        store.describe("notes")
    assert "sesame-77" not in f"{raised.value!r} {raised.value.hint} {store!r} {store.backend!r}"


def test_what_is_missing_is_named(double: UpstashDouble) -> None:
    with pytest.raises(InvalidInput, match="UPSTASH_VECTOR_URL"):
        vector.open("", {"VECTOR_STORE": "upstash"})
    with pytest.raises(InvalidInput, match="UPSTASH_VECTOR_TOKEN"):
        vector.open(f"upstash://127.0.0.1:{double.port}?tls=false", {})
    with pytest.raises(NotFound):
        opened(double).count("nothing")
