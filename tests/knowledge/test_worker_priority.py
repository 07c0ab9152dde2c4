"""Workers yield to searches: the niceness of their threads, and with how many of them they multiply."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from knowledge_rig import environment, opened, ready, text_of, until

from cloudberth.errors import InvalidInput
from cloudberth.knowledge import priority, settings
from cloudberth.knowledge.service import Knowledge
from cloudberth.knowledge.settings import KnowledgeSettings
from cloudberth.knowledge.workers import ProcessWorkers, ThreadWorkers, start_workers

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: niceness of threads is Linux's")


def niceness(thread: int = 0) -> int:
    return os.getpriority(os.PRIO_PROCESS, thread)


def threads_of(process: int) -> list[int]:
    return [int(each.name) for each in Path(f"/proc/{process}/task").iterdir()]


@on_linux
@pytest.mark.parametrize(("variables", "expected"), [({}, 10), ({"BERTH_KNOWLEDGE_WORKER_NICENESS": "3"}, 3)])
def test_every_thread_of_a_worker_process_yields(
    tmp_path: Path, variables: dict[str, str], expected: int
) -> None:
    data, own = tmp_path / "data", niceness()
    with opened(data) as knowledge:
        dataset = knowledge.create_dataset("d")
        with ProcessWorkers(knowledge.parts, environment(data, **variables), data) as workers:
            document = knowledge.add_document(dataset.id, "a.md", text_of(1))
            until(lambda: ready(knowledge.document(dataset.id, document.id)), 60)
            found = {niceness(thread) for thread in threads_of(workers.processes[0])}
    assert found == {max(expected, own)}
    assert niceness() == own, "the service itself keeps its priority"


@pytest.fixture
def thread_workers(knowledge: Knowledge, tmp_path: Path) -> Iterator[ThreadWorkers]:
    found = start_workers(knowledge.parts, {"BERTH_KNOWLEDGE_WORKER_KIND": "thread"}, tmp_path / "data")
    assert isinstance(found, ThreadWorkers)
    yield found
    found.stop()


@on_linux
@pytest.mark.usefixtures("thread_workers")
def test_threads_of_a_service_yield_and_its_others_do_not() -> None:
    own = niceness()
    worker = next(each for each in threading.enumerate() if each.name == "knowledge-worker")
    assert worker.native_id is not None
    until(lambda: niceness(worker.native_id or 0) == max(10, own))
    assert niceness() == own


@on_linux
def test_a_priority_is_never_raised() -> None:
    """Whoever starts a worker may want it to yield still more."""
    seen: list[int] = []

    def lower() -> None:
        for asked in (15, 5):
            assert priority.lower_thread(asked)
            seen.append(niceness(threading.get_native_id()))

    thread = threading.Thread(target=lower)
    thread.start()
    thread.join()
    least = max(15, niceness())
    assert seen == [least, least]


@pytest.mark.parametrize("given", ["-1", "20", "low"])
def test_a_niceness_that_there_is_not_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput, match="BERTH_KNOWLEDGE_WORKER_NICENESS"):
        KnowledgeSettings.from_environment({"BERTH_KNOWLEDGE_WORKER_NICENESS": given})


@pytest.mark.parametrize(
    ("cores", "variables", "expected"),
    [
        (1, {}, 1),
        (2, {}, 1),
        (8, {}, 7),
        (8, {"BERTH_KNOWLEDGE_WORKERS": "3"}, 2),
        (8, {"BERTH_KNOWLEDGE_WORKER_THREADS": "8"}, 8),
    ],
)
def test_workers_leave_a_processor_free(
    monkeypatch: pytest.MonkeyPatch, cores: int, variables: dict[str, str], expected: int
) -> None:
    monkeypatch.setattr(settings, "processors", lambda: cores)
    assert KnowledgeSettings.from_environment(variables).threads_of_a_worker == expected


LIMITED = """
import os
from cloudberth.knowledge.priority import limit_threads
from cloudberth.knowledge.settings import KnowledgeSettings
found = limit_threads(KnowledgeSettings.from_environment(os.environ), os.environ)
import numpy
numpy.ones((600, 600)) @ numpy.ones((600, 600))
print(len(os.listdir("/proc/self/task")), os.environ["OPENBLAS_NUM_THREADS"],
      found.get("BERTH_KNOWLEDGE_EMBEDDING_THREADS", "none"))
"""


@on_linux
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"BERTH_KNOWLEDGE_WORKER_THREADS": "1"}, "1 1 1", id="asked"),
        pytest.param(
            {"BERTH_KNOWLEDGE_WORKER_THREADS": "1", "OPENBLAS_NUM_THREADS": "2"}, "1 1 1", id="asked-first"
        ),
        pytest.param(
            {"OPENBLAS_NUM_THREADS": "1", "BERTH_KNOWLEDGE_EMBEDDING_THREADS": "3"}, "1 1 3", id="set-already"
        ),
    ],
)
def test_the_matrix_library_starts_no_more_threads_than_a_worker_may_have(
    variables: dict[str, str], expected: str
) -> None:
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    said = subprocess.run(
        [sys.executable, "-c", LIMITED],
        env={**clean, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == expected
