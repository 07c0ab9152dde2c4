"""A Terraform plan as a value: the one source of truth about infrastructure.

Cost, review, diagram and diff read this, never the deployment file, so they are right for
whatever Terraform really does and work on any ``terraform show -json`` a user brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    FORGET = "forget"
    READ = "read"
    NONE = "no-op"


@dataclass(frozen=True, slots=True)
class Resource:
    """One managed resource (or data source) of a plan.

    address: ``module.network.aws_subnet.public["eu-central-1a"]``. module: ``network``, ``""`` in the root,
    dotted when nested. key: the ``count``/``for_each`` key. values: attributes after the change, where
    known; before: attributes as they are now. unknown: Terraform's ``after_unknown`` tree (True where a
    value is only known after apply). references: addresses of the resources that this one's configuration
    names, with module calls followed through (without keys where the configuration names all instances).
    sensitive: Terraform's tree of marks (True where a value must not be shown).
    """

    address: str
    module: str
    type: str
    name: str
    key: str | int | None
    provider: str
    action: Action
    values: Mapping[str, Any]
    before: Mapping[str, Any]
    unknown: Mapping[str, Any]
    references: tuple[str, ...] = ()
    data: bool = False
    sensitive: Mapping[str, Any] = field(default_factory=dict)

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a dotted path (``root_block_device.0.volume_size``); default if absent or unknown."""
        value: Any = self.values
        for step in path.split("."):
            if isinstance(value, Mapping) and step in value:
                value = value[step]
            elif isinstance(value, list | tuple) and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            else:
                return default
        return default if value is None else value


@dataclass(frozen=True, slots=True)
class Plan:
    """What Terraform would do.

    providers: source address → version that the plan was made with (the constraint, where a plan's JSON
    says no more). rehearsal: True when the providers were simulated. region: the provider's region, ``""``
    when unknown. outputs: root outputs, None where unknown.
    """

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    terraform_version: str = ""
    providers: Mapping[str, str] = field(default_factory=dict)
    rehearsal: bool = False
    region: str = ""
    name: str = ""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Plan:
        """The plan in a parsed `terraform show -json` document, of any format version (a state is read as a
        plan that changes nothing); InvalidInput when it is something else."""
        from cloudberth.infra.plan_json import plan_from_json

        return plan_from_json(document)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The same from a file."""
        from cloudberth.infra.plan_json import read_plan

        return read_plan(path)

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Managed resources of these types that exist after the plan."""
        return (r for r in self.managed() if r.type in types)

    def managed(self) -> Iterator[Resource]:
        """Managed resources that exist after the plan (everything but deletions and data sources)."""
        gone = (Action.DELETE, Action.FORGET)
        return (r for r in self.resources if not r.data and r.action not in gone)

    def resource(self, address: str) -> Resource | None:
        return next((r for r in self.resources if r.address == address), None)


def read(path: Path) -> Plan:
    """The plan in a file that `terraform show -json` wrote."""
    return Plan.read(path)
