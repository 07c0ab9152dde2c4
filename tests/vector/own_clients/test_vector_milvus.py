"""Milvus: Dify's layout both ways, long texts, and one process for a file."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import BackendError, InvalidInput, Kind, Unavailable, Unsupported
from cloudberth.vector.contract import FieldType, Record
from cloudberth.vector.options import Options

pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")

NAME = "Vector_index_0a_Node"
IDS = ["a1", "a2", "a3"]


def record(
    id: str, given: Sequence[float], text: str = "", metadata: Mapping[str, Any] | None = None
) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata or {})


def _make_as_dify(path: Path, *, words: bool) -> None:
    """What Dify 1.15 sends for a data set: schema, index, rows."""
    from pymilvus import CollectionSchema, DataType, FieldSchema, Function, FunctionType, MilvusClient

    client = MilvusClient(str(path))
    fields = [
        FieldSchema("metadata", DataType.JSON, max_length=65_535),
        FieldSchema("page_content", DataType.VARCHAR, max_length=65_535, enable_analyzer=words),
        FieldSchema("id", DataType.INT64, is_primary=True, auto_id=True),
        FieldSchema("vector", DataType.FLOAT_VECTOR, dim=2),
    ]
    if words:
        fields.append(FieldSchema("sparse_vector", DataType.SPARSE_FLOAT_VECTOR))
    schema = CollectionSchema(fields)
    index = client.prepare_index_params()
    index.add_index("vector", metric_type="IP", index_type="HNSW", params={"M": 8, "efConstruction": 64})
    if words:
        schema.add_function(
            Function(
                name="text_bm25_emb",
                input_field_names=["page_content"],
                output_field_names=["sparse_vector"],
                function_type=FunctionType.BM25,
            )
        )
        # Dify says AUTOINDEX, which Milvus Lite does not know for words.
        index.add_index("sparse_vector", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    client.create_collection(NAME, schema=schema, index_params=index, consistency_level="Session")
    client.insert(NAME, [_row(id, at) for at, id in enumerate(IDS)])
    client.close()


def _row(id: str, at: int) -> dict[str, Any]:
    return {
        "page_content": f"passage {at}",
        "vector": [1.0, float(at)],
        "metadata": {"doc_id": id, "document_id": "d" if at else "e", "draft": True, "place": at},
    }


def test_a_collection_of_dify_is_read(tmp_path: Path) -> None:
    _make_as_dify(tmp_path / "m.db", words=True)
    with vector.open(f"milvus://{tmp_path}/m.db", {}) as store:
        found = store.describe(NAME)
        assert (found.dify, found.dimension, found.metric.value) == (True, 2, "inner")
        assert store.get(NAME, ["a2", "nothing"])[0].text == "passage 1"
        assert store.count(NAME, "draft == 1") == 0
        assert store.count(NAME, 'document_id == "d" and place > 1') == 1
        assert [hit.id for hit in store.search(NAME, [0.0, 1.0], 5, filter='document_id == "d"')] == [
            "a3",
            "a2",
        ]
        assert [hit.id for hit in store.search_text(NAME, "passage", filter="place == 0")] == ["a1"]
        store.upsert(NAME, [record("a1", [5.0, 5.0], "changed")])
        assert store.count(NAME) == 3
        assert [record.id for record in store.scan(NAME)] == ["a2", "a3", "a1"]
        assert store.delete(NAME, ["a2"]) == 1


def test_a_collection_without_words_says_so(tmp_path: Path) -> None:
    _make_as_dify(tmp_path / "m.db", words=False)
    with (
        vector.open(f"milvus://{tmp_path}/m.db", {}) as store,
        pytest.raises(Unsupported, match="without a search by words"),
    ):
        store.search_text(NAME, "passage")


def test_rows_that_dify_adds_to_ours_are_filtered_right(tmp_path: Path) -> None:
    with vector.open(f"milvus://{tmp_path}/m.db", {}) as store:
        store.create(NAME, 2, fields={"document_id": FieldType.KEYWORD, "place": FieldType.INTEGER})
        store.upsert(NAME, [record("ours", [1.0, 0.0], "x", {"document_id": "d"})])
    from pymilvus import MilvusClient

    client = MilvusClient(str(tmp_path / "m.db"))
    client.insert(NAME, [_row("a2", 1)])
    client.close()
    with vector.open(f"milvus://{tmp_path}/m.db", {}) as store:
        assert store.count(NAME, 'document_id == "d"') == 2
        assert store.count(NAME, "not exists(draft)") == store.count(NAME, "place != 1") == 1
        assert [record.id for record in store.get(NAME, ["a2", "ours"])] == ["a2", "ours"]


@pytest.mark.parametrize("lite", [False, True], ids=["an_array", "one_text"])
def test_facets_are_found_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lite: bool
) -> None:
    """In an array on servers (and in files made before 2026-11-27), in one text in new files."""
    from cloudberth.vector import _milvus_schema, milvus

    def schema(*given: Any, **named: Any) -> Any:
        return _milvus_schema.schema(*given, **{**named, "lite": lite})

    monkeypatch.setattr(milvus, "schema", schema)
    with vector.open(f"milvus:///?path={tmp_path / 'm.db'}") as store:
        store.create("notes", 3)
        store.upsert("notes", [record("a", [1.0, 2.0, 3.0], "", {"n": 1, "w": "x"})])
        store.upsert("notes", [record("b", [3.0, 2.0, 1.0], "", {"n": 12, "w": "1"})])
        for wanted, found in (
            ("n == 1", ["a"]), ("n in [12, 13]", ["b"]), ("w == '1'", ["b"]), ("exists(w) and n > 1", ["b"]),
            ("n != 1", ["b"]), ("n in []", []), ("not (w in ['x', '1'])", []),
        ):  # fmt: skip
            hits = store.search("notes", [1.0, 2.0, 3.0], 5, filter=wanted)
            assert sorted(hit.id for hit in hits) == found, wanted


def test_a_text_that_is_too_long_is_refused_by_name(tmp_path: Path) -> None:
    with vector.open(f"milvus://{tmp_path}/m.db", {}) as store:
        store.create(NAME, 2)
        with pytest.raises(InvalidInput, match="65535 bytes"):
            store.upsert(NAME, [record("long", [1.0, 0.0], "字" * 30_000)])
        assert store.count(NAME) == 0


def test_a_number_that_the_library_cannot_send_is_refused_at_once(tmp_path: Path) -> None:
    with vector.open(f"milvus://{tmp_path}/m.db", {}) as store:
        store.create(NAME, 2)
        with pytest.raises(BackendError, match="64-bit") as refused:
            store.upsert(NAME, [record("large", [1.0, 0.0], "", {"n": 2**70})])
        assert refused.value.kind is Kind.INVALID
        assert store.metrics.retries["upsert"] == 0
        assert store.count(NAME) == 0


def test_settings_that_make_no_sense_are_refused() -> None:
    for variables, said in (
        ({"MILVUS_URI": "nowhere"}, "MILVUS_URI"),
        ({"MILVUS_ANALYZER_PARAMS": "{"}, "MILVUS_ANALYZER_PARAMS"),
    ):
        with pytest.raises(InvalidInput, match=said):
            vector.open("env:", {"VECTOR_STORE": "milvus", **variables})


def test_a_server_that_is_away_is_unavailable_and_keeps_its_secret() -> None:
    environment = {
        "VECTOR_STORE": "milvus",
        "MILVUS_URI": "http://127.0.0.1:9",
        "MILVUS_TOKEN": "very-secret",
    }
    store = vector.open("env:", environment, Options(retries=0, timeout=2))
    with pytest.raises(Unavailable) as away:
        store.collections()
    assert "very-secret" not in f"{away.value} {away.value!r} {store!r}"


def _open_in_another_process(location: str, said: Any) -> None:
    try:
        vector.open(location, {}, Options(retries=0)).collections()
        said.put("opened")
    except Unavailable as error:
        said.put(str(error))


def test_a_file_is_for_one_process(tmp_path: Path) -> None:
    location = f"milvus://{tmp_path}/m.db"
    with vector.open(location, {}) as store:
        store.create(NAME, 2)
        context = multiprocessing.get_context("spawn")
        said: Any = context.Queue()
        process = context.Process(target=_open_in_another_process, args=(location, said))
        process.start()
        answer = said.get(timeout=60)
        process.join(60)
    assert "another process has it open" in answer
