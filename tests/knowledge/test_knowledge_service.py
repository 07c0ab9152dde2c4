"""Documents in, passages out, and gone again when they are deleted."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from knowledge_rig import QUICK, is_quiet, opened, ready, settled, text_of, until, vector_ids, whole, work

from cloudberth.errors import InvalidInput, Mismatch, NotFound, PreconditionFailed, Refused, Unavailable
from cloudberth.knowledge import checking, indexing, originals
from cloudberth.knowledge.model import (
    Dataset,
    DocumentStatus,
    JobState,
    Mode,
    RetrievalSettings,
    Scope,
)
from cloudberth.knowledge.service import Knowledge
from cloudberth.knowledge.workers import ThreadWorkers
from cloudberth.knowledge.working import Worker


@contextmanager
def failing(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, error: Exception
) -> Iterator[list[int]]:
    """Let a call fail while the block runs; how often it was made."""
    calls: list[int] = []

    def fail(*_: object, **__: object) -> None:
        calls.append(1)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(place, name, fail)
        yield calls


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


def test_a_store_that_is_away_is_tried_again(
    knowledge: Knowledge, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = knowledge.add_document(dataset.id, "a.md", text_of(1))
    store = knowledge.parts.vectors.store
    with failing(monkeypatch, store, "upsert", Unavailable("503 from the store", where="vectors")) as calls:
        assert work(knowledge) == 1
        shown = knowledge.document(dataset.id, document.id)
        assert (shown.status, shown.attempts) == (DocumentStatus.WAITING, 1)
        assert "503 from the store" in shown.error
        job = knowledge.jobs().items[0]
        assert (job.state, job.attempts) == (JobState.QUEUED, 1)
        until(lambda: work(knowledge) > 0)
    assert len(calls) >= 2
    until(lambda: work(knowledge) > 0)
    shown = knowledge.document(dataset.id, document.id)
    assert (shown.status, shown.error) == (DocumentStatus.READY, "")
    whole(knowledge, dataset)


def test_a_store_that_stays_away_ends_in_an_error_that_can_be_tried_again(
    knowledge: Knowledge, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = knowledge.add_document(dataset.id, "a.md", text_of(1))
    bucket = knowledge.parts.originals
    with failing(monkeypatch, type(bucket), "load", Unavailable("no route to the bucket")) as calls:
        until(lambda: work(knowledge) >= 0 and knowledge.document(dataset.id, document.id).is_settled)
    assert len(calls) == 6
    shown = knowledge.document(dataset.id, document.id)
    assert (shown.status, shown.attempts) == (DocumentStatus.FAILED, 6)
    assert "no route" in shown.error
    job = knowledge.jobs(state=JobState.DEAD).items[0]
    knowledge.retry_job(job.id)
    assert knowledge.document(dataset.id, document.id).status is DocumentStatus.WAITING
    work(knowledge)
    assert ready(knowledge.document(dataset.id, document.id))


def test_a_deletion_is_tried_until_it_is_done(
    knowledge: Knowledge, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = knowledge.add_document(dataset.id, "a.md", text_of(1))
    work(knowledge)
    store = knowledge.parts.vectors.store
    with failing(monkeypatch, store, "delete_where", Unavailable("away")) as calls:
        knowledge.delete_document(dataset.id, document.id)
        until(lambda: work(knowledge) >= 0 and len(calls) > 8)
    assert knowledge.jobs().items[0].state is JobState.QUEUED
    until(lambda: work(knowledge) >= 0 and is_quiet(knowledge))
    assert vector_ids(knowledge, dataset) == set()
    whole(knowledge, dataset)


def test_an_upload_that_the_bucket_refuses_is_an_error_for_the_caller(
    knowledge: Knowledge, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = knowledge.parts.originals.storage
    with failing(monkeypatch, bucket, "save", Unavailable("503 slow down")), pytest.raises(Unavailable):
        knowledge.add_document(dataset.id, "a.md", text_of(1))
    assert knowledge.documents(dataset.id).total == 0
    # What may have been written half is found by its name.
    with knowledge.parts.database.connection() as connection:
        assert len(connection.rows("SELECT content_key FROM knowledge_uploads")) == 1
    monkeypatch.setattr(originals, "ABANDONED", -1.0)
    knowledge.parts.originals.sweep()
    whole(knowledge, dataset)


def test_an_upload_that_was_given_up_is_refused_and_removed(
    knowledge: Knowledge, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = knowledge.parts
    save = parts.originals.storage.save

    def slow(key: str, data: bytes, **settings: object) -> object:
        found = save(key, data, **settings)  # type: ignore[call-overload]
        with monkeypatch.context() as patch:
            patch.setattr(originals, "ABANDONED", -1.0)
            parts.originals.sweep()
        return found

    monkeypatch.setattr(parts.originals.storage, "save", slow)
    with pytest.raises(PreconditionFailed, match="given up"):
        knowledge.add_document(dataset.id, "a.md", text_of(1))
    assert knowledge.documents(dataset.id).total == 0
    whole(knowledge, dataset)


def test_a_document_that_kills_its_workers_ends_as_failed(knowledge: Knowledge, dataset: Dataset) -> None:
    document = knowledge.add_document(dataset.id, "a.md", text_of(1))
    for number in range(6):
        job = knowledge.parts.jobs.claim(f"victim {number}", 60)
        assert job is not None
        knowledge.parts.jobs.expire(job.worker)
    work(knowledge)
    shown = knowledge.document(dataset.id, document.id)
    assert shown.status is DocumentStatus.FAILED
    assert "died 6 times" in shown.error


def test_a_worker_that_was_asleep_takes_back_what_it_wrote(
    knowledge: Knowledge, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease ran out, the document was deleted meanwhile by others, then it wakes up in the middle."""
    document = knowledge.add_document(dataset.id, "a.md", text_of(1))
    parts = knowledge.parts
    put, sleeper = parts.vectors.put, Worker(parts, QUICK)

    def put_after_a_nap(*arguments: object) -> None:
        monkeypatch.setattr(parts.vectors, "put", put)
        with parts.database.transaction(alone=True) as connection:
            connection.run("UPDATE knowledge_jobs SET lease = 0")
        knowledge.delete_document(dataset.id, document.id)
        until(lambda: work(knowledge) >= 0 and is_quiet(knowledge))
        put(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(parts.vectors, "put", put_after_a_nap)
    monkeypatch.setattr(indexing, "_REPORTS", 0.0)
    sleeper.run_one()
    assert vector_ids(knowledge, dataset) == set()
    whole(knowledge, dataset)


def test_vectors_without_a_document_are_never_shown_and_can_be_removed(
    knowledge: Knowledge, dataset: Dataset
) -> None:
    for number in range(3):
        knowledge.add_document(dataset.id, f"{number}.md", text_of(number))
    work(knowledge)
    store = knowledge.parts.vectors.store
    some = list(store.scan(dataset.collection))
    strays = [
        type(each)(f"00000000-0000-4000-8000-{at:012}", each.vector, each.text, {"document_id": "x"})
        for at, each in enumerate(some)
    ]
    store.upsert(dataset.collection, strays)
    store.delete(dataset.collection, [some[0].id])
    found = knowledge.search(dataset.id, "boat pier", RetrievalSettings(k=len(some) - 1)).passages
    assert len(found) == len(some) - 1
    difference = checking.repair(knowledge.parts, dataset)
    assert set(difference.orphans) == {each.id for each in strays}
    assert difference.missing == (some[0].id,)
    assert work(knowledge) == 1
    assert checking.compare(knowledge.parts, dataset).is_none
    whole(knowledge, dataset)


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


def test_a_rebuild_that_cannot_be_done_leaves_the_old_vectors(
    knowledge: Knowledge, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge.add_document(dataset.id, "a.md", text_of(1))
    work(knowledge)
    parts = knowledge.parts
    other = parts.embedders.named("hash")
    smaller = type(other)(32)
    parts.embedders._opened["small"] = smaller
    knowledge.reembed(dataset.id, "small")
    with failing(monkeypatch, smaller, "embed_documents", InvalidInput("this model is broken")):
        work(knowledge)
    now = knowledge.dataset(dataset.id)
    assert (now.collection, now.reembedding) == (dataset.collection, "")
    assert "broken" in now.error
    assert parts.vectors.store.collections() == (dataset.collection,)
    assert knowledge.search(dataset.id, "pier").passages


def test_deletions_and_changes_at_once_leave_no_trace(knowledge: Knowledge, dataset: Dataset) -> None:
    documents = [knowledge.add_document(dataset.id, f"{n}.md", text_of(n)) for n in range(12)]
    with ThreadWorkers(knowledge.parts, 3, QUICK):

        def disturb(number: int) -> None:
            document = documents[number]
            for turn in range(3):
                knowledge.replace_document(dataset.id, document.id, text_of(100 * number + turn))
                knowledge.reindex(dataset.id, document.id)
                knowledge.update_document(dataset.id, document.id, metadata={"turn": turn})
            if number % 2:
                knowledge.delete_document(dataset.id, document.id)

        threads = [threading.Thread(target=disturb, args=(number,)) for number in range(12)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        until(lambda: is_quiet(knowledge), 60)
    left = settled(knowledge, dataset)
    assert {each.id for each in left} == {each.id for each in documents[::2]}
    assert all(ready(each) and each.metadata == {"turn": 2} for each in left)
    records = list(knowledge.parts.vectors.store.scan(dataset.collection, vectors=False))
    assert all(each.metadata["turn"] == 2 for each in records)
    whole(knowledge, dataset)


def test_workers_that_are_stopped_give_their_jobs_back(
    knowledge: Knowledge, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = knowledge.add_document(dataset.id, "a.md", text_of(1))
    working = threading.Event()
    documents = knowledge.parts.embedders.documents

    def slowly(*arguments: object) -> object:
        working.set()
        until(lambda: workers._stop.is_set())
        return documents(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(knowledge.parts.embedders, "documents", slowly)
        workers = ThreadWorkers(knowledge.parts, 1, QUICK).start()
        assert working.wait(10)
        assert knowledge.health().workers == 1
        assert workers.stop()
    job = knowledge.jobs().items[0]
    assert (job.state, job.attempts, job.worker) == (JobState.QUEUED, 0, "")
    assert knowledge.health().workers == 0
    work(knowledge)
    assert ready(knowledge.document(dataset.id, document.id))
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


def test_health_says_what_is_wrong_and_answers_all_the_same(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert knowledge.health().ok
    dataset = knowledge.create_dataset("d")
    knowledge.add_document(dataset.id, "a.md", text_of(1))
    with failing(monkeypatch, knowledge.parts.vectors.store, "health", Unavailable("gone")):
        found = {each.name: each for each in knowledge.health().parts}
    assert not found["vectors"].ok
    assert "gone" in found["vectors"].detail
    assert not found["workers"].ok
    assert "berth worker" in found["workers"].hint
    assert found["state"].ok
    assert found["originals"].ok
