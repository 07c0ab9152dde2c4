"""Documents in, passages out, and gone again when they are deleted."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from knowledge_rig import (
    failing,
    is_quiet,
    opened,
    ready,
    text_of,
    vector_ids,
    whole,
    work,
)

from cloudberth.errors import InvalidInput, Mismatch, NotFound, Refused
from cloudberth.knowledge.model import (
    Dataset,
    DocumentStatus,
    JobState,
    Mode,
    RetrievalSettings,
    Scope,
)
from cloudberth.knowledge.service import Knowledge


def test_a_document_can_be_found_by_words_meaning_and_both(knowledge: Knowledge, dataset: Dataset) -> None:
    for number in range(6):
        knowledge.add_document(dataset.id, f"{number}.md", text_of(number), metadata={"number": number})
    assert knowledge.search(dataset.id, "pier 4").passages == ()
    assert work(knowledge) == 6
    for mode in Mode:
        question = "When does boat 4 leave from pier 4?"
        found = knowledge.search(dataset.id, question, RetrievalSettings(mode, k=3))
        assert found.passages[0].document_name == "4.md", mode
        first = found.passages[0]
        assert "pier 4" in first.text
        assert first.heading == "Notes 4 › Times"
        assert first.metadata == {"number": 4}
        assert (first.scores.dense is None) == (mode is Mode.TEXT)
        assert (first.scores.text is None) == (mode is Mode.DENSE)
        finals = [each.scores.final for each in found.passages]
        assert finals == sorted(finals, reverse=True)
        document = knowledge.document(dataset.id, first.document_id)
        assert document.characters >= first.end > first.start
    chinese = knowledge.search(dataset.id, "3号码头的渡轮", RetrievalSettings(k=1)).passages[0]
    assert chinese.document_name == "3.md"
    shown = knowledge.dataset(dataset.id)
    assert (shown.documents, shown.waiting, shown.failed) == (6, 0, 0)
    assert shown.chunks == len(vector_ids(knowledge, dataset))
    whole(knowledge, dataset)


def test_filters_and_thresholds_leave_out_passages(knowledge: Knowledge, dataset: Dataset) -> None:
    for number in range(8):
        knowledge.add_document(dataset.id, f"{number}.md", text_of(number), metadata={"number": number})
    work(knowledge)

    def names(**settings: object) -> set[str]:
        chosen = RetrievalSettings(k=20, **settings)  # type: ignore[arg-type]
        found = knowledge.search(dataset.id, "punctual boat", chosen)
        return {each.document_name for each in found.passages}

    assert names(filter={"number": {"$gte": 6}}) == {"6.md", "7.md"}
    assert names(filter="number in [1, 2]", mode=Mode.TEXT) == {"1.md", "2.md"}
    assert names(filter="number == 99") == set()
    for mode in (Mode.DENSE, Mode.HYBRID):
        scores = [
            each.scores.dense or -1.0
            for each in knowledge.search(dataset.id, "punctual boat", RetrievalSettings(mode, k=50)).passages
        ]
        middle = sorted(scores)[len(scores) // 2]
        kept = knowledge.search(
            dataset.id, "punctual boat", RetrievalSettings(mode, k=50, score_threshold=middle)
        ).passages
        assert 0 < len(kept) < len(scores)
        assert all((each.scores.dense or -1.0) >= middle for each in kept)
    with pytest.raises(InvalidInput, match="filter"):
        names(filter="number = 1; drop table")


def test_children_are_found_and_their_parent_is_given(knowledge: Knowledge, dataset: Dataset) -> None:
    paragraphs = [
        f"Paragraph {number} tells of the lighthouse {number} and its lamp {number} at some length. " * 4
        for number in range(8)
    ]
    chunking = {"mode": "parent-child", "max_tokens": 400, "child_max_tokens": 60, "overlap_tokens": 0}
    document = knowledge.add_document(
        dataset.id, "lights.txt", "\n\n".join(paragraphs).encode(), chunking=chunking
    )
    work(knowledge)
    chunks = knowledge.chunks(dataset.id, document.id).items
    parents = {each.id: each for each in chunks if each.is_parent}
    children = [each for each in chunks if not each.is_parent]
    assert len(parents) < len(children)
    assert {each.parent for each in children} == set(parents)
    assert vector_ids(knowledge, dataset) == {each.id for each in children}
    found = knowledge.search(dataset.id, "the lamp of lighthouse 5", RetrievalSettings(k=len(parents)))
    assert len(found.passages) == len(parents)
    assert len({each.chunk_id for each in found.passages}) == len(parents)
    for passage in found.passages:
        assert passage.text == parents[passage.chunk_id].text
        assert passage.matched
        assert {each.parent for each in passage.matched} == {passage.chunk_id}


def test_the_same_text_is_given_once(knowledge: Knowledge, dataset: Dataset) -> None:
    for name in ("a.md", "b.md", "c.md"):
        knowledge.add_document(dataset.id, name, b"# One\n\nThe very same words stand in all of them.")
    knowledge.add_document(dataset.id, "d.md", b"# Two\n\nThe same words, and a few others too.")
    work(knowledge)
    found = knowledge.search(dataset.id, "the very same words", RetrievalSettings(k=2)).passages
    assert len(found) == 2
    assert len({each.text for each in found}) == 2


def test_what_was_uploaded_twice_is_there_once(knowledge: Knowledge, dataset: Dataset) -> None:
    first = knowledge.add_document(dataset.id, "a.md", text_of(1))
    assert knowledge.add_document(dataset.id, "a.md", io.BytesIO(text_of(1))).id == first.id
    second = knowledge.add_document(dataset.id, "a.md", [text_of(2)[:9], text_of(2)[9:]])
    assert second.id != first.id
    work(knowledge)
    replaced = knowledge.add_document(dataset.id, "a.md", text_of(3), same_name="replace")
    assert replaced.id == second.id
    assert knowledge.documents(dataset.id).total == 2
    work(knowledge)
    assert b"".join(knowledge.original(dataset.id, second.id)) == text_of(3)
    whole(knowledge, dataset)


def test_a_replaced_document_is_found_as_it_was_until_it_is_indexed(
    knowledge: Knowledge, dataset: Dataset
) -> None:
    document = knowledge.add_document(dataset.id, "a.md", b"# A\n\nThe password of the wifi is swordfish.")
    work(knowledge)
    assert (
        knowledge.replace_document(
            dataset.id, document.id, b"# A\n\nThe password of the wifi is swordfish."
        ).status
        is DocumentStatus.READY
    )
    assert is_quiet(knowledge)
    for attempt in range(3):
        content = f"# A\n\nThe password of the wifi is changed for the time number {attempt}."
        changed = knowledge.replace_document(dataset.id, document.id, content.encode())
        assert changed.status is DocumentStatus.WAITING
    search = lambda: knowledge.search(dataset.id, "wifi password").passages[0].text  # noqa: E731
    assert "swordfish" in search()
    # Only the newest of three that waited is done.
    assert work(knowledge) == 1
    assert "number 2" in search()
    assert knowledge.document(dataset.id, document.id).generation == 4
    whole(knowledge, dataset)


def test_an_outcome_is_kept_until_something_changes(knowledge: Knowledge, dataset: Dataset) -> None:
    document = knowledge.add_document(dataset.id, "a.md", text_of(1))
    work(knowledge)
    first = knowledge.search(dataset.id, "pier")
    again = knowledge.search(dataset.id, " pier ")
    assert (first.cached, again.cached) == (False, True)
    assert again.passages == first.passages
    assert not knowledge.search(dataset.id, "pier", RetrievalSettings(k=1)).cached
    knowledge.update_document(dataset.id, document.id, name="b.md", metadata={"year": 2026})
    renamed = knowledge.search(dataset.id, "pier")
    assert not renamed.cached
    assert renamed.passages[0].document_name == "b.md"
    assert renamed.passages[0].metadata == {"year": 2026}
    filtered = RetrievalSettings(filter="year == 2026")
    assert knowledge.search(dataset.id, "pier", filtered).passages == ()
    work(knowledge)
    assert knowledge.search(dataset.id, "pier", filtered).passages
    assert knowledge.search(dataset.id, "pier", filtered).cached
    knowledge.delete_document(dataset.id, document.id)
    gone = knowledge.search(dataset.id, "pier")
    assert (gone.cached, gone.passages) == (False, ())


def test_vectors_are_made_once_for_a_text(
    knowledge: Knowledge, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = knowledge.add_document(dataset.id, "a.md", text_of(1))
    work(knowledge)
    embedder = knowledge.parts.embedders.named("")
    with failing(monkeypatch, embedder, "embed_documents", AssertionError("embedded again")):
        knowledge.reindex(dataset.id, document.id)
        work(knowledge)
    assert knowledge.document(dataset.id, document.id).generation == 2
    whole(knowledge, dataset)


def test_everything_of_a_deleted_document_is_gone(knowledge: Knowledge, dataset: Dataset) -> None:
    kept = knowledge.add_document(dataset.id, "kept.md", text_of(1))
    gone = knowledge.add_document(dataset.id, "gone.md", text_of(2))
    work(knowledge)
    knowledge.delete_document(dataset.id, gone.id)
    with pytest.raises(NotFound):
        knowledge.document(dataset.id, gone.id)
    with pytest.raises(NotFound):
        knowledge.original(dataset.id, gone.id)
    with pytest.raises(NotFound):
        knowledge.delete_document(dataset.id, gone.id)
    names = {each.document_name for each in knowledge.search(dataset.id, "boat 2 pier 2").passages}
    assert names == {"kept.md"}
    assert work(knowledge) == 1
    assert [each.id for each in knowledge.documents(dataset.id).items] == [kept.id]
    cache = knowledge.parts.cache
    assert cache is not None
    # One vector for each chunk that is left, and those of the questions.
    assert cache.under("embeddings").count() == knowledge.dataset(dataset.id).chunks + 1
    whole(knowledge, dataset)
    assert [each.status for each in knowledge.events(after=0) if each.document_id == gone.id][-1] == "deleted"


def test_everything_of_a_deleted_dataset_is_gone(knowledge: Knowledge, dataset: Dataset) -> None:
    other = knowledge.create_dataset("other")
    knowledge.add_document(other.id, "o.md", text_of(9))
    for number in range(3):
        knowledge.add_document(dataset.id, f"{number}.md", text_of(number))
    work(knowledge)
    knowledge.add_document(dataset.id, "late.md", text_of(7))
    _, key = knowledge.create_key("app", dataset_id=dataset.id, scope=Scope.WRITE)
    knowledge.delete_dataset(dataset.id)
    for call in (knowledge.dataset, knowledge.delete_dataset, knowledge.documents):
        with pytest.raises(NotFound):
            call(dataset.id)
    assert work(knowledge) == 1
    assert knowledge.parts.vectors.store.collections() == (other.collection,)
    assert {info.key.split("/")[1] for info in knowledge.parts.originals.storage.list()} == {other.id}
    assert knowledge.authenticate(key) is None
    assert knowledge.search(other.id, "pier").passages
    assert knowledge.create_dataset("handbook").id != dataset.id
    with knowledge.parts.database.connection() as connection:
        for table in ("datasets", "documents", "chunks", "keys", "jobs"):
            column = "id" if table == "datasets" else "dataset_id"
            where = f"SELECT 1 FROM knowledge_{table} WHERE {column} = ?"
            assert connection.rows(where, (dataset.id,)) == [], table


def test_a_file_that_is_no_document_fails_and_says_so(knowledge: Knowledge, dataset: Dataset) -> None:
    bad = knowledge.add_document(dataset.id, "bad.md", b" \n\n\t\n")
    broken = knowledge.add_document(dataset.id, "broken.pdf", b"%PDF-1.7 and then nothing of the kind")
    good = knowledge.add_document(dataset.id, "good.md", text_of(1))
    work(knowledge)
    failed = knowledge.document(dataset.id, bad.id)
    assert failed.status is DocumentStatus.FAILED
    assert failed.error == "bad.md: there is no text in it"
    failed = knowledge.document(dataset.id, broken.id)
    assert failed.status is DocumentStatus.FAILED
    assert "broken.pdf: the PDF file is broken" in failed.error
    assert failed.hint == "upload it again"
    assert ready(knowledge.document(dataset.id, good.id))
    assert knowledge.dataset(dataset.id).failed == 2
    dead = knowledge.jobs(state=JobState.DEAD).items
    assert {each.document_id for each in dead} == {bad.id, broken.id}
    assert not knowledge.health().ok
    knowledge.replace_document(dataset.id, bad.id, text_of(2))
    assert work(knowledge) == 1
    assert ready(knowledge.document(dataset.id, bad.id))
    knowledge.delete_document(dataset.id, broken.id)
    assert work(knowledge) == 1
    assert knowledge.jobs().total == 0
    whole(knowledge, dataset)


@pytest.mark.parametrize(
    ("name", "data", "settings", "what"),
    [
        pytest.param("", b"x", {}, "name", id="no-name"),
        pytest.param("a\nb", b"x", {}, "one line", id="lines"),
        pytest.param("a.md", b"", {}, "nothing in it", id="empty"),
        pytest.param("a.md", b"x" * 5000, {}, "more than 4,096 bytes", id="large"),
        pytest.param("a.md", b"x", {"metadata": {"doc_id": "1"}}, "service's own", id="reserved"),
        pytest.param("a.md", b"x", {"chunking": {"max_token": 3}}, "max_token", id="chunking"),
        pytest.param("a.md", b"x", {"chunking": {"cleaning": {"nonsense": True}}}, "nonsense", id="cleaning"),
    ],
)
def test_what_cannot_be_taken_leaves_nothing_behind(
    tmp_path: Path, name: str, data: bytes, settings: dict[str, object], what: str
) -> None:
    with opened(tmp_path / "data", BERTH_KNOWLEDGE_MAX_BYTES="4096") as knowledge:
        dataset = knowledge.create_dataset("d")
        with pytest.raises(InvalidInput, match=what):
            knowledge.add_document(dataset.id, name, data, **settings)  # type: ignore[arg-type]
        assert knowledge.documents(dataset.id).total == 0
        assert is_quiet(knowledge)
        whole(knowledge, dataset)


def test_a_large_upload_goes_through_a_file_that_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    line = b"All work and no play makes a dull boat.\n\n"
    with opened(tmp_path / "data") as knowledge:
        dataset = knowledge.create_dataset("d")
        made = knowledge.add_document(dataset.id, "long.txt", (line for _ in range(120_000)))
        assert made.size == len(line) * 120_000
        assert sum(map(len, knowledge.original(dataset.id, made.id))) == made.size
    assert list(temporary.iterdir()) == []


def test_another_model_is_refused_until_the_dataset_is_embedded_again(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as knowledge:
        dataset = knowledge.create_dataset("d")
        for number in range(3):
            knowledge.add_document(dataset.id, f"{number}.md", text_of(number))
        work(knowledge)
    with opened(tmp_path / "data", BERTH_KNOWLEDGE_EMBEDDING_DIMENSIONS="64") as knowledge:
        assert knowledge.search(dataset.id, "pier", RetrievalSettings(Mode.TEXT)).passages
        with pytest.raises(Mismatch, match="hash/1/384") as caught:
            knowledge.search(dataset.id, "pier 1")
        assert "embed the dataset again" in caught.value.hint
        late = knowledge.add_document(dataset.id, "late.md", text_of(5))
        work(knowledge)
        assert knowledge.document(dataset.id, late.id).status is DocumentStatus.FAILED
        job = knowledge.reembed(dataset.id, "hash")
        assert job.kind == "reembed"
        with pytest.raises(Refused, match="already"):
            knowledge.reembed(dataset.id, "hash")
        knowledge.reindex(dataset.id, late.id)
        work(knowledge)
        now = knowledge.dataset(dataset.id)
        assert (now.dimension, now.reembedding, now.error) == (64, "", "")
        assert now.collection != dataset.collection
        assert knowledge.parts.vectors.store.collections() == (now.collection,)
        assert knowledge.search(dataset.id, "boat 1 pier 1").passages[0].document_name == "1.md"
        assert ready(knowledge.document(dataset.id, late.id))
        with pytest.raises(InvalidInput, match="already"):
            knowledge.reembed(dataset.id, "hash")
        whole(knowledge, dataset)


def test_a_preview_keeps_nothing(knowledge: Knowledge) -> None:
    shown = knowledge.preview(
        "a.md", text_of(3), chunking={"mode": "sentences", "max_tokens": 20, "overlap_tokens": 0}, most=2
    )
    assert len(shown.chunks) == 2
    assert shown.total > 2
    assert list(knowledge.parts.originals.storage.list()) == []
    with pytest.raises(InvalidInput):
        knowledge.preview("a.xyz", b"\x00\x01\x02")
