"""Deployment and application → the values of the Terraform root's variables (terraform/CONTRACT.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cloudberth.apps import variables as of_app
from cloudberth.apps.model import App
from cloudberth.apps.router import HEALTH_PATH
from cloudberth.deployment.facts import facts
from cloudberth.deployment.model import Deployment, Schedule
from cloudberth.errors import InvalidInput
from cloudberth.infra.schedules import lengths


def root_variables(deployment: Deployment, app: App, *, guarded: bool = True) -> dict[str, Any]:
    """Everything that goes into ``terraform.tfvars.json``. No secret is among it.

    guarded: False takes the guards against deletion off, which `berth down --delete-data` needs.
    """
    return {
        "name": deployment.name,
        "region": deployment.region,
        "account": deployment.account,
        "app": {"name": app.name, "version": app.version, "health_path": HEALTH_PATH},
        "domain": deployment.domain.model_dump() if deployment.domain else None,
        "network": deployment.network.model_dump(),
        "access": deployment.access.model_dump(),
        "compute": _compute(deployment, app),
        "database": _database(deployment, app, guarded=guarded),
        "cache": deployment.cache.model_dump() if deployment.cache else None,
        "storage": _storage(deployment, guarded=guarded),
        "cdn": {"enabled": deployment.storage.cdn, "paths": of_app.cdn_paths(app)},
        "secrets": {name: secret.model_dump() for name, secret in sorted(app.secrets.items())},
        "secret_references": deployment.secret_references,
        "logs": {"retention_days": _kept_days(deployment), "groups": of_app.log_groups(app)},
        "alarms": deployment.alarms.model_dump(),
        "budget": deployment.budget.model_dump() if deployment.budget else None,
        "backup": deployment.backup.model_dump(),
        "tags": deployment.tags,
    }


def _kept_days(deployment: Deployment) -> int:
    """What the cloud keeps; the rules of the file have refused what is longer than it can."""
    wanted = deployment.logs.retention_days
    return facts(deployment.cloud).kept_days(wanted) or wanted


def _compute(deployment: Deployment, app: App) -> dict[str, Any]:
    compute = deployment.compute
    machine_type = compute.app.machine_types[0]
    machine = facts(deployment.cloud).machine(machine_type)
    if machine is None:
        raise InvalidInput(f"machine type {machine_type!r} is not known", where="compute.app.machine_types")
    return {
        "architecture": machine.architecture,
        "image": compute.image,
        "app": compute.app.model_dump(),
        "stateful": compute.stateful.model_dump(),
        "schedules": _schedules(compute.schedules),
        "internal_ports": of_app.internal_ports(app),
    }


def _schedules(schedules: Sequence[Schedule]) -> list[dict[str, Any]]:
    """With the seconds for which each lasts; None for one that is alone, which lasts for ever."""
    lasting = lengths([(schedule.cron, schedule.time_zone) for schedule in schedules])
    return [
        schedule.model_dump() | {"duration_seconds": seconds}
        for schedule, seconds in zip(schedules, lasting, strict=True)
    ]


def _database(deployment: Deployment, app: App, *, guarded: bool) -> dict[str, Any] | None:
    if deployment.database is None:
        return None
    return deployment.database.model_dump() | {
        "name": app.databases[0] if app.databases else deployment.name.replace("-", "_"),
        "names": list(app.databases),
        "extensions": list(app.extensions),
        "deletion_protection": deployment.database.deletion_protection and guarded,
    }


def _storage(deployment: Deployment, *, guarded: bool) -> dict[str, Any]:
    wanted = ("versioning", "lifecycle", "noncurrent_days", "abort_multipart_days")
    values = deployment.storage.model_dump()
    return {name: values[name] for name in wanted} | {"force_destroy": not guarded}
