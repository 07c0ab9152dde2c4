"""Machines, groups and what runs on them, for the tables of plans."""

from __future__ import annotations

import base64
import gzip
from typing import Any

from finding_plans import Sample, resource, sample

TEMPLATE = "aws_launch_template.a"
GROUP = "aws_autoscaling_group.a"
COMPOSE = """\
services:
  api:
    image: langgenius/dify-api:1.17.1
    mem_limit: 2g
    environment: {LOG_LEVEL: INFO}
"""


def template(**values: Any) -> Sample:
    unknown = values.pop("unknown", {})
    return sample(resource(TEMPLATE, unknown=unknown, **values))


def stacked(compose: str = COMPOSE, env: str = "", size: str | None = None) -> Sample:
    return sample(stack={"app/compose.yaml": compose, "app/env/api.env": env}, size=size)


def machine(text: str) -> Sample:
    return template(user_data=base64.b64encode(gzip.compress(text.encode())).decode())


def disk(**settings: Any) -> list[dict[str, Any]]:
    return [{"device_name": "/dev/xvda", "ebs": [settings]}]


def distribution(base: int, above: int, *kinds: str) -> list[dict[str, Any]]:
    return [
        {
            "instances_distribution": [
                {"on_demand_base_capacity": base, "on_demand_percentage_above_base_capacity": above}
            ],
            "launch_template": [{"override": [{"instance_type": kind} for kind in kinds]}],
        }
    ]


def group(**values: Any) -> Any:
    references = values.pop("references", ())
    unknown = values.pop("unknown", {})
    return resource(GROUP, references=references, unknown=unknown, **values)
