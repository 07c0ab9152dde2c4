"""Celery on a real Redis: messages may be lost, repeated or late; the table of jobs is what counts."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from knowledge_rig import environment, is_quiet, opened, ready, text_of, until, whole

from cloudberth.errors import InvalidInput
from cloudberth.knowledge import celery_queue
from cloudberth.knowledge.celery_queue import Sender
from cloudberth.knowledge.model import Dataset, JobState
from cloudberth.knowledge.service import Knowledge

pytest.importorskip("celery", reason="NOT TESTED: celery is not installed")
pytestmark = pytest.mark.server


class Redis:
    """A server of its own on the loopback that keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self.program = shutil.which("redis-server")
        if self.program is None:
            pytest.skip("NOT TESTED: redis-server is not installed (apt-get install redis-server)")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self.port}/1"

    def start(self) -> None:
        assert self.program is not None
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            [self.program, *options, "--dir", str(self.folder)], stdout=subprocess.DEVNULL
        )
        until(self._answers, 10)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery_queue, "_SWEEP", 0.2)


@pytest.fixture
def service(tmp_path: Path, redis: Redis, quick_sweeps: None) -> Iterator[Knowledge]:
    with opened(tmp_path / "data", CELERY_BROKER_URL=redis.url) as found:
        yield found


def sender_of(knowledge: Knowledge) -> Sender:
    assert isinstance(knowledge.parts.wake, Sender)
    return knowledge.parts.wake


def celery_worker(data: Path, redis: Redis, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "celery", "-A", "cloudberth.knowledge.celery_app", "worker"]
    with log.open("ab") as file:
        return subprocess.Popen(
            [*command, "--concurrency", "2", "--loglevel", "INFO", "--without-mingle", "--without-gossip"],
            env={**os.environ, **environment(data, CELERY_BROKER_URL=redis.url)},
            stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip


def ended(worker: subprocess.Popen[bytes]) -> None:
    """With its children."""
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def children_of(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_yielding(process: int) -> bool:
    """Whether it works at the lower priority of workers."""
    return os.getpriority(os.PRIO_PROCESS, process) >= 10


def all_ready(knowledge: Knowledge, dataset: Dataset, count: int) -> bool:
    found = knowledge.documents(dataset.id, size=200).items
    return len([each for each in found if ready(each)]) == count and is_quiet(knowledge)


def test_documents_are_indexed_though_redis_and_workers_die(
    service: Knowledge, redis: Redis, tmp_path: Path
) -> None:
    """One after the other: the ordinary way, a Redis that is killed with its messages, a worker that is."""
    data, log = tmp_path / "data", tmp_path / "celery.log"
    dataset = service.create_dataset("d")
    worker = celery_worker(data, redis, log)
    try:
        for number in range(5):
            service.add_document(dataset.id, f"{number}.md", text_of(number))
        until(lambda: all_ready(service, dataset, 5), 60)
        assert service.health().workers == 2
        if sys.platform == "linux":
            assert any(is_yielding(process) for process in children_of(worker.pid))

        redis.stop()
        began = time.monotonic()
        for number in range(5, 10):
            service.add_document(dataset.id, f"{number}.md", text_of(number))
        # A broker that is away keeps nobody waiting.
        assert time.monotonic() - began < 10
        assert service.jobs(state=JobState.QUEUED).total == 5
        redis.start()
        until(lambda: all_ready(service, dataset, 10), 90)

        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        for number in range(10, 15):
            service.add_document(dataset.id, f"{number}.md", text_of(number))
        service.delete_document(dataset.id, service.documents(dataset.id, search="3.md").items[-1].id)
        worker = celery_worker(data, redis, log)
        until(lambda: all_ready(service, dataset, 14), 90)

        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    except AssertionError:
        print(log.read_text()[-4000:])
        raise
    finally:
        ended(worker)
    whole(service, dataset)


def test_a_job_that_comes_twice_is_done_once(service: Knowledge, redis: Redis) -> None:
    """Messages are sent again while the job runs, and after it is done."""
    from redis import Redis as Client

    dataset = service.create_dataset("d")
    document = service.add_document(dataset.id, "a.md", text_of(1))
    waiting = Client.from_url(redis.url)
    until(lambda: waiting.llen(celery_queue.QUEUE) == 1)
    job = service.jobs().items[0]
    sender_of(service)(job.id)
    assert waiting.llen(celery_queue.QUEUE) == 2
    raw = waiting.lindex(celery_queue.QUEUE, 0)
    body = base64.b64decode(json.loads(raw)["body"])
    assert job.id.encode() in body
    assert b"a.md" not in body
    worker = celery_worker(service.parts.database.path.parent, redis, redis.folder / "celery.log")
    try:
        until(lambda: waiting.llen(celery_queue.QUEUE) == 0 and all_ready(service, dataset, 1), 60)
    finally:
        ended(worker)
    assert service.document(dataset.id, document.id).generation == 1
    whole(service, dataset)


def test_what_is_no_redis_is_refused(tmp_path: Path) -> None:
    for broker in ("amqp://user:secret@host//", "redis-cluster://host"):
        with pytest.raises(InvalidInput, match="no Redis") as caught:
            opened(tmp_path / "data", CELERY_BROKER_URL=broker)
        assert "secret" not in f"{caught.value}{caught.value.hint}"
