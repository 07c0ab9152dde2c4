"""How the service is: every part is asked, none keeps the others from answering."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime

from cloudberth.errors import CloudberthError
from cloudberth.knowledge.model import Health, JobState, PartHealth
from cloudberth.knowledge.parts import Parts
from cloudberth.knowledge.working import alive

_PATIENCE = 5.0  # seconds for all of them together


def health_of(parts: Parts) -> Health:
    """See `Knowledge.health`."""
    asked: dict[str, Callable[[], PartHealth]] = {
        "state": lambda: _state(parts),
        "originals": lambda: _originals(parts),
        "vectors": lambda: _vectors(parts),
        "embedding": lambda: _embedding(parts),
        "cache": lambda: _cache(parts),
        "workers": lambda: _workers(parts),
    }
    pool = ThreadPoolExecutor(len(asked), thread_name_prefix="knowledge-health")
    try:
        waiting = {name: pool.submit(call) for name, call in asked.items()}
        found = tuple(_answer(name, each.result, _PATIENCE) for name, each in waiting.items())
    finally:
        # One that hangs ends by its own timeout; nobody waits for it.
        pool.shutdown(wait=False, cancel_futures=True)
    try:
        counts, workers = parts.jobs.counts(), alive(parts)
    except CloudberthError:
        counts, workers = {}, 0
    return Health(
        found, counts.get(JobState.QUEUED, 0), counts.get(JobState.RUNNING, 0), counts.get(JobState.DEAD, 0),
        workers,
    )  # fmt: skip


def _answer(name: str, result: Callable[[float], PartHealth], patience: float) -> PartHealth:
    try:
        return result(patience)
    except NotInTime:
        return PartHealth(name, False, f"no answer within {patience:g} s")
    except CloudberthError as error:
        return PartHealth(name, False, str(error), error.hint)
    except Exception as error:  # health tells, whatever it meets
        return PartHealth(name, False, f"{type(error).__name__}: {error}")


def _state(parts: Parts) -> PartHealth:
    with parts.database.connection() as connection:
        count = connection.rows("SELECT COUNT(*) FROM knowledge_datasets WHERE deleted IS NULL")[0][0]
    return PartHealth("state", True, f"{parts.database.shown}, {count} datasets")


def _originals(parts: Parts) -> PartHealth:
    parts.originals.storage.check()
    return PartHealth("originals", True, parts.originals.storage.place)


def _vectors(parts: Parts) -> PartHealth:
    found = parts.vectors.store.health()
    store = parts.vectors.store.backend
    return PartHealth("vectors", True, f"{store.place} {found.version}".strip())


def _embedding(parts: Parts) -> PartHealth:
    embedder = parts.embedders.named("")
    return PartHealth("embedding", True, f"{embedder.name}, {embedder.dimension} dimensions")


def _cache(parts: Parts) -> PartHealth:
    if parts.cache is None:
        return PartHealth("cache", True, "none")
    found = parts.cache.health()
    return PartHealth("cache", True, f"{parts.cache.backend.place} {found.product} {found.version}".strip())


def _workers(parts: Parts) -> PartHealth:
    count, jobs = alive(parts), parts.jobs.counts()
    dead = jobs.get(JobState.DEAD, 0)
    if not count and jobs.get(JobState.QUEUED, 0):
        return PartHealth("workers", False, "none is alive, and work waits", "start one: berth worker")
    if dead:
        return PartHealth("workers", False, f"{count} alive, {dead} jobs are dead", "look at them, try again")
    return PartHealth("workers", True, f"{count} alive")
