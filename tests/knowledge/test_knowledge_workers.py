"""Workers in processes of their own, killed at any moment; on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from knowledge_rig import (
    WorkerForks,
    environment,
    is_quiet,
    opened,
    ready,
    text_of,
    until,
    whole,
    work,
)

from cloudberth.knowledge.model import Dataset, Job, JobState, RetrievalSettings
from cloudberth.knowledge.service import Knowledge
from cloudberth.knowledge.settings import KnowledgeSettings
from cloudberth.knowledge.workers import MODULE, ProcessWorkers, ThreadWorkers, start_workers

DOCUMENTS = 30


@pytest.fixture
def shared(tmp_path: Path, any_database: str) -> Iterator[Knowledge]:
    """A service whose state is in either database."""
    with opened(tmp_path / "data", BERTH_KNOWLEDGE_DATABASE=any_database) as found:
        yield found


def started(data: Path, **variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", MODULE], env={**os.environ, **environment(data, **variables)},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def all_ready(knowledge: Knowledge, dataset: Dataset, count: int) -> bool:
    found = knowledge.documents(dataset.id, size=200).items
    assert not [each.error for each in found if each.is_settled and not ready(each)]
    return len([each for each in found if ready(each)]) == count and is_quiet(knowledge)


def test_workers_that_are_killed_at_any_moment_lose_nothing(
    shared: Knowledge, tmp_path: Path, any_database: str
) -> None:
    """Eight kills, each of a worker that is at a job, while documents are indexed, replaced and deleted."""
    dataset = shared.create_dataset("busy")
    documents = [
        shared.add_document(dataset.id, f"{number}.md", text_of(number) * 4) for number in range(DOCUMENTS)
    ]
    chance = random.Random(7)
    variables = {"BERTH_KNOWLEDGE_DATABASE": any_database, "BERTH_KNOWLEDGE_LEASE": "1"}
    workers = WorkerForks(environment(tmp_path / "data", **variables))
    hit: set[tuple[str, int]] = set()
    try:
        for kills in range(8):
            while len(workers.alive) < 2:
                workers.start()
            job = at_work(shared, workers)
            time.sleep(chance.uniform(0, 0.08))
            workers.kill(process_of(job))
            hit.add((job.id, job.attempts))
            if kills == 3:
                for number in range(0, DOCUMENTS, 6):
                    shared.replace_document(dataset.id, documents[number].id, text_of(1000 + number) * 4)
                for number in range(1, DOCUMENTS, 6):
                    shared.delete_document(dataset.id, documents[number].id)
        left = DOCUMENTS - len(range(1, DOCUMENTS, 6))
        until(lambda: all_ready(shared, dataset, left), 60)
    finally:
        workers.close()
    assert len(hit) == 8
    whole(shared, dataset)
    found = shared.search(dataset.id, "boat 1006 pier 1006", RetrievalSettings(k=1)).passages
    assert found[0].document_name == "6.md"
    assert shared.documents(dataset.id).total == left


def at_work(knowledge: Knowledge, workers: WorkerForks) -> Job:
    """A job that a worker is at which is alive."""
    found: list[Job] = []

    def look() -> bool:
        running = knowledge.jobs(state=JobState.RUNNING).items
        # One that is killed at each of six attempts ends as failed, and that is another test.
        found[:] = [job for job in running if process_of(job) in workers.alive and job.attempts < 4]
        return bool(found)

    until(look, 40)
    return found[0]


def process_of(job: Job) -> int:
    return int(job.worker.rsplit("-", 2)[1])


def test_a_worker_gives_its_job_back_when_it_is_asked_to_stop(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with opened(data) as knowledge:
        dataset = knowledge.create_dataset("d")
        worker = started(data, BERTH_KNOWLEDGE_LEASE="3600")
        until(lambda: knowledge.health().workers == 1, 30)
        for number in range(20):
            knowledge.add_document(dataset.id, f"{number}.md", text_of(number) * 20)
        until(lambda: bool(knowledge.jobs(state=JobState.RUNNING).items), 30)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
        # With a lease of an hour, so nothing is left to run out.
        assert knowledge.jobs(state=JobState.RUNNING).total == 0
        assert knowledge.health().workers == 0
        work(knowledge)
        assert all_ready(knowledge, dataset, 20)
        whole(knowledge, dataset)


def test_a_process_that_dies_is_started_again_and_its_work_is_taken_up_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with opened(data) as knowledge:
        dataset = knowledge.create_dataset("d")
        variables = environment(data, BERTH_KNOWLEDGE_LEASE="3600")
        with ProcessWorkers(knowledge.parts, variables, data, 1) as workers:
            until(lambda: knowledge.health().workers == 1, 30)
            first = workers.processes[0]
            for number in range(12):
                knowledge.add_document(dataset.id, f"{number}.md", text_of(number) * 20)
            until(lambda: bool(knowledge.jobs(state=JobState.RUNNING).items), 30)
            os.kill(first, signal.SIGKILL)
            # Far sooner than a lease of an hour.
            until(lambda: all_ready(knowledge, dataset, 12), 60)
            assert workers.processes != (first,)
            last = workers.processes[0]
        with pytest.raises(ProcessLookupError):
            os.kill(last, 0)
        whole(knowledge, dataset)


def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Also when that one was killed: nobody is left to stop it."""
    data = tmp_path / "data"
    opened(data).close()
    code = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from cloudberth.knowledge.opening import open_knowledge\n"
        "from cloudberth.knowledge.workers import start_workers\n"
        "knowledge = open_knowledge()\nworkers = start_workers(knowledge.parts)\n"
        "while not workers.processes: time.sleep(0.05)\n"
        "print(workers.processes[0], flush=True)\ntime.sleep(60)\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **environment(data)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    worker = int(server.stdout.readline())
    server.kill()
    server.wait()

    def is_gone() -> bool:
        try:
            # A process that nobody waits for is still there, as a zombie.
            return Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    until(is_gone, 30)


@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        pytest.param({"BERTH_KNOWLEDGE_WORKER_KIND": "thread"}, ThreadWorkers, id="threads"),
        pytest.param({"BERTH_KNOWLEDGE_WORKERS": "0"}, type(None), id="none"),
    ],
)
def test_the_settings_say_which_workers_there_are(
    knowledge: Knowledge, variables: dict[str, str], kind: type, tmp_path: Path
) -> None:
    workers = start_workers(knowledge.parts, variables, tmp_path / "data")
    assert isinstance(workers, kind)
    if workers is not None:
        assert workers.stop()


def test_a_broker_has_its_own_workers() -> None:
    assert KnowledgeSettings.from_environment({"CELERY_BROKER_URL": "redis://h/1"}).worker_count == 0
    both = {"CELERY_BROKER_URL": "redis://:secret@h/1", "BERTH_KNOWLEDGE_WORKERS": "2"}
    found = KnowledgeSettings.from_environment(both)
    assert found.worker_count == 2
    assert "secret" not in repr(found)
