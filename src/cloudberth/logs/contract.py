"""What reads logs: one contract for every store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from cloudberth.logs.analysis import Analysis
from cloudberth.logs.filter import Filter
from cloudberth.logs.record import Record

Row = Mapping[str, Any]
Remark = Callable[[str], None]
"""Hears what a user should know although it is no error: a partial answer, a limit that was reached."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Facts about a store. language: of `raw`, in words. counts: whether analyses run in the store itself.

    late: after which time a record that was written is certain enough to be found. poll: seconds between two
    looks when following.
    """

    language: str
    counts: bool
    late: timedelta
    poll: float


@dataclass(frozen=True, slots=True)
class Retention:
    """What a store really keeps. days: None is for ever. stored_bytes: None where the store does not say."""

    group: str
    days: int | None
    stored_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class DeploymentLogs:
    """Where a deployment's logs are, from its outputs. groups: service → group (`log_groups`).

    store: `facts.logs.store`, what holds all groups: a prefix, a workspace, a bucket.
    """

    name: str
    region: str
    store: str
    groups: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """A location in pieces, ``scheme://host/path?name=value``; the path with its leading slash."""

    scheme: str
    host: str
    path: str
    query: Mapping[str, str]


class LogReader(ABC):
    """Reads one store. Every call may raise BackendError; nothing is asked before the first call."""

    capabilities: ClassVar[Capabilities]
    remark: Remark = staticmethod(lambda _text: None)

    @classmethod
    @abstractmethod
    def at(cls, place: Place) -> Self:
        """For a location that a user wrote. Raises InvalidInput."""

    @classmethod
    @abstractmethod
    def of_deployment(cls, logs: DeploymentLogs) -> Self:
        """For the logs of a deployment. Raises InvalidInput."""

    @abstractmethod
    def query(self, filter: Filter, limit: int) -> list[Record]:
        """The newest records of a filter, at most `limit`, oldest first."""

    @abstractmethod
    def window(self, filter: Filter) -> Iterator[Record]:
        """All records of a filter, for followers: the time span is short; in any order."""

    @abstractmethod
    def raw(self, text: str, since: datetime, until: datetime, limit: int) -> list[Row]:
        """Run a query in the store's own language."""

    @abstractmethod
    def analyse(self, analysis: Analysis, since: datetime, until: datetime) -> list[Row]:
        """Run a saved analysis: rows with its columns."""

    @abstractmethod
    def compiled(self, filter: Filter, limit: int) -> str:
        """The filter in the store's own language."""

    @abstractmethod
    def compiled_analysis(self, analysis: Analysis) -> str:
        """The analysis in the store's own language."""

    @abstractmethod
    def retention(self) -> list[Retention]:
        """What is kept, by group."""

    def follow(self, filter: Filter) -> Iterator[Record]:
        """Records of a filter from its beginning on, for ever; its end plays no part."""
        from cloudberth.logs.following import follow

        return follow(self, filter)

    def close(self) -> None:  # noqa: B027 - most have nothing to let go
        """Let connections go."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def in_slices(
    fetch: Callable[[Filter, int], list[Record]], filter: Filter, limit: int, most: int, remark: Remark
) -> list[Record]:
    """The newest records from a store that gives at most `most` at once, newest first, in several calls.

    Each call ends where the one before began; records of that moment, which both give, are taken once. The
    filter is applied to what comes. Oldest first, at most `limit`.
    """
    found: list[Record] = []
    until = filter.until
    seen: Counter[str] = Counter()
    while True:
        wanted = min(most, limit)
        page = fetch(replace(filter, until=until), wanted)
        fresh: list[Record] = []
        before = seen.copy()
        for record in page:
            if before[record.id]:
                before[record.id] -= 1
            else:
                fresh.append(record)
        found += [record for record in fresh if filter.matches(record)]
        if len(page) < wanted or len(found) >= limit:
            break
        if not fresh:
            remark(f"more than {wanted:,} records of one moment: older ones are left out")
            break
        oldest = min(record.time for record in page)
        seen = Counter(record.id for record in page)
        until = oldest + timedelta(microseconds=1)
        if until <= filter.since:
            break
    found.sort(key=lambda record: record.time, reverse=True)
    return found[:limit][::-1]
