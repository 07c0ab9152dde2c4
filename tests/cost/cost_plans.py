"""Plans made by hand: a few lines per resource, in the shape that the plan reader gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cloudberth.infra.plan import Action, Plan, Resource

REGION = "us-east-1"


def resource(
    address: str,
    values: Mapping[str, Any] | None = None,
    *references: str,
    unknown: Mapping[str, Any] | None = None,
    action: Action = Action.CREATE,
    data: bool = False,
) -> Resource:
    """A resource at ``module.network.aws_subnet.public["a"]``; everything else follows from the address."""
    modules = re.findall(r"module\.([a-z_]+)", address)
    kind, name, key = re.search(r"([a-z0-9_]+)\.([a-z0-9_]+)(?:\[(.+)\])?$", address).groups()  # type: ignore[union-attr]
    return Resource(
        address=address,
        module=".".join(modules),
        type=kind,
        name=name,
        key=key and (int(key) if key.isdigit() else key.strip('"')),
        provider="registry.terraform.io/hashicorp/aws",
        action=action,
        values=dict(values or {}),
        before={},
        unknown=dict(unknown or {}),
        references=references,
        data=data,
    )


def plan(*resources: Resource, region: str = REGION, **more: Any) -> Plan:
    return Plan(resources=resources, region=region, **more)


def group(name: str = "app", low: int = 2, high: int = 4, **values: Any) -> Resource:
    """An autoscaling group of on-demand machines with the template of the same name."""
    return resource(
        f"module.compute.aws_autoscaling_group.{name}",
        {"min_size": low, "max_size": high, **values},
        f'module.compute.aws_launch_template.this["{name}"]',
    )


def template(name: str = "app", machine_type: str | None = "t4g.large", **values: Any) -> Resource:
    disk = {"ebs": [{"volume_size": 50, "volume_type": "gp3"}]}
    return resource(
        f'module.compute.aws_launch_template.this["{name}"]',
        {"instance_type": machine_type, "block_device_mappings": [disk], **values},
    )


def mixed(base: int, percent_above: int, *machine_types: str) -> list[dict[str, Any]]:
    """A mixed instances policy in the provider's shape."""
    split = {"on_demand_base_capacity": base, "on_demand_percentage_above_base_capacity": percent_above}
    override = [{"instance_type": name} for name in machine_types]
    return [{"instances_distribution": [split], "launch_template": [{"override": override}]}]
