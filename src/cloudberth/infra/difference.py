"""What differs between two plans: resources that come, go or change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudberth.infra.plan import Plan, Resource


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """One attribute, by dotted path; None where it is absent or only known after apply."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ChangedResource:
    address: str
    attributes: tuple[AttributeChange, ...]


@dataclass(frozen=True, slots=True)
class PlanDifference:
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ChangedResource, ...]

    @property
    def empty(self) -> bool:
        return not (self.added or self.removed or self.changed)


def compare_plans(before: Plan, after: Plan) -> PlanDifference:
    """Compare by address. Values that are unknown on either side do not count as a change."""
    old = {resource.address: resource for resource in before.managed()}
    new = {resource.address: resource for resource in after.managed()}
    changed = []
    for address in sorted(old.keys() & new.keys()):
        attributes = tuple(_changes(old[address], new[address]))
        if attributes:
            changed.append(ChangedResource(address, attributes))
    return PlanDifference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(changed),
    )


def _changes(old: Resource, new: Resource) -> Iterator[AttributeChange]:
    before, after = dict(_leaves(old.values)), dict(_leaves(new.values))
    unknown = {path for resource in (old, new) for path, value in _leaves(resource.unknown) if value is True}
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path) and not _under(path, unknown):
            yield AttributeChange(path, before.get(path), after.get(path))


def _under(path: str, prefixes: set[str]) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:length]) in prefixes for length in range(1, len(parts) + 1))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
    elif value is not None:
        yield path, value
