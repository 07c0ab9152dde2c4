"""What the handlers of knowledge work with: the service and the limits of those who call it."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudberth.cache import Cache
from cloudberth.cache.rate_limits import RateLimit
from cloudberth.errors import InvalidInput
from cloudberth.knowledge.service import Knowledge

_PER_MINUTE = 1_200


@dataclass(frozen=True, slots=True)
class KnowledgePart:
    """service: the knowledge itself. calls: how often a key may be used. replays: what uploads under an
    idempotency key became. most_upload: bytes of one file. stopping: set when the server is about to end, so
    that streams end as well.
    """

    service: Knowledge
    calls: RateLimit
    replays: Cache
    most_upload: int
    stopping: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        """End streams, and close the service."""
        self.stopping.set()
        self.service.close()


def build_part(service: Knowledge, environment: Mapping[str, str] | None = None) -> KnowledgePart:
    """The part on a service that is open. environment:

    ``BERTH_API_PER_MINUTE``: calls of one key in a minute. ``BERTH_KNOWLEDGE_MAX_BYTES``: of one file.
    """
    variables = os.environ if environment is None else environment
    cache = service.parts.cache or _memory()
    return KnowledgePart(
        service=service,
        calls=RateLimit(cache.under("calls"), _number(variables, "BERTH_API_PER_MINUTE", _PER_MINUTE), 60.0),
        replays=cache.under("replays"),
        most_upload=_number(variables, "BERTH_KNOWLEDGE_MAX_BYTES", 100 << 20),
    )


def _memory() -> Cache:
    from cloudberth import cache

    return cache.open("memory://")


def _number(variables: Mapping[str, str], name: str, otherwise: int) -> int:
    given = variables.get(name, "").strip()
    if not given:
        return otherwise
    if not given.isdecimal() or not 1 <= int(given) <= 1 << 40:
        raise InvalidInput("is no whole number from 1 on", where=name)
    return int(given)
