"""How a store is named: locations, variables, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import InvalidInput, Unsupported
from cloudberth.vector import Fusion, Hit, Metric, Record
from cloudberth.vector.filters import Operator
from cloudberth.vector.scores import dense_score, fuse, text_score
from cloudberth.vector.text import tokens


def test_variables_locations_and_env_files_name_the_same(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    with vector.open(str(path)) as store:
        store.create("c", 3)
    env = tmp_path / "prod.env"
    env.write_text(f"VECTOR_STORE=local\nBERTH_VECTOR_PATH={path}\n")
    for location, environment in (
        ("", {"BERTH_VECTOR_PATH": str(path)}),
        ("env:", {"VECTOR_STORE": "local", "BERTH_VECTOR_PATH": str(path)}),
        (f"local://{path}", {}),
        (str(env), {}),
    ):
        with vector.open(location, environment) as store:
            assert store.collections() == ("c",)


@pytest.mark.parametrize(
    ("location", "environment", "said"),
    [
        ("", {"VECTOR_STORE": "nothing"}, "VECTOR_STORE: there is no vector store 'nothing'"),
        ("nothing://x", {}, "there is no vector store 'nothing'"),
        ("some-file.txt", {}, "'some-file.txt' is no vector store"),
        ("local://user@x/y.db", {}, "local:// takes no user"),
        ("local:///x.db?colour=red", {}, "there is no setting 'colour'"),
        ("local:///x.db?memory=much", {}, "BERTH_VECTOR_MEMORY"),
    ],
)
def test_what_is_wrong_is_said(location: str, environment: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        vector.open(location, environment)
    assert said in str(caught.value)


def test_every_type_of_difys_is_built() -> None:
    import yaml

    from cloudberth.vector.registry import BACKENDS

    facts = Path(vector.__file__).parents[1] / "deployment" / "facts" / "vector_stores.yaml"
    types = set(yaml.safe_load(facts.read_text(encoding="utf-8")))
    assert types <= set(BACKENDS)


def test_a_password_in_a_location_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        vector.open("local://me:hunter2@x/y.db", {})
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_scores_rise_with_nearness() -> None:
    assert dense_score(Metric.COSINE, 1.0000001) == 1.0
    assert dense_score(Metric.L2, 0) == 1.0
    assert dense_score(Metric.L2, 1) == 0.5
    assert dense_score(Metric.INNER, 17) == 17
    assert text_score(0) == 0
    assert text_score(1) == 0.5


def _hit(id: str, source: str, score: float) -> Hit:
    return Hit(Record(id), score, score, source)  # type: ignore[arg-type]


def test_fusion_prefers_what_both_found() -> None:
    dense = [_hit("a", "dense", 0.9), _hit("b", "dense", 0.8), _hit("d", "dense", 0.2)]
    text = [_hit("b", "text", 0.7), _hit("c", "text", 0.6), _hit("e", "text", 0.1)]
    for fusion in (Fusion(), Fusion(kind="ranks")):
        fused = fuse(dense, text, 10, fusion)
        assert [hit.id for hit in fused][:2] == ["b", "a"]
        assert {hit.id for hit in fused} == {"a", "b", "c", "d", "e"}
        assert (fused[0].dense, fused[0].text) == (0.8, 0.7)
        assert fused[1].text is None
        assert all(0 <= hit.score <= 1 for hit in fused)
        assert fuse(dense, [], 1, fusion)[0].id == "a"
    only = Fusion(dense=1, text=0)
    assert [hit.id for hit in fuse(dense, text, 1, only)] == ["a"]
    first = [_hit("x", "dense", 0.4)]
    assert fuse(first, [_hit("x", "text", 3)], 1)[0].score == 1.0


def test_tokens_are_words_and_pairs_of_characters() -> None:
    assert tokens("Hello, WORLD_2 ﬁne") == ["hello", "world", "2", "fine"]
    assert tokens("向量数据库 v2.0 你") == ["向量", "量数", "数据", "据库", "v2", "0", "你"]
    assert tokens("カタカナ 한국어") == ["カタ", "タカ", "カナ", "한국", "국어"]
    assert tokens("混合text中文") == ["混合", "text", "中文"]
    assert tokens("!?… 👩‍👩‍👧") == []


def test_asking_asynchronously_is_the_same(tmp_path: Path) -> None:
    import asyncio

    import numpy

    async def ask() -> list[str]:
        async with vector.open_async(str(tmp_path / "v.db")) as store:
            await store.create("c", 2)
            row = numpy.array([1, 0], numpy.float32)
            await store.upsert("c", [Record(str(at), row + at) for at in range(5)])
            hits = await store.search("c", row, 2)
            scanned = [record.id async for record in store.scan("c", page=2)]
            assert len(scanned) == await store.count("c") == 5
            return [hit.id for hit in hits]

    assert asyncio.run(ask()) == ["0", "1"]


def test_a_metric_that_a_store_lacks_is_refused(tmp_path: Path) -> None:
    with vector.open(str(tmp_path / "v.db")) as store:
        store.capabilities = replace(store.capabilities, metrics=frozenset({Metric.COSINE}))
        with pytest.raises(Unsupported, match="does not measure l2"):
            store.create("c", 3, Metric.L2)


def test_a_filter_that_one_store_has_is_still_refused_by_another(tmp_path: Path) -> None:
    with vector.open(str(tmp_path / "v.db"), {}) as store, vector.open(str(tmp_path / "w.db"), {}) as other:
        for each in (store, other):
            each.create("docs", 2)
        other.capabilities = replace(other.capabilities, filters=frozenset({Operator.EQ}))
        for _ in range(2):  # a filter is understood once, for all stores
            assert store.count("docs", "year > 2020 and year < 2022") == 0
            with pytest.raises(Unsupported, match="has no filter and, gt, lt"):
                other.count("docs", "year > 2020 and year < 2022")
            with pytest.raises(InvalidInput, match="not understood"):
                store.count("docs", "year >")


def test_a_span_when_traces_are_set_up_and_none_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with vector.open(str(tmp_path / "v.db")) as store:
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: trace.ProxyTracerProvider())
        monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
        store.create("notes", 3)
        assert not exporter.get_finished_spans()
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
        store.upsert("notes", [Record("a", numpy.ones(3, numpy.float32), "a text")])
    (span,) = exporter.get_finished_spans()
    assert span.name == "vector upsert"
    assert dict(span.attributes or {}) == {
        "db.system.name": "local", "db.collection.name": "notes", "db.operation.name": "upsert",
    }  # fmt: skip
