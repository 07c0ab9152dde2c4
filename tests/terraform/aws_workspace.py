"""An AWS workspace made by hand: root variables with a smallest stack, so that the HCL is tried alone."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terraform_contract import TERRAFORM

from cloudberth.infra.workspace import boot_files

SMALL: dict[str, Any] = {
    "name": "berth-test",
    "region": "eu-central-1",
    "app": {"name": "shop", "version": "2.0", "health_path": "/healthz"},
    "domain": None,
    "network": {"cidr": "10.40.0.0/16", "zones": 2, "nat": "single", "endpoints": [], "flow_logs": True},
    "access": {
        "allowed_cidrs": ["0.0.0.0/0"],
        "waf": False,
        "idle_timeout_seconds": 600,
        "access_logs": True,
    },
    "compute": {
        "architecture": "arm64",
        "app": {
            "machine_types": ["t4g.large"],
            "min": 1,
            "max": 2,
            "on_demand": 1,
            "spot_percent": 0,
            "target_cpu_percent": 60,
            "disk_gb": 50,
        },
        "stateful": {"machine_type": "t4g.large", "disk_gb": 30, "data_disk_gb": 30},
        "schedules": [],
        "internal_ports": [5002],
    },
    "database": {
        "engine": "postgres",
        "version": "16",
        "machine_type": "db.t4g.medium",
        "storage_gb": 30,
        "max_storage_gb": 100,
        "multi_zone": False,
        "min_capacity": 0.5,
        "max_capacity": 4,
        "deletion_protection": True,
        "name": "shop",
        "names": ["shop"],
        "extensions": [],
    },
    "cache": {"machine_type": "cache.t4g.small", "version": "8.0", "replicas": 0, "multi_zone": False},
    "storage": {
        "versioning": True,
        "lifecycle": [],
        "noncurrent_days": 30,
        "abort_multipart_days": 7,
        "force_destroy": False,
    },
    "cdn": {"enabled": False, "paths": []},
    "secrets": {
        "secret_key": {"length": 40, "format": "alphanumeric", "purpose": "Signs sessions"},
        "agent_key": {"length": 40, "format": "base64url-32", "purpose": "Encrypts"},
    },
    "secret_references": {},
    "logs": {"retention_days": 30, "groups": ["api", "boot"]},
    "alarms": {
        "enabled": True,
        "emails": ["ops@example.com"],
        "cpu_percent": 85,
        "database_free_storage_gb": 5,
        "cache_memory_percent": 80,
        "queue_depth": 500,
        "errors_per_5_minutes": 20,
    },
    "budget": {
        "amount": 400,
        "thresholds": [50, 100],
        "emails": ["finance@example.com"],
        "anomaly": True,
        "anomaly_usd": 20,
    },
    "backup": {
        "retention_days": 7,
        "window": "02:00-03:00",
        "maintenance": "sun:03:30-sun:04:30",
        "final_snapshot": True,
    },
    "tags": {},
}
STACK: dict[str, Any] = {
    "release": "2.0",
    "queue": None,
    "images": ["docker.io/example/shop:2.0"],
    "groups": {"app": {"once": [], "services": ["api"]}, "stateful": {"once": [], "services": ["scheduler"]}},
}


def variables(**changes: Any) -> dict[str, Any]:
    """The small deployment with changes: `database=None`, or `access={"waf": True}` to change one field."""
    merged = copy.deepcopy(SMALL)
    for name, value in changes.items():
        _change(merged, name, value)
    return merged


def _change(target: dict[str, Any], name: str, value: Any) -> None:
    old = target.get(name)
    if isinstance(value, Mapping) and isinstance(old, dict):
        for key, inner in value.items():
            _change(old, key, inner)
    else:
        target[name] = value


def workspace(
    folder: Path,
    *,
    environment: str = "URL=${public.url}\nPASSWORD=$${secret.database_password|url}\n",
    stack: Mapping[str, Any] = STACK,
    **changes: Any,
) -> Path:
    """A folder that Terraform can plan. environment: the template of the one service of both groups."""
    shutil.copytree(TERRAFORM / "aws", folder)
    boot = folder / "modules" / "compute" / "boot"
    boot.mkdir()
    for name, text in boot_files("aws").items():
        (boot / name).write_text(text)
    for group in stack["groups"]:
        file = folder / "stack" / group / "env" / "service.env"
        file.parent.mkdir(parents=True)
        file.write_text(environment)
    (folder / "stack" / "stack.json").write_text(json.dumps(stack))
    (folder / "terraform.tfvars.json").write_text(json.dumps(variables(**changes)))
    return folder
