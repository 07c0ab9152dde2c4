"""Stores that are away, workers that die or sleep, changes all at once: what is left is whole."""

from __future__ import annotations

import threading

import pytest
from knowledge_rig import (
    QUICK,
    failing,
    is_quiet,
    ready,
    settled,
    text_of,
    until,
    vector_ids,
    whole,
    work,
)

from cloudberth.errors import InvalidInput, PreconditionFailed, Unavailable
from cloudberth.knowledge import checking, indexing, originals
from cloudberth.knowledge.model import (
    Dataset,
    DocumentStatus,
    JobState,
    RetrievalSettings,
)
from cloudberth.knowledge.service import Knowledge
from cloudberth.knowledge.workers import ThreadWorkers
from cloudberth.knowledge.working import Worker


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
