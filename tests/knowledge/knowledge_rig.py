"""A knowledge service for tests: embedded stores, letters for an embedder, quick leases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloudberth.knowledge.model import Dataset, Document, DocumentStatus
from cloudberth.knowledge.opening import open_knowledge
from cloudberth.knowledge.service import Knowledge
from cloudberth.knowledge.working import Pace, Worker

QUICK = Pace(lease=2.0, idle=0.02, retry=0.05, longest=0.2, tidy=0.5)


def opened(data: Path, **variables: str) -> Knowledge:
    """A service on everything that is embedded; variables stand above that."""
    return open_knowledge({"BERTH_KNOWLEDGE_EMBEDDING": "hash", **variables}, data)


def work(knowledge: Knowledge, pace: Pace = QUICK) -> int:
    """Do everything that may be done now; how many jobs it was."""
    worker, count = Worker(knowledge.parts, pace), 0
    while worker.run_one():
        count += 1
    return count


def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


def settled(knowledge: Knowledge, dataset: Dataset) -> tuple[Document, ...]:
    """All documents, when nothing happens to any of them any more."""
    return tuple(each for each in knowledge.documents(dataset.id, size=200).items if each.is_settled)


def is_quiet(knowledge: Knowledge) -> bool:
    """Whether no job is left."""
    return knowledge.jobs().total == 0


def text_of(number: int, topic: str = "ferries") -> bytes:
    """A small document that nothing else is like."""
    return (
        f"# Notes {number}\n\nThis is about {topic}, number {number}.\n\n"
        f"## Times\n\nThe boat {number} leaves at {number % 24}:15 from pier {number}. It is punctual.\n\n"
        f"## 中文\n\n第{number}号渡轮从{number}号码头出发，非常准时。\n"
    ).encode()


def vector_ids(knowledge: Knowledge, dataset: Dataset) -> set[str]:
    """Everything that the vector store has of a dataset; its collection is made with the first document."""
    collection = knowledge.dataset(dataset.id).collection
    store = knowledge.parts.vectors.store
    return set(knowledge.parts.vectors.ids(collection)) if store.exists(collection) else set()


def whole(knowledge: Knowledge, dataset: Dataset) -> None:
    """Assert that store and tables say the same, and that no original is kept that no document has."""
    assert vector_ids(knowledge, dataset) == set(knowledge.parts.chunks.current_ids(dataset.id))
    keys = {info.key for info in knowledge.parts.originals.storage.list(f"knowledge/{dataset.id}/")}
    with knowledge.parts.database.connection() as connection:
        rows = connection.rows(
            "SELECT content_key FROM knowledge_documents WHERE dataset_id = ?", (dataset.id,)
        )
        uploads = connection.rows("SELECT content_key FROM knowledge_uploads")
        strays = connection.rows(
            "SELECT c.id FROM knowledge_chunks c LEFT JOIN knowledge_documents d ON d.id = c.document_id"
            " AND d.generation = c.generation WHERE d.id IS NULL"
        )
    assert keys == {row[0] for row in rows}
    assert not uploads
    assert not strays


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


def ready(document: Document) -> bool:
    return document.status is DocumentStatus.READY


class WorkerForks:
    """Worker processes, forked from one that has everything imported: they start at once."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _FORKS], env={**os.environ, **variables}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.alive: list[int] = []

    def start(self) -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write("\n")
        self._parent.stdin.flush()
        self.alive.append(int(self._parent.stdout.readline()))
        return self.alive[-1]

    def kill(self, process: int) -> None:
        os.kill(process, signal.SIGKILL)
        self.alive.remove(process)

    def close(self) -> None:
        """Ask them to stop, and wait for all."""
        for process in self.alive:
            os.kill(process, signal.SIGTERM)
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        assert self._parent.wait(30) == 0


_FORKS = """
import os, signal, sys
import numpy
from cloudberth.knowledge.worker import work
import cloudberth.knowledge.documents, cloudberth.knowledge.embedding.hash_ngrams, cloudberth.vector.local
children = set()
for _ in sys.stdin:
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        work()
        os._exit(0)
    children.add(child)
    print(child, flush=True)
ends = [os.waitpid(child, 0)[1] for child in children]
sys.exit(not all(end in (0, signal.SIGKILL) for end in ends))
"""


def environment(data: Path, **variables: str) -> Mapping[str, str]:
    """For processes of their own."""
    return {
        "BERTH_KNOWLEDGE_EMBEDDING": "hash",
        "BERTH_KNOWLEDGE_DATA": str(data),
        "BERTH_KNOWLEDGE_LEASE": "2",
        "BERTH_KNOWLEDGE_RETRY": "0.1",
        **variables,
    }
