"""Embeddings, rerankers and chat over HTTP, against a server on this machine that answers as vendors do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from model_server import Asked, ModelServer, Reply, serving

from cloudberth.errors import (
    BackendError,
    InvalidInput,
    Kind,
    NotFound,
    PermissionDenied,
    TimedOut,
    Unavailable,
)
from cloudberth.knowledge.embedding import Embedder, open_embedder
from cloudberth.knowledge.embedding.chat import Chat, Message, open_chat
from cloudberth.knowledge.embedding.rerank import Ranked, open_reranker

KEY = "sk-very-secret"
QUESTION = [Message("system", "Answer."), Message("user", "天气？")]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving() as found:
        yield found


def embedder(server: ModelServer, **given: str) -> Embedder:
    return open_embedder(
        "openai", {}, **{"url": server.url, "key": KEY, "model": "m", "retries": "2", **given}
    )


def vectors_of(asked: Asked) -> Reply:
    """Vectors whose first number is the length of the text, in no order."""
    data = [{"index": at, "embedding": [len(text), 3.0, 4.0]} for at, text in enumerate(asked.body["input"])]
    return Reply({"data": data[::-1]})


def test_embeddings_come_in_the_order_of_the_texts(server: ModelServer) -> None:
    server.answer = vectors_of
    with embedder(server, batch="2") as found:
        assert found.dimension == 3
        vectors = found.embed_documents(["aaaa", "b", "云端" * 3])
    expected = np.array([[4, 3, 4], [1, 3, 4], [6, 3, 4]], dtype=np.float32)
    assert np.allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True))
    assert [len(asked.body["input"]) for asked in server.asked] == [1, 2, 1]
    assert {asked.path for asked in server.asked} == {"/v1/embeddings"}
    assert server.asked[1].headers["authorization"] == f"Bearer {KEY}"
    assert server.asked[1].body["model"] == "m" and "dimensions" not in server.asked[1].body


def test_azure_takes_its_key_and_version_elsewhere(server: ModelServer) -> None:
    server.answer = vectors_of
    url = f"{server.url}/openai/deployments/small?api-version=2024-10-21"
    embedder(server, url=url, key_header="api-key", dimensions="3").embed_query("x")
    (asked,) = server.asked
    assert asked.path == "/v1/openai/deployments/small/embeddings?api-version=2024-10-21"
    assert asked.headers["api-key"] == KEY and "authorization" not in asked.headers
    assert asked.body["dimensions"] == 3


def test_prefixes_are_put_in_front_and_are_part_of_the_fingerprint(server: ModelServer) -> None:
    server.answer = vectors_of
    found = embedder(server, dimensions="3", query_prefix="query: ", document_prefix="passage: ")
    # Settings lose the spaces at their ends in the environment, not when they are given.
    found.embed_query("x")
    found.embed_documents(["y"])
    assert [asked.body["input"] for asked in server.asked] == [["query: x"], ["passage: y"]]
    assert found.fingerprint != embedder(server, dimensions="3").fingerprint


def test_a_server_that_takes_fewer_texts_is_sent_fewer(server: ModelServer) -> None:
    def ten_at_most(asked: Asked) -> Reply:
        if len(asked.body["input"]) > 10:
            return Reply(
                {"error": {"message": "batch size is invalid, it should not be larger than 10"}}, 400
            )
        return vectors_of(asked)

    server.answer = ten_at_most
    found = embedder(server, dimensions="3")
    assert found.embed_documents([f"text {at}" for at in range(40)]).shape == (40, 3)
    sizes = [len(asked.body["input"]) for asked in server.asked]
    assert sizes == [40, 20, 10, 10, 20, 10, 10]
    server.asked.clear()
    found.embed_documents(["x"] * 25)
    assert [len(asked.body["input"]) for asked in server.asked] == [10, 10, 5]


def test_a_busy_server_is_asked_again_when_it_says(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("cloudberth.retry.time.sleep", waited.append)
    replies = [Reply({}, 429, {"retry-after": "7"}), Reply({}, 503, {"retry-after-ms": "1500"})]

    def busy(asked: Asked) -> Reply:
        return replies.pop(0) if replies else vectors_of(asked)

    server.answer = busy
    assert embedder(server, dimensions="3").embed_query("x").shape == (3,)
    assert 7 <= waited[0] < 7.6 and 1.5 <= waited[1] < 2.6


def say(message: str, code: str = "") -> dict[str, Any]:
    return {"error": {"message": message, "code": code, "type": "invalid_request_error"}}


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (Reply(say("Incorrect API key"), 401), PermissionDenied, "Incorrect API key"),
        (Reply(say("no such model"), 404), NotFound, "no such model"),
        (Reply(say("Over your quota", "insufficient_quota"), 429), BackendError, "Over your quota"),
        (Reply({"detail": "input is too long"}, 422), BackendError, "input is too long"),
        (Reply("<html>bad gateway", 502), Unavailable, "HTTP 502"),
        (Reply({"error": "overloaded"}, 503), Unavailable, "overloaded"),
        (Reply({}, 504), TimedOut, "HTTP 504"),
        (Reply({}, 302, {"location": "http://127.0.0.1:1/"}), BackendError, "it redirects"),
        (Reply("not json"), BackendError, "the answer is no JSON"),
        (Reply({"data": []}), BackendError, "a vector for each text"),
        (Reply({"data": [{"index": 1, "embedding": [1.0]}]}), BackendError, "numbers its vectors wrongly"),
        (Reply({"data": [{"embedding": "AAAA"}]}), BackendError, "something that is no vector"),
        (Reply({"data": [{"embedding": [1.0, "x", 2.0]}]}), BackendError, "no numbers"),
        (Reply({"data": [{"embedding": [1.0, 2.0]}]}), BackendError, "vectors of shape"),
        (Reply('{"data": [{"embedding": [1.0, NaN, 2.0]}]}'), BackendError, "numbers that are none"),
    ],
    ids=[
        "key", "model", "quota", "detail", "html", "string", "gateway-timeout", "redirect", "no-json",
        "too-few", "index", "base64", "no-numbers", "dimension", "nan",
    ],
)  # fmt: skip
def test_failures_are_ours_and_hold_no_key(server: ModelServer, reply: Reply, kind: type, said: str) -> None:
    server.answer = lambda _asked: reply
    with pytest.raises(kind, match=said) as caught:
        embedder(server, dimensions="3", retries="0").embed_query("x")
    assert KEY not in repr(caught.value) + str(caught.value.__cause__) + str(caught.value.__context__)
    assert "127.0.0.1" in caught.value.where or caught.value.where.startswith("openai")


def test_credit_that_is_used_up_is_not_asked_for_again(server: ModelServer) -> None:
    server.answer = lambda _asked: Reply(say("quota", "insufficient_quota"), 429)
    with pytest.raises(BackendError) as caught:
        embedder(server, dimensions="3").embed_query("x")
    assert caught.value.kind is Kind.RATE_LIMITED and not caught.value.retryable and len(server.asked) == 1


def test_nobody_at_the_address_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        open_embedder("openai", {}, url="http://127.0.0.1:9/v1", dimensions="3", retries="0").embed_query("x")


def test_a_key_does_not_travel_unencrypted_nor_stand_in_an_address() -> None:
    with pytest.raises(InvalidInput, match="would travel unencrypted"):
        open_embedder("openai", {}, url="http://api.example.com/v1", key=KEY)
    with pytest.raises(InvalidInput, match="cannot hold a password"):
        open_embedder("openai", {}, url="https://me:word@api.example.com/v1")
    open_embedder("openai", {}, url="http://ollama:11434/v1", key=KEY)
    open_embedder("openai", {}, url="http://10.1.2.3/v1", key=KEY)


# -- rerankers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "answer"),
    [
        (
            "standard",
            {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.2}]},
        ),
        ("standard", {"data": [{"index": 0, "relevance_score": 0.2}, {"index": 1, "relevance_score": 0.9}]}),
        ("tei", [{"index": 0, "score": 0.2}, {"index": 1, "score": 0.9}]),
    ],
    ids=["jina-cohere", "voyage", "tei"],
)
def test_rerankers_order_texts(server: ModelServer, style: str, answer: Any) -> None:
    server.answer = lambda _asked: Reply(answer)
    found = open_reranker({}, url=server.url, key=KEY, model="r", style=style)
    assert found is not None
    assert found.rerank("q", ["a", "b"]) == (Ranked(1, 0.9), Ranked(0, 0.2))
    assert found.rerank("q", ["a", "b"], top=1) == (Ranked(1, 0.9),)
    asked = server.asked[0]
    assert asked.path == "/v1/rerank"
    assert asked.body["texts" if style == "tei" else "documents"] == ["a", "b"]


def test_many_texts_are_ranked_in_parts(server: ModelServer) -> None:
    def by_length(asked: Asked) -> Reply:
        texts = asked.body["documents"]
        return Reply(
            {"results": [{"index": at, "relevance_score": len(text)} for at, text in enumerate(texts)]}
        )

    server.answer = by_length
    found = open_reranker({}, url=server.url, batch="2")
    assert found is not None
    assert [each.index for each in found.rerank("q", ["a", "bbb", "cc", "dddd", ""])] == [3, 1, 2, 0, 4]
    assert len(server.asked) == 3 and found.rerank("q", []) == ()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"results": "x"},
        {"results": [{"index": 0, "relevance_score": 1}]},
        {"results": [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 2}]},
        {"results": [{"index": 0, "relevance_score": 1}, {"index": 2, "relevance_score": 2}]},
        {"results": [{"index": 0, "relevance_score": 1}, {"index": 1, "relevance_score": "high"}]},
    ],
    ids=["empty", "text", "too-few", "twice", "out-of-range", "no-number"],
)
def test_a_ranking_that_makes_no_sense_is_an_error(server: ModelServer, answer: Any) -> None:
    server.answer = lambda _asked: Reply(answer)
    found = open_reranker({}, url=server.url)
    assert found is not None
    with pytest.raises(BackendError, match="the answer"):
        found.rerank("q", ["a", "b"])


def test_without_an_address_there_is_none() -> None:
    assert open_reranker({}) is None and open_chat({}) is None


# -- chat ----------------------------------------------------------------------------------------------------


def chat(server: ModelServer, **given: str) -> Chat:
    found = open_chat(
        {"BERTH_KNOWLEDGE_CHAT_URL": server.url}, **{"key": KEY, "model": "c", "retries": "0", **given}
    )
    assert found is not None
    return found


def event(text: str | None) -> str:
    choices = [] if text is None else [{"delta": {"content": text}}]
    return f"data: {json.dumps({'choices': choices}, ensure_ascii=False)}\n\n"


def test_a_whole_answer(server: ModelServer) -> None:
    server.answer = lambda _asked: Reply(
        {
            "model": "c-2026",
            "choices": [{"message": {"content": "晴。"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2},
        }
    )
    reply = chat(server).answer(QUESTION, max_tokens=50, temperature=0.0)
    assert (reply.text, reply.model, reply.finish_reason, reply.prompt_tokens, reply.completion_tokens) == (
        "晴。", "c-2026", "stop", 9, 2,
    )  # fmt: skip
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.body["messages"][1] == {"role": "user", "content": "天气？"}
    assert asked.body["max_tokens"] == 50 and asked.body["temperature"] == 0.0 and "stream" not in asked.body


def test_an_answer_streams_in_pieces_wherever_they_are_cut(server: ModelServer) -> None:
    whole = ": ping\n\n" + event("今天") + event(None) + event("晴") + "data: [DONE]\n\n"
    cut = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    server.answer = lambda _asked: Reply(pieces=cut)
    assert list(chat(server).stream(QUESTION)) == ["今天", "晴"]
    assert server.asked[0].body["stream"] is True


def test_a_stream_that_breaks_off_is_an_error_after_what_came(server: ModelServer) -> None:
    server.answer = lambda _asked: Reply(pieces=[event("half")], broken=True)
    pieces = chat(server).stream(QUESTION)
    assert next(pieces) == "half"
    with pytest.raises(Unavailable):
        next(pieces)


def test_an_error_inside_of_a_stream_is_an_error(server: ModelServer) -> None:
    server.answer = lambda _asked: Reply(
        pieces=[event("a"), 'data: {"error": {"message": "overloaded"}}\n\n']
    )
    pieces = chat(server).stream(QUESTION)
    assert next(pieces) == "a"
    with pytest.raises(Unavailable, match="overloaded"):
        next(pieces)


def test_a_stream_can_be_left(server: ModelServer) -> None:
    server.answer = lambda _asked: Reply(pieces=[event("a"), event("b"), "data: [DONE]\n\n"])
    found = chat(server)
    pieces = found.stream(QUESTION)
    assert next(pieces) == "a"
    pieces.close()  # type: ignore[attr-defined]
    assert list(found.stream(QUESTION)) == ["a", "b"]


def test_a_model_that_takes_other_names_is_asked_by_them(server: ModelServer) -> None:
    def reasoning(asked: Asked) -> Reply:
        if "max_tokens" in asked.body:
            return Reply(say("Unsupported parameter: use 'max_completion_tokens' instead."), 400)
        if "temperature" in asked.body:
            return Reply(say("Unsupported value: 'temperature' does not support 0.2"), 400)
        return Reply({"choices": [{"message": {"content": "ok"}}]})

    server.answer = reasoning
    found = chat(server)
    assert found.answer(QUESTION, max_tokens=5, temperature=0.2).text == "ok"
    assert found.answer(QUESTION, max_tokens=5, temperature=0.2).text == "ok"
    assert len(server.asked) == 4 and server.asked[-1].body["max_completion_tokens"] == 5


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [{}]}, [1], "x"], ids=str)
def test_an_answer_without_a_message_is_an_error(server: ModelServer, answer: Any) -> None:
    server.answer = lambda _asked: Reply(answer)
    with pytest.raises(BackendError, match="the answer"):
        chat(server).answer(QUESTION)


def test_secrets_are_not_shown(server: ModelServer) -> None:
    from cloudberth.knowledge.embedding.chat import ChatSettings

    settings = ChatSettings.from_environment(
        {"BERTH_KNOWLEDGE_CHAT_KEY": KEY, "BERTH_KNOWLEDGE_CHAT_URL": server.url}
    )
    assert KEY not in repr(settings) and KEY not in repr(vars(chat(server)))
