"""The queue: one worker for a job, whatever dies."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from cloudberth.database import Database
from cloudberth.errors import InvalidInput, NotFound
from cloudberth.knowledge.model import JobState
from cloudberth.knowledge.state.jobs import DELETE_DATASET, INDEX, REEMBED, Claimed, Jobs
from cloudberth.knowledge.state.schema import open_database


@pytest.fixture
def database(any_database: str) -> Iterator[Database]:
    found = open_database(any_database)
    yield found
    found.close()


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database)


def put(database: Database, kind: str, dataset: str, document: str = "", **payload: object) -> str:
    with database.transaction(alone=True) as connection:
        return Jobs(database).add(connection, kind, dataset, document, **payload)


def taken(jobs: Jobs, worker: str = "w", lease: float = 60.0) -> Claimed:
    found = jobs.claim(worker, lease)
    assert found is not None
    return found


def finish(database: Database, job: Claimed) -> bool:
    with database.transaction(alone=True) as connection:
        return Jobs(database).finish(connection, job)


def test_each_job_is_taken_once_by_many_workers(database: Database, jobs: Jobs) -> None:
    wanted = [put(database, INDEX, "d", f"document {number}") for number in range(40)]
    done: list[str] = []

    def run(name: str) -> None:
        while (job := jobs.claim(name, 60)) is not None:
            done.append(job.id)
            assert finish(database, job)

    threads = [threading.Thread(target=run, args=(f"w{number}",)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert Counter(done) == Counter(wanted)
    assert jobs.counts() == {}


def test_a_lease_that_is_not_renewed_ends(database: Database, jobs: Jobs) -> None:
    put(database, INDEX, "d", "a", generation=3)
    first = taken(jobs, "w1", lease=0.2)
    assert first.payload == {"generation": 3}
    assert jobs.claim("w2", 60) is None
    assert jobs.renew(first, 0.2)
    time.sleep(0.3)
    second = taken(jobs, "w2")
    assert (second.id, second.attempts, second.claim) == (first.id, 2, first.claim + 1)
    # The first worker was only asleep: nothing that it does has an effect.
    assert not jobs.renew(first, 60)
    assert not finish(database, first)
    jobs.release(first)
    with database.transaction(alone=True) as connection:
        assert not jobs.again(connection, first, 0, "late", "")
        assert not jobs.bury(connection, first, "late", "")
        assert jobs.is_held(connection, second)
        assert not jobs.is_held(connection, first)
    assert finish(database, second)


def test_a_worker_that_is_known_to_be_dead_is_not_waited_for(database: Database, jobs: Jobs) -> None:
    put(database, INDEX, "d", "a")
    taken(jobs, "w1", lease=3600)
    assert jobs.expire("w1") == 1
    assert taken(jobs, "w2").attempts == 2


def test_a_released_job_is_as_if_it_had_not_been_taken(database: Database, jobs: Jobs) -> None:
    put(database, INDEX, "d", "a")
    jobs.release(taken(jobs))
    assert taken(jobs).attempts == 1


def test_jobs_of_one_document_run_one_after_the_other(database: Database, jobs: Jobs) -> None:
    first, second = (put(database, INDEX, "d", "a") for _ in range(2))
    other = put(database, INDEX, "d", "b")
    one = taken(jobs)
    assert one.id == first
    assert taken(jobs).id == other
    assert jobs.claim("w", 60) is None
    finish(database, one)
    assert taken(jobs).id == second


def test_a_dead_workers_job_comes_before_others_of_its_document(database: Database, jobs: Jobs) -> None:
    first = put(database, INDEX, "d", "a")
    put(database, INDEX, "d", "a")
    taken(jobs, lease=0.05)
    time.sleep(0.1)
    assert taken(jobs).id == first
    assert jobs.claim("w", 60) is None


@pytest.mark.parametrize("kind", [REEMBED, DELETE_DATASET])
def test_an_exclusive_job_is_alone_in_its_dataset(database: Database, jobs: Jobs, kind: str) -> None:
    put(database, INDEX, "d", "a")
    running = taken(jobs)
    exclusive = put(database, kind, "d")
    put(database, INDEX, "d", "b")
    elsewhere = put(database, INDEX, "e", "c")
    assert taken(jobs).id == elsewhere
    assert jobs.claim("w", 60) is None
    finish(database, running)
    alone = taken(jobs)
    assert alone.id == exclusive
    assert jobs.claim("w", 60) is None
    finish(database, alone)
    assert taken(jobs).document_id == "b"


def test_an_exclusive_job_that_waits_for_its_next_attempt_keeps_nobody(
    database: Database, jobs: Jobs
) -> None:
    put(database, REEMBED, "d")
    job = taken(jobs)
    with database.transaction(alone=True) as connection:
        jobs.again(connection, job, 60, "not now", "later")
    put(database, INDEX, "d", "a")
    assert taken(jobs).kind == INDEX


def test_two_exclusive_jobs_of_a_dataset_do_not_wait_for_each_other(database: Database, jobs: Jobs) -> None:
    first, second = put(database, REEMBED, "d"), put(database, DELETE_DATASET, "d")
    one = taken(jobs)
    assert one.id == first
    assert jobs.claim("w", 60) is None
    finish(database, one)
    assert taken(jobs).id == second


def test_a_job_that_failed_waits_and_says_why(database: Database, jobs: Jobs) -> None:
    job_id = put(database, INDEX, "d", "a")
    job = taken(jobs)
    with database.transaction(alone=True) as connection:
        assert jobs.again(connection, job, 0.2, "the store\0 is full", "empty it")
    shown = jobs.list("d", JobState.QUEUED, 1, 10).items[0]
    assert (shown.error, shown.hint, shown.attempts) == ("the store is full", "empty it", 1)
    assert jobs.claim("w", 60) is None
    time.sleep(0.25)
    second = taken(jobs)
    with database.transaction(alone=True) as connection:
        assert jobs.bury(connection, second, "no", "")
    assert jobs.claim("w", 60) is None
    assert jobs.counts() == {JobState.DEAD: 1}
    with database.transaction(alone=True) as connection:
        assert jobs.revive(connection, job_id).state is JobState.QUEUED
        with pytest.raises(InvalidInput, match="not dead"):
            jobs.revive(connection, job_id)
        with pytest.raises(NotFound):
            jobs.revive(connection, "none")
    assert taken(jobs).attempts == 1


def test_only_the_job_that_was_asked_for_is_taken(database: Database, jobs: Jobs) -> None:
    put(database, INDEX, "d", "a")
    second = put(database, INDEX, "d", "b")
    found = jobs.claim("w", 60, second)
    assert found is not None
    assert found.id == second
    assert jobs.claim("w", 60, second) is None
    assert jobs.claim("w", 60, "none") is None


def test_a_broker_is_told_of_each_job_until_it_is_taken(database: Database, jobs: Jobs) -> None:
    first, second = put(database, INDEX, "d", "a"), put(database, INDEX, "d", "b")
    assert set(jobs.unsent(300)) == {first, second}
    assert jobs.unsent(300) == ()
    jobs.unsend((second,))
    assert jobs.unsent(300) == (second,)
    # Its message is used up, and the worker dies: told of once more, at once, and not each time.
    assert jobs.claim("w", 0.05, first) is not None
    time.sleep(0.1)
    assert jobs.unsent(300) == (first,)
    assert jobs.unsent(300) == ()
    assert set(jobs.unsent(0)) == {first, second}
