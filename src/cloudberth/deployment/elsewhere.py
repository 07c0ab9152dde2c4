"""The same file on another cloud: what names one cloud's own things gives way to the size's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from cloudberth.deployment.facts import read_data
from cloudberth.deployment.loader import load, load_text
from cloudberth.deployment.model import Deployment
from cloudberth.errors import InvalidInput

OF_ONE_CLOUD: Final = (
    "account",
    "domain.certificate",
    "network.existing",
    "network.endpoints",
    "compute.app.machine_types",
    "compute.stateful.machine_type",
    "compute.image",
    "compute.registry_mirror",
    "database.engine",
    "database.version",
    "database.machine_type",
    "database.min_capacity",
    "database.max_capacity",
    "cache.machine_type",
    "cache.version",
    "storage.type",
    "state",
)
"""Keys whose values mean something on one cloud only."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A deployment on a cloud. replaced: keys of the file that gave way to the defaults of the size there."""

    deployment: Deployment
    replaced: tuple[str, ...] = ()


def on_cloud(path: Path, cloud: str, region: str | None, environment: Mapping[str, str]) -> Elsewhere:
    """The deployment of a file on a cloud; as it stands when that is the file's own.

    region: on that cloud; None takes the counterpart of the file's. Raises InvalidDeployment for a file that
    is wrong where it is, or that cannot be on the other cloud; InvalidInput for a region without counterpart.
    """
    own = load(path, environment)
    if own.cloud == cloud and region in (None, own.region):
        return Elsewhere(own)
    there = region or counterpart(own.cloud, own.region, cloud)
    root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    replaced: tuple[str, ...] = ()
    if own.cloud != cloud:
        replaced = tuple(key for key in OF_ONE_CLOUD if _without(root, key.split(".")))
    _replace(root, {"cloud": cloud, "region": there})
    text = yaml.serialize(root, allow_unicode=True)
    return Elsewhere(load_text(text, f"{path.name} on {cloud}", environment), replaced)


@cache
def _counterparts() -> tuple[Mapping[str, str], ...]:
    return tuple(read_data("cloudberth.deployment.facts", "counterparts.yaml"))


def counterpart(cloud: str, region: str, other: str) -> str:
    """The region of another cloud nearest to a region. Raises InvalidInput when none is written down."""
    for places in _counterparts():
        if places.get(cloud) == region and other in places:
            return places[other]
    raise InvalidInput(
        f"which region of {other} stands for {region} is not known",
        where=f"{cloud} {region}",
        hint=f"name it: --region {other}=…",
    )


def _without(node: yaml.Node | None, path: list[str]) -> bool:
    """Take a key out of a tree; whether it was there."""
    for entry in node.value if isinstance(node, yaml.MappingNode) else ():
        key, value = entry
        if key.value != path[0]:
            continue
        if len(path) == 1 and isinstance(node, yaml.MappingNode):
            node.value.remove(entry)
            return True
        return _without(value, path[1:])
    return False


def _replace(node: yaml.Node | None, values: Mapping[str, str]) -> None:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value in values:
            value.value = values[key.value]
