"""The process that delivers: couriers for all destinations, the sums, retention, a sign of life.

``python -m cloudberth.tracing.exporter`` with ``BERTH_TRACES_URL``; people use ``berth traces export``, which
starts it under supervision. Several may run on one database: leases keep them from sending twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from cloudberth.errors import CloudberthError
from cloudberth.tracing import batches, health, summaries
from cloudberth.tracing.courier import Courier, Pacing
from cloudberth.tracing.database import Database
from cloudberth.tracing.destinations import Destination, Destinations
from cloudberth.tracing.retention import Retention, apply_retention
from cloudberth.tracing.store import TraceStore

URL = "BERTH_TRACES_URL"
_BEAT = 5.0


@dataclass(frozen=True, slots=True)
class ExporterSettings:
    """reload: seconds until a change of destinations is seen; retention_every, report_every: seconds."""

    reload: float = 2.0
    summary_every: float = 1.0
    retention: Retention = field(default_factory=Retention)
    retention_every: float = 60.0
    report_every: float = 60.0
    pacing: Pacing = field(default_factory=Pacing)


class Exporter:
    """Runs in an event loop until it is cancelled."""

    def __init__(
        self, destinations: Destinations, settings: ExporterSettings, report: Callable[[str], None]
    ) -> None:
        self._destinations = destinations
        self._database: Database = destinations.database
        self._settings = settings
        self._report = report
        self._owner = batches.owner_name()
        self._couriers: dict[str, tuple[int, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        chores = [
            self._every(self._settings.reload, self._reload),
            self._every(self._settings.summary_every, self._sum_up),
            self._every(self._settings.retention_every, self._remove),
            self._every(_BEAT, self._beat),
            self._every(self._settings.report_every, self._tell, late=True),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for chore in chores:
                    group.create_task(chore)
        finally:
            await self._stop()

    async def _every(self, seconds: float, act: Callable[[], object], *, late: bool = False) -> None:
        """Do something over and over; the database may be away for a while."""
        if late:
            await asyncio.sleep(seconds)
        while True:
            try:
                done = act()
                if asyncio.iscoroutine(done):
                    await done
            except CloudberthError as error:
                self._report(f"{error}")
            await asyncio.sleep(seconds)

    async def _reload(self) -> None:
        """Start couriers for what is new, stop them for what is gone, and both for what has changed."""
        found = {each.id: each for each in await asyncio.to_thread(self._destinations.list) if each.enabled}
        for name, (version, task) in list(self._couriers.items()):
            wanted = found.get(name)
            if wanted is not None and wanted.version == version and not task.done():
                continue
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
            del self._couriers[name]
        for name, destination in found.items():
            if name not in self._couriers:
                courier = await self._courier(destination)
                if courier is not None:
                    task = asyncio.create_task(courier.run(), name=f"courier {name}")
                    self._couriers[name] = (destination.version, task)

    async def _courier(self, destination: Destination) -> Courier | None:
        """A courier, or None when the settings cannot be used; then the reason is shown with the
        destination.
        """
        try:
            settings = await asyncio.to_thread(self._destinations.complete_settings, destination.id)
            return Courier(
                self._database, destination, settings, self._destinations.guard, self._owner,
                self._settings.pacing,
            )  # fmt: skip
        except CloudberthError as error:
            await asyncio.to_thread(batches.note_error, self._database, destination.id, str(error)[:500])
            return None

    async def _sum_up(self) -> None:
        await asyncio.to_thread(summaries.catch_up, self._database, 10_000)

    async def _remove(self) -> None:
        await asyncio.to_thread(apply_retention, self._database, self._settings.retention)

    async def _beat(self) -> None:
        await asyncio.to_thread(health.beat, self._database)

    async def _tell(self) -> None:
        self._report(await asyncio.to_thread(health.log_line, self._database))

    async def _stop(self) -> None:
        for _, task in self._couriers.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in self._couriers.values()), return_exceptions=True)
        with contextlib.suppress(CloudberthError):
            await asyncio.to_thread(batches.give_back, self._database, self._owner)


async def export(url: str, settings: ExporterSettings, report: Callable[[str], None]) -> None:
    """Deliver until the process is told to stop (SIGTERM, SIGINT), or its supervisor is gone."""
    store = await asyncio.to_thread(_open_patiently, url, report)
    exporter = Exporter(Destinations(store.database), settings, report)
    running = asyncio.create_task(exporter.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    if os.environ.get("BERTH_TRACES_SUPERVISED"):
        loop.add_reader(sys.stdin.fileno(), lambda: _end_of_supervisor(running))
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        store.close()


def _end_of_supervisor(running: asyncio.Task[None]) -> None:
    # The pipe never holds anything: it can be read when its other end is gone.
    if not os.read(sys.stdin.fileno(), 64):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        running.cancel()


def _open_patiently(url: str, report: Callable[[str], None]) -> TraceStore:
    """A database that is not up yet is waited for; what cannot get better is raised."""
    import time

    while True:
        try:
            return TraceStore.open(url)
        except CloudberthError as error:
            if not getattr(error, "retryable", False):
                raise
            report(str(error))
            time.sleep(2.0)


def main() -> int:
    """The entry point of the process. Exit codes as of `berth`."""
    from cloudberth.tracing.settings import exporter_settings

    def report(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        asyncio.run(export(os.environ.get(URL, ""), exporter_settings(os.environ), report))
    except CloudberthError as error:
        report(f"error: {error}" + (f" ({error.hint})" if error.hint else ""))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
