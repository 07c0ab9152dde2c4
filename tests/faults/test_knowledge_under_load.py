"""Searches without a pause while documents come in, and Redis, a worker and the server itself are killed.

Everything is a process of its own on the loopback: `berth serve`, workers, redis-server. Small by default;
for figures: ``LOAD_SEARCHES=200 LOAD_DOCUMENTS=60 LOAD_EMBEDDING=use pytest -s`` this file.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

import thoroughness

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "knowledge"))

from knowledge_rig import environment, is_quiet, opened, text_of, until, whole

from cloudberth.knowledge.model import Scope

pytestmark = [pytest.mark.server, thoroughness.MARK]

SEARCHES = int(os.environ.get("LOAD_SEARCHES", "12"))
DOCUMENTS = int(os.environ.get("LOAD_DOCUMENTS", "12"))
EMBEDDING = os.environ.get("LOAD_EMBEDDING", "hash")
# Seconds of each phase.
PHASE = float(os.environ.get("LOAD_PHASE", "1"))
PATIENCE = 60.0 + 10 * DOCUMENTS

HANDBOOK = "# Handbook\n\nParental leave is sixteen weeks for every parent, and may be cut in three.\n"
RULES = "# 员工手册\n\n差旅报销须在三十天内提交发票，逾期不予受理。\n"
# A question, and the document that must be among the passages.
QUESTIONS = (
    ("How long is parental leave?", "handbook.md"),
    ("sixteen weeks for every parent", "handbook.md"),
    ("差旅报销须在几天内提交", "rules.md"),
    ("报销 发票 逾期", "rules.md"),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill(process: subprocess.Popen[bytes]) -> None:
    """As the kernel would when memory is short, with its children, and without a last word."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Platform:
    """The processes. with_broker: workers are Celery's, else they ask the database."""

    def __init__(self, folder: Path, *, with_broker: bool) -> None:
        self.folder, self.with_broker = folder, with_broker
        self.data = folder / "data"
        self.ports = (free_port(), free_port())
        self.address = f"http://127.0.0.1:{self.ports[0]}"
        redis = {"CACHE_TYPE": "redis", "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.ports[1])}
        broker = {"CELERY_BROKER_URL": f"redis://127.0.0.1:{self.ports[1]}/1"} if with_broker else {}
        self.variables = environment(
            self.data / "knowledge", BERTH_KNOWLEDGE_EMBEDDING=EMBEDDING, BERTH_KNOWLEDGE_WORKERS="0",
            BERTH_API_PER_MINUTE="100000000", **redis, **broker,
        )  # fmt: skip
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            found = subprocess.Popen(
                command, env={**os.environ, **self.variables}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        self.running.append(found)
        return found

    def redis(self) -> subprocess.Popen[bytes]:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("NOT TESTED: redis-server is not installed (apt-get install redis-server)")
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        return self.start("redis", program, "--port", str(self.ports[1]), *options)

    def server(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cloudberth.cli", "serve", "--no-sample", "--no-exporter"]
        found = self.start("server", *command, "--port", str(self.ports[0]), "--data", str(self.data))

        def answers() -> bool:
            assert found.poll() is None, (self.folder / "server.log").read_text()[-3000:]
            try:
                return httpx.get(f"{self.address}/livez", timeout=20).status_code == 200
            except httpx.TransportError:
                return False

        until(answers, 90)
        return found

    def worker(self) -> subprocess.Popen[bytes]:
        if not self.with_broker:
            own = str(self.data / "knowledge")
            return self.start("worker", sys.executable, "-m", "cloudberth.cli", "worker", "--data", own)
        command = [sys.executable, "-m", "celery", "-A", "cloudberth.knowledge.celery_app", "worker"]
        return self.start("worker", *command, "--concurrency", "1", "--without-mingle", "--without-gossip")

    def close(self) -> None:
        for process in reversed(self.running):
            kill(process)


@dataclass
class Seen:
    """What came of the calls. away: when the server was not there, from and until (monotonic seconds)."""

    phase: str = "before"
    searches: list[tuple[str, float, float, str]] = field(default_factory=list)
    uploads: list[tuple[float, float, str]] = field(default_factory=list)
    away: list[tuple[float, float]] = field(default_factory=list)
    done: bool = False

    def excused(self, began: float, ended: float) -> bool:
        return any(began <= end and ended >= start for start, end in self.away)

    def wrong(self) -> Counter[str]:
        """Answers that nothing excuses, by phase."""
        calls = [*self.searches, *(("upload", *each) for each in self.uploads)]
        return Counter(
            f"{phase}: {what}" for phase, began, ended, what in calls
            if what != "right" and not (what.startswith("lost") and self.excused(began, ended))
        )  # fmt: skip

    def print_figures(self) -> None:
        for phase in dict.fromkeys(each[0] for each in self.searches):
            mine = [each for each in self.searches if each[0] == phase]
            took = sorted(ended - began for _, began, ended, what in mine if what == "right") or [0.0]
            p50, p95, p99 = (took[int(len(took) * part)] * 1000 for part in (0.5, 0.95, 0.99))
            words = dict(Counter(what for *_, what in mine))
            print(f"{phase:14} {words}  p50 {p50:.0f}  p95 {p95:.0f}  p99 {p99:.0f} ms")
        print("uploads", dict(Counter(what for *_, what in self.uploads)))


async def search(client: httpx.AsyncClient, path: str, number: int, seen: Seen) -> None:
    """One caller who asks again as soon as there is an answer."""
    turn = number
    while not seen.done:
        question, expected = QUESTIONS[turn % len(QUESTIONS)]
        turn += 1
        phase, began = seen.phase, time.monotonic()
        # Another text each time, so that it is more than one look into the cache.
        body = {"query": f"{question} {turn % 50}", "settings": {"k": 3}}
        try:
            answer = await client.post(f"{path}/search", json=body)
        except httpx.TransportError as error:
            what = f"lost ({type(error).__name__})"
            await asyncio.sleep(0.1)
        else:
            what = verdict(answer, expected)
        seen.searches.append((phase, began, time.monotonic(), what))


def verdict(answer: httpx.Response, expected: str) -> str:
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.text[:200]}"
    names = [each["document_name"] for each in answer.json()["passages"]]
    return "right" if expected in names else f"wrong passages {names}"


async def upload(client: httpx.AsyncClient, path: str, seen: Seen) -> None:
    """All documents, one after the other; one whose answer was lost is sent again."""
    for number in range(DOCUMENTS):
        file = {"file": (f"{number}.md", text_of(number, "ferries" if number % 2 else "渡轮"))}
        for _ in range(200):
            began = time.monotonic()
            try:
                answer = await client.post(f"{path}/documents", files=file)
            except httpx.TransportError as error:
                seen.uploads.append((began, time.monotonic(), f"lost ({type(error).__name__})"))
                await asyncio.sleep(0.2)
                continue
            # 200: it was there already, since the answer to the first call was lost.
            is_right = answer.status_code in {200, 201, 202}
            what = "right" if is_right else f"{answer.status_code} {answer.text[:200]}"
            seen.uploads.append((began, time.monotonic(), what))
            break
        await asyncio.sleep(4 * PHASE / DOCUMENTS)


async def all_settled(client: httpx.AsyncClient, path: str, count: int) -> list[dict[str, Any]]:
    end = time.monotonic() + PATIENCE
    while True:
        found = (await client.get(f"{path}/documents", params={"size": 200})).json()["items"]
        statuses = Counter(each["status"] for each in found)
        if statuses["ready"] == count == len(found):
            return list(found)
        assert not statuses["failed"], [each for each in found if each["status"] == "failed"]
        assert time.monotonic() < end, f"not settled: {statuses}"
        await asyncio.sleep(0.3)


async def something_is_indexed(client: httpx.AsyncClient, path: str) -> None:
    """Wait for a document that a worker is at; not for ever, since workers may be quicker than looks."""
    end = time.monotonic() + PHASE
    while time.monotonic() < end:
        found = (await client.get(f"{path}/documents", params={"size": 200})).json()["items"]
        if {each["status"] for each in found} - {"waiting", "ready"}:
            return


async def play(platform: Platform, client: httpx.AsyncClient, path: str, seen: Seen) -> None:
    """The faults, one after the other, while searches and uploads go on."""
    redis, first, server, second = platform.running
    await asyncio.sleep(PHASE)
    seen.phase = "redis away"
    kill(redis)
    await asyncio.sleep(PHASE)
    platform.redis()
    seen.phase = "redis back"
    await asyncio.sleep(PHASE)
    await something_is_indexed(client, path)
    seen.phase = "workers killed"
    kill(first)
    kill(second)
    await asyncio.sleep(PHASE)
    platform.worker()
    if not platform.with_broker:
        seen.phase, began = "server killed", time.monotonic()
        await asyncio.to_thread(kill, server)
        await asyncio.to_thread(platform.server)
        seen.away.append((began, time.monotonic()))
        seen.phase = "server back"
        await asyncio.sleep(PHASE)


async def load(platform: Platform, key: str, dataset: str) -> tuple[Seen, list[dict[str, Any]]]:
    seen = Seen()
    path = f"/v1/knowledge/datasets/{dataset}"
    limits = httpx.Limits(max_connections=SEARCHES + 10, max_keepalive_connections=SEARCHES + 10)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=platform.address, headers=headers, limits=limits, timeout=120, trust_env=False
    ) as client:
        for name, text in (("handbook.md", HANDBOOK), ("rules.md", RULES)):
            answer = await client.post(f"{path}/documents", files={"file": (name, text.encode())})
            assert answer.status_code in {201, 202}, answer.text
        await all_settled(client, path, 2)
        async with asyncio.TaskGroup() as tasks:
            for number in range(SEARCHES):
                tasks.create_task(search(client, path, number, seen))
            uploads = tasks.create_task(upload(client, path, seen))
            try:
                await play(platform, client, path, seen)
                await uploads
                seen.phase = "the rest"
                documents = await all_settled(client, path, DOCUMENTS + 2)
            finally:
                seen.done = True
        for each in documents:
            url = f"{path}/documents/{each['id']}/chunks"
            listed = (await client.get(url, params={"size": 200})).json()
            assert each["chunks"] == listed["total"] == len(listed["items"]) > 0, each
    return seen, documents


@pytest.fixture(params=["database", "celery"])
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    """With workers that ask the database, or Celery's on the Redis that is killed."""
    if request.param == "celery":
        pytest.importorskip("celery", reason="NOT TESTED: celery is not installed")
    found = Platform(tmp_path, with_broker=request.param == "celery")
    try:
        yield found
    finally:
        found.close()


def test_nothing_is_lost_and_searches_are_answered(platform: Platform) -> None:
    """Every document is ready once, and only a server that is not there may leave a search unanswered."""
    platform.redis()
    platform.worker()
    platform.data.mkdir()
    with opened(platform.data / "knowledge", **platform.variables) as service:
        dataset = service.create_dataset("load")
        key = service.create_key("load", scope=Scope.WRITE)[1]
    platform.server()
    platform.worker()
    seen, documents = asyncio.run(load(platform, key, dataset.id))
    print()
    seen.print_figures()
    print("documents that took more than one attempt", sum(each["attempts"] > 1 for each in documents))

    assert not seen.wrong()
    assert sorted(each["name"] for each in documents) == sorted(
        ["handbook.md", "rules.md", *(f"{number}.md" for number in range(DOCUMENTS))]
    )
    phases = Counter(phase for phase, *_, what in seen.searches if what == "right")
    expected = {"before", "redis away", "redis back", "workers killed"}
    assert expected <= phases.keys(), "in every phase something must have been asked and answered"
    with opened(platform.data / "knowledge", **platform.variables) as service:
        until(lambda: is_quiet(service), 30)
        whole(service, dataset)
    for log in platform.folder.glob("*.log"):
        assert key not in log.read_text(errors="replace")
