"""The exporter beside the server: a process of its own, so that no provider can hold up a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cloudberth.server.settings import ServerSettings
from cloudberth.tracing.supervision import Supervisor


@contextmanager
def exporter(settings: ServerSettings, *, enabled: bool) -> Iterator[Supervisor | None]:
    """Run an exporter, started again whenever it ends, for as long as the server runs."""
    if not enabled:
        yield None
        return
    supervisor = Supervisor(settings.traces)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
