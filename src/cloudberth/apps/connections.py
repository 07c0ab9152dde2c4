"""The connection budget: how many PostgreSQL connections each process may hold so that all machines fit.

Every process of the API image has a pool of its own. What counts is the worst case: the app group at its
largest, and twice that while a rolling update starts new machines before the old ones go.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloudberth.apps.model import App, Service
from cloudberth.deployment.facts import facts
from cloudberth.deployment.model import Deployment
from cloudberth.errors import InvalidInput

# Dify's own defaults are the ceiling: more never helped, fewer is what small databases force.
_MOST = (30, 10, 5)  # pool, overflow, vector
_LEAST = 4
_KEPT_FREE = 15
"""Connections for administrators, the cloud's own monitoring and one-shot steps."""


@dataclass(frozen=True, slots=True)
class Pools:
    """Per process: size (kept open), overflow (opened under load), vector (the vector client's own pool)."""

    size: int
    overflow: int
    vector: int

    @property
    def total(self) -> int:
        return self.size + self.overflow + self.vector


def pools(app: App, deployment: Deployment) -> Pools:
    """Split the database's connections among the processes.

    Raises InvalidInput when that leaves a process less than it needs to work at all.
    """
    if deployment.database is None:
        return Pools(*_MOST)
    processes, fixed = demand(app, deployment)
    limit = max_connections(deployment)
    if not processes:
        _must_fit(fixed, limit)
        return Pools(*_MOST)
    share = (limit - _KEPT_FREE - fixed) // processes
    if share < _LEAST:
        raise InvalidInput(
            f"the database holds {limit} connections, too few for {processes} processes "
            f"(at compute.app.max = {deployment.compute.app.max}) that need {_LEAST} each",
            where="database",
            hint="take a larger database, or lower compute.app.max",
        )
    vector = min(_MOST[2], max(1, share // 6))
    overflow = min(_MOST[1], max(1, (share - vector) // 4))
    return Pools(min(_MOST[0], share - vector - overflow), overflow, vector)


def _must_fit(fixed: int, limit: int) -> None:
    if fixed + _KEPT_FREE > limit:
        raise InvalidInput(
            f"the services hold up to {fixed} connections, the database has {limit}",
            where="database",
            hint="take a larger database, or lower database_connections of the services or compute.app.max",
        )


def demand(app: App, deployment: Deployment) -> tuple[int, int]:
    """(processes with a pool, connections outside pools) with all machines running."""
    counted = [(service, _copies(service, deployment)) for service in app.services.values()]
    processes = sum(service.database_pools.get(deployment.size, 0) * copies for service, copies in counted)
    return processes, sum(service.database_connections * copies for service, copies in counted)


def _copies(service: Service, deployment: Deployment) -> int:
    app_machines = 2 * max(1, deployment.compute.app.max)
    return {"many": app_machines, "every": app_machines + 1, "one": 1, "once": 0}[service.runs]


def max_connections(deployment: Deployment) -> int:
    """What the database allows, on the safe side, from the cloud's facts.

    Raises InvalidInput for a class that the cloud does not have.
    """
    database = deployment.database
    assert database is not None  # noqa: S101 - callers checked
    cloud = facts(deployment.cloud)
    if database.machine_type == cloud.serverless_class:
        return cloud.serverless_max_connections(database.min_capacity, database.max_capacity)
    known = cloud.database_class(database.machine_type)
    if known is None:
        raise InvalidInput(
            f"there is no database class {database.machine_type}", where="database.machine_type"
        )
    return known.max_connections
