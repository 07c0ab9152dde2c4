"""`berth vector`, as users type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typed_commands import Berth

from cloudberth import vector
from cloudberth.vector.conformance.model import records


@pytest.fixture
def store(tmp_path: Path) -> str:
    with vector.open(str(tmp_path / "v.db")) as opened:
        opened.create("notes", 16, model="m-1")
        opened.upsert("notes", records(40))
    return "v.db"


def test_collections_are_listed_and_described(berth: Berth, store: str) -> None:
    listed = berth("vector", "ls", store)
    assert listed.code == 0
    assert "notes" in listed.out
    assert "m-1" in listed.out
    shown = json.loads(berth("vector", "ls", store, "--json").out)
    assert shown["collections"][0] | {"index": ""} == {
        "name": "notes", "records": 40, "dimension": 16, "metric": "cosine", "model": "m-1", "fields": {},
        "index": "", "dify": False,
    }  # fmt: skip
    assert "several processes" in berth("vector", "info", store).out
    assert json.loads(berth("vector", "info", store, "notes", "--json").out)["records"] == 40


def test_searching_by_words_and_by_likeness(berth: Berth, store: str) -> None:
    words = berth("vector", "query", store, "notes", "number 7", "--json", "-k", 3)
    assert json.loads(words.out)[0]["id"] == "r7"
    like = json.loads(berth("vector", "query", store, "notes", "--like", "r9", "-k", "2", "--json").out)
    assert (like[0]["id"], like[0]["score"]) == ("r9", 1.0)
    filtered = berth("vector", "query", store, "notes", "--like", "r9", "--filter", "number < 5")
    assert "r9" not in filtered.out.split()
    assert "5 hits" in filtered.err
    missing = berth("vector", "query", store, "notes", "--like", "nobody")
    assert (missing.code, "there is no record 'nobody'" in missing.err) == (1, True)
    assert berth("vector", "query", store, "notes").code == 2


def test_a_text_is_embedded_by_a_model(berth: Berth, tmp_path: Path) -> None:
    from cloudberth.knowledge.embedding.opening import open_embedder

    model = open_embedder("hash", {})
    with vector.open(str(tmp_path / "e.db")) as opened:
        opened.create("c", model.dimension)
        texts = ["database backups", "garden party"]
        rows = model.embed_documents(texts)
        opened.upsert("c", [vector.Record(text, row, text) for text, row in zip(texts, rows, strict=True)])
    found = json.loads(
        berth("vector", "query", "e.db", "c", "backup of a database", "--model", "hash", "--json").out
    )
    assert (found[0]["id"], found[0]["source"]) == ("database backups", "fused")


def test_moving_and_verifying(berth: Berth, store: str) -> None:
    dry = berth("vector", "migrate", store, "w.db", "--all", "--dry-run")
    assert (dry.code, "40 records" in dry.out) == (0, True)
    with vector.open("w.db") as opened:
        assert opened.collections() == ()
    done = berth("vector", "migrate", store, "w.db", "--all", "--yes")
    assert done.code == 0
    assert "equal: 40 records" in done.out
    assert berth("vector", "verify", store, "w.db", "notes").code == 0
    with vector.open("w.db") as opened:
        opened.delete("notes", ["r3"])
    broken = berth("vector", "verify", store, "w.db", "notes")
    assert (broken.code, "missing: r3" in broken.out) == (4, True)
    again = berth("vector", "migrate", store, "w.db", "-c", "notes", "--json", "--yes")
    assert (again.code, json.loads(again.out)[0]["equal"]) == (0, True)


def test_checks(berth: Berth, store: str) -> None:
    healthy = berth("vector", "doctor", store)
    assert (healthy.code, healthy.out.count("✓")) == (0, 5)
    one = berth("vector", "conformance", store, "--only", "scan", "--json")
    assert {each["outcome"] for each in json.loads(one.out)["checks"]} == {"passed", "skipped"}
    with vector.open(store) as opened:
        assert opened.collections() == ("notes",)


def test_measuring(berth: Berth, tmp_path: Path) -> None:
    done = berth("vector", "bench", "b.db", "--vectors", 300, "--queries", 20, "--dimension", 32, "--json")
    figures = json.loads(done.out)
    assert figures["recall"] == 1.0
    assert figures["search p50 ms"] > 0
    with vector.open("b.db") as opened:
        assert opened.collections() == ()


def test_dropping_asks(berth: Berth, store: str) -> None:
    assert berth("vector", "drop", store, "notes", "--yes").code == 0
    assert berth("vector", "info", store, "notes").code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ls", "nothing://x"], 2, "there is no vector store 'nothing'"),
        (["ls", "pgvector://me:secret@h/db"], 2, "is a secret"),
        (["ls", "x.txt"], 2, "is no vector store"),
        (["info", "v.db", "nobody"], 1, "there is no such collection"),
        (["query", "v.db", "notes", "x", "--filter", "a ="], 2, "not understood"),
        (["migrate", "v.db", "v.db", "-c", "notes", "-y"], 3, "the same collection"),
        (["migrate", "v.db", "w.db", "-y"], 2, "which collections?"),
        (["conformance", "v.db", "--only", "nothing"], 2, "there is no theme nothing"),
    ],
)
def test_wrong_input_is_one_line(
    berth: Berth, store: str, arguments: list[str], code: int, said: str
) -> None:
    result = berth("vector", *arguments)
    assert result.code == code
    assert said in result.err
    assert "Traceback" not in result.err
    assert "secret@" not in result.err
